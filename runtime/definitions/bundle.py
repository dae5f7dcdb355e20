"""Bundles: how an app gets to the processes that run its code, by import path or by value."""

# cloudpickle has no types.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false

import contextlib
import importlib
import importlib.machinery
import sys
import sysconfig
import traceback
from collections.abc import Generator, Sequence
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import cloudpickle

from greenroom.runtime.contracts.errors import DefinitionError
from greenroom.runtime.contracts.plan import BundleSource
from greenroom.runtime.definitions.app import App


def load_app(source: BundleSource) -> App:
    """Return the app a source stands for.

    Raises:
        DefinitionError: It cannot be imported or unpickled; the message names the file and line of the user's error.
    """
    _extend_path(source.search_path)
    if source.target is not None:
        return resolve_target(source.target)
    if source.pickled is None:
        raise DefinitionError("A bundle's source names neither a target nor a pickled app.")
    try:
        found = cloudpickle.loads(source.pickled)
    except Exception as error:  # noqa: BLE001 - unpickling runs the user's modules, which may raise anything
        raise DefinitionError(f"The app cannot be unpickled here: {_described(error)}", _place(error)) from None
    return _checked(found, "The pickled object")


def resolve_target(target: str, search_path: Sequence[str] = ()) -> App:
    """Import an app by `module:attribute`; the attribute may be left out if it is `app`.

    Raises:
        DefinitionError: The module or the attribute is missing, is not an App, or the import raised.
    """
    _extend_path(search_path)
    name, _, attribute = target.partition(":")
    if not all(part.isidentifier() for part in name.split(".")):
        raise DefinitionError(f"{target!r} is not a target; write 'module:attribute', such as 'shop.agents:app'.")
    module = _import(name, target)
    at: Any = module
    for part in (attribute or "app").split("."):
        if not hasattr(at, part):
            raise DefinitionError(
                f"Module {name!r} has no {attribute or 'app'!r}.{_apps_of(module)}", {"target": target, "module": name}
            )
        at = getattr(at, part)
    return _checked(at, repr(target), module)


def source_of(app: App, target: str | None = None) -> BundleSource:
    """Return how workers get the app: by its import path if one is given, else by value.

    By value, code of `__main__` and of modules that other processes cannot import goes along; other modules are
    imported there, from the same folders.

    Raises:
        DefinitionError: The app holds something that cannot be sent.
    """
    if target is not None:
        resolve_target(target)
        return BundleSource(target=target, search_path=_folders({target.partition(":")[0].partition(".")[0]}))
    names = _modules_of(app)
    by_value = {name for name in names if not _is_importable(name)}
    with _sent_by_value(by_value):
        _settle_annotations(app, by_value)
        try:
            pickled = cloudpickle.dumps(app)
        except Exception as error:  # noqa: BLE001 - what users' objects raise when they are pickled
            raise DefinitionError(
                f"The app cannot be sent by value: {type(error).__name__}: {error}. Open clients, locks and files "
                "inside the steps, or put the app into a module and connect with 'module:app'."
            ) from None
    folders = _folders({name.partition(".")[0] for name in names - by_value})
    return BundleSource(pickled=bytes(pickled), search_path=folders)


def _extend_path(folders: Sequence[str]) -> None:
    for folder in reversed(folders):
        if folder not in sys.path:
            sys.path.insert(0, folder)


