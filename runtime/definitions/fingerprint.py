"""Fingerprints: what tells one version of an app's definitions from another.

Deterministic across processes and hash seeds: no addresses, no set order, no line numbers. Code counts by its
bytecode, so that a comment makes no new bundle and a changed body does; functions of the same package that a body
calls count too. Values of module globals do not: they may differ from process to process.
"""

# Walks objects whose types only their owners know.
# pyright: reportUnknownArgumentType=false, reportUnknownMemberType=false, reportUnknownVariableType=false

import enum
import functools
import hashlib
import inspect
from collections.abc import Iterator, Mapping
from types import CodeType, FunctionType, MethodType
from typing import Any, Final

import msgspec

from greenroom.runtime.contracts.plan import BundlePlan
from greenroom.runtime.definitions.body import Body
from greenroom.runtime.definitions.schema import validators_of

MAX_DEPTH: Final = 12
"""How far calls from one function to the next are followed."""

_PLAIN: Final = (str, int, float, complex, bool, bytes, type(None), type(Ellipsis))


def bundle_id(plan: BundlePlan, code: Mapping[str, Body]) -> str:
    """Return the id of a bundle: 16 hex digits over everything in the plan but its id, and over the code."""
    nameless = msgspec.structs.replace(plan, id="")
    hints = {key: _body_hints(body) for key, body in sorted(code.items())}
    canonical = msgspec.json.encode([nameless, hints], order="deterministic")
    return hashlib.sha256(canonical).hexdigest()[:16]


def _body_hints(body: Body) -> list[str]:
    types = (body.input_type, body.output_type, body.run_input_type, body.resume_type, body.suspend_type)
    functions = [body.function, *(validator for type_ in types for validator in validators_of(type_))]
    return [*map(code_fingerprint, functions), *(error.__qualname__ for error in body.retry_on or ())]


def code_fingerprint(function: Any) -> str:
    """Return a hex digest of what a callable does, as far as its code tells.

    >>> code_fingerprint(lambda value: value + 1) == code_fingerprint(lambda value: value + 1)
    True
    >>> code_fingerprint(lambda value: value + 1) == code_fingerprint(lambda value: value + 2)
    False
    """
    walk = _Walk()
    walk.callable(function, 0)
    return walk.digest()


class _Walk:
    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._seen: set[int] = set()

    def digest(self) -> str:
        return self._hash.hexdigest()

    def _text(self, *parts: object) -> None:
        for part in parts:
            data = str(part).encode("utf-8", "surrogatepass")
            self._hash.update(len(data).to_bytes(8, "big") + data)

    def callable(self, function: Any, depth: int) -> None:
        if id(function) in self._seen or depth > MAX_DEPTH:
            return
        self._seen.add(id(function))
        match function:
            case FunctionType():
                self._function(function, depth)
            case MethodType():
                self.callable(function.__func__, depth)
                self.value(function.__self__, depth + 1)
            case functools.partial():
                self.callable(function.func, depth)
                self.value([function.args, sorted(function.keywords.items())], depth + 1)
            case type():
                self._class(function, depth)
            case _ if hasattr(function, "function"):  # a step or tool
                self.callable(function.function, depth)
            case _ if inspect.isbuiltin(function) or inspect.ismethoddescriptor(function):
                self._text("builtin", getattr(function, "__qualname__", repr(type(function))))
            case _:
                self.value(function, depth)

    def _function(self, function: FunctionType, depth: int) -> None:
        self._code(function.__code__)
        self.value([function.__defaults__, sorted((function.__kwdefaults__ or {}).items())], depth + 1)
        for cell in function.__closure__ or ():
            try:
                self.value(cell.cell_contents, depth + 1)
            except ValueError:  # not filled yet
                self._text("empty")
        package = function.__module__.partition(".")[0] if function.__module__ else ""
        for name in sorted(_names(function.__code__)):
            used = function.__globals__.get(name)
            if _is_code(used) and (getattr(used, "__module__", None) or "").partition(".")[0] == package:
                self.callable(used, depth + 1)

    def _code(self, code: CodeType) -> None:
        self._text("code", code.co_code.hex(), code.co_names, code.co_varnames, code.co_freevars, code.co_argcount)
        for constant in code.co_consts:
            if isinstance(constant, CodeType):
                self._code(constant)
            else:
                self._constant(constant)

    def _constant(self, constant: Any) -> None:
        match constant:
            case frozenset():
                self._text("frozenset", *sorted(map(repr, constant)))
            case tuple():
                self._text("tuple", len(constant))
                for item in constant:
                    self._constant(item)
            case _:
                self._text(type(constant).__name__, repr(constant))

    def _class(self, kind: type, depth: int) -> None:
        self._text("class", kind.__name__)
        for name, member in sorted(vars(kind).items()):
            inner = getattr(member, "__func__", member)
            if isinstance(inner, FunctionType):
                self._text(name)
                self.callable(inner, depth + 1)

    def value(self, value: Any, depth: int) -> None:
        match value:
            case enum.Enum():
                self._text("enum", type(value).__name__, value.name)
            case _ if isinstance(value, _PLAIN):
                self._text(type(value).__name__, repr(value))
            case list() | tuple():
                self._text(type(value).__name__, len(value))
                for item in value:
                    self.value(item, depth + 1)
            case frozenset() | set():
                self._text("set", *sorted(repr(item) for item in value if isinstance(item, _PLAIN)))
            case dict():
                self._text("dict", *sorted(str(key) for key in value))
                for key in sorted(value, key=str):
                    self.value(value[key], depth + 1)
            case _ if _is_code(value):
                self.callable(value, depth + 1)
            case _:
                self._object(value, depth)

    def _object(self, value: Any, depth: int) -> None:
        """Other objects count by their class, and by their code if they can be called; never by their address."""
        self._text("object", type(value).__qualname__)
        call = getattr(type(value), "__call__", None)  # noqa: B004 - the method itself is wanted
        if isinstance(call, FunctionType):
            self.callable(call, depth + 1)


def _is_code(value: object) -> bool:
    return isinstance(value, FunctionType | MethodType | functools.partial) or hasattr(value, "__wrapped__")


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)