def _import(name: str, target: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and f"{name}.".startswith(f"{error.name}."):
            raise DefinitionError(
                f"There is no module {error.name!r} (of {target!r}) in: {', '.join(filter(None, sys.path[:4]))} …",
                {"target": target, "module": error.name},
            ) from None
        raise _failed(name, target, error) from None
    except DefinitionError as error:
        raise type(error)(
            f"{error.message} (while importing {name!r}{_where(error)})", {**error.facts, **_place(error)}
        ) from None
    except (Exception, SystemExit) as error:  # noqa: BLE001 - importing runs the user's module, which may raise anything
        raise _failed(name, target, error) from None


def _failed(name: str, target: str, error: BaseException) -> DefinitionError:
    return DefinitionError(f"Importing {name!r} failed: {_described(error)}", {"target": target, **_place(error)})


def _described(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}{_where(error)}"


def _where(error: BaseException) -> str:
    place = _place(error)
    return f" ({place['file']}, line {place['line']})" if place else ""


def _place(error: BaseException) -> dict[str, Any]:
    """Return file and line of the user's code that raised: the innermost frame that is not a library's."""
    if isinstance(error, SyntaxError) and error.filename:
        return {"file": error.filename, "line": error.lineno}
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith("<")]
    own = Path(__file__).parents[2]
    users = [frame for frame in frames if not _is_library(frame.filename) and own not in Path(frame.filename).parents]
    if not users:
        return {}
    return {"file": users[-1].filename, "line": users[-1].lineno}


def _is_library(filename: str) -> bool:
    path = Path(filename)
    return "site-packages" in path.parts or Path(importlib.__file__).parents[1] in path.parents


def _checked(found: Any, what: str, module: ModuleType | None = None) -> App:
    if isinstance(found, App):
        return found
    raise DefinitionError(f"{what} is a {type(found).__name__}, not an App.{_apps_of(module)}")


def _apps_of(module: ModuleType | None) -> str:
    names = [name for name, value in vars(module).items() if isinstance(value, App)] if module else []
    return f" Apps in this module: {', '.join(sorted(names))}." if names else ""


def _modules_of(app: App) -> set[str]:
    """Return the names of the modules that define the app's functions and types."""
    found: set[str] = set()
    for body in app.code.values():
        for item in (body.function, body.input_type, body.output_type, body.run_input_type, body.resume_type):
            name = getattr(item, "__module__", None)
            if isinstance(name, str) and name in sys.modules and name.partition(".")[0] not in sys.stdlib_module_names:
                found.add(name)
    return {name for name in found if name.partition(".")[0] not in {"greenroom", "pydantic"}}


def _is_importable(name: str) -> bool:
    """Tell whether another process finds the module; that it is loaded here says nothing."""
    top = name.partition(".")[0]
    return name != "__main__" and importlib.machinery.PathFinder.find_spec(top) is not None


@contextlib.contextmanager
def _sent_by_value(names: set[str]) -> Generator[None, None, None]:
    modules = [sys.modules[name] for name in sorted(names - {"__main__"})]
    known = cloudpickle.list_registry_pickle_by_value()
    added = [module for module in modules if module.__name__ not in known]
    for module in added:
        cloudpickle.register_pickle_by_value(module)
    try:
        yield
    finally:
        for module in added:
            cloudpickle.unregister_pickle_by_value(module)


def _settle_annotations(app: App, by_value: set[str]) -> None:
    """Replace annotations that are text by what they mean: the names they use do not travel with a function."""
    for body in app.code.values():
        function = getattr(body.function, "__call__", None) if body.is_stateful else body.function  # noqa: B004 - the method
        if not isinstance(function, FunctionType) or function.__module__ not in by_value or body.expands:
            continue
        for name, annotation in function.__annotations__.items():
            if isinstance(annotation, str):
                is_result = name == "return"
                is_value = not is_result and name != body.context_parameter
                function.__annotations__[name] = body.output_type if is_result else body.input_type if is_value else Any


def _folders(tops: set[str]) -> tuple[str, ...]:
    """Return the folders outside the installation that hold these top-level modules."""
    found: list[str] = []
    # By name, not by prefix: a project often holds its own environment, or stands below the interpreter's prefix.
    names = ("stdlib", "platstdlib", "purelib", "platlib")
    installed = {Path(path).resolve() for path in map(sysconfig.get_path, names) if path}
    for top in sorted(tops):
        spec = importlib.machinery.PathFinder.find_spec(top)
        places = list(spec.submodule_search_locations or ()) if spec else []
        origin = spec.origin if spec else None
        for place in places[:1] or ([origin] if origin else []):
            folder = Path(place).resolve().parent
            if not installed & {folder, *folder.parents}:
                found.append(str(folder))
    return tuple(dict.fromkeys(found))
