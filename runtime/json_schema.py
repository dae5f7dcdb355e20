"""Checks values against JSON Schemas (draft 2020-12), listing every wrong field and filling in defaults.

Knows schemas only, no user's classes, so the host can use it. References to stored values (`$blob`) are taken as
right: what they stand for is not here. No schema is ever fetched from anywhere.
"""

# Walks JSON and JSON Schemas, which may be anything.
# pyright: reportUnknownArgumentType=false, reportUnknownMemberType=false, reportUnknownVariableType=false

import copy
import re
import uuid
from collections.abc import Iterable, Iterator
from datetime import date, datetime, time
from typing import Any, Final

import jsonschema
import referencing
from jsonschema.exceptions import ValidationError

from greenroom.runtime.contracts.errors import InvalidInput
from greenroom.runtime.contracts.values import Json, find_blob

MAX_VALIDATORS: Final = 1024
"""Most compiled schemas that are kept; the cache starts anew above it."""
MAX_SHOWN: Final = 60
"""Longest form of a wrong value in a message."""
MAX_ISSUES_IN_MESSAGE: Final = 10

_NAMES: Final = {
    "integer": "an integer",
    "number": "a number",
    "string": "a string",
    "boolean": "a boolean",
    "array": "a list",
    "object": "an object",
    "null": "null",
}

_EMAIL: Final = re.compile(r"[^@\s]+@[^@\s]+")
FORMATS: Final = jsonschema.FormatChecker(formats=())
"""Checks times, UUIDs and a basic form of email addresses; as lenient as pydantic, so a time needs no zone."""

# By identity: schemas live as long as their plan; the entry holds the schema, so its id is not used twice.
_validators: dict[int, tuple[Any, jsonschema.Draft202012Validator]] = {}


def check(schema: dict[str, Any] | None, value: Json, what: str = "the value") -> Json:
    """Return a copy of the value with the schema's defaults filled in.

    >>> check({"type": "object", "properties": {"n": {"type": "integer", "default": 3}}}, {})
    {'n': 3}

    Args:
        schema: None lets everything pass.
        what: How the message calls the value: `Invalid input for <what>: …`.

    Raises:
        InvalidInput: It does not fit; `facts["issues"]` lists every wrong field, `root` being the whole.
    """
    settled = copy.deepcopy(value)
    if schema is None:
        return settled
    settled = _Defaults(schema).fill(schema, settled)
    issues = find_issues(schema, settled)
    if issues:
        raise invalid(what, issues)
    return settled


def invalid(what: str, issues: list[dict[str, str]]) -> InvalidInput:
    """Return the error that lists all issues.

    >>> str(invalid("step 'a'", [{"field": "n", "message": "field required"}]))
    "Invalid input for step 'a': 1 field is wrong: n: field required"
    """
    count = "1 field is wrong" if len(issues) == 1 else f"{len(issues)} fields are wrong"
    shown = [f"{issue['field']}: {issue['message']}" for issue in issues[:MAX_ISSUES_IN_MESSAGE]]
    if len(issues) > MAX_ISSUES_IN_MESSAGE:
        shown.append(f"and {len(issues) - MAX_ISSUES_IN_MESSAGE} more")
    return InvalidInput(f"Invalid input for {what}: {count}: {'; '.join(shown)}", {"issues": issues})


def find_issues(schema: dict[str, Any], value: Json) -> list[dict[str, str]]:
    """Return every wrong field of a value, in the order of the fields; empty if it fits."""
    found: list[dict[str, str]] = []
    for error in sorted(_validator(schema).iter_errors(value), key=lambda error: [str(part) for part in error.path]):
        for field, message in _explain(error):
            issue = {"field": field, "message": message}
            if issue not in found:
                found.append(issue)
    return found


def _validator(schema: dict[str, Any]) -> jsonschema.Draft202012Validator:
    found = _validators.get(id(schema))
    if found is None:
        if len(_validators) >= MAX_VALIDATORS:
            _validators.clear()
        validator = jsonschema.Draft202012Validator(schema, registry=referencing.Registry(), format_checker=FORMATS)
        found = _validators[id(schema)] = (schema, validator)
    return found[1]


def _explain(error: ValidationError) -> Iterator[tuple[str, str]]:
    """Yield what is wrong, per field: unions are explained by the arm that was meant, if that can be told."""
    if find_blob(error.instance) is not None:
        return
    place = list(error.absolute_path)
    rule: Any = error.validator_value
    instance: Any = error.instance
    match error.validator:
        case "required":
            missing = [name for name in rule if name not in instance]
            # One error comes for each name; all carry the whole list, and repeated issues are dropped.
            yield from ((_field([*place, name]), "field required") for name in missing)
        case "additionalProperties" if rule is False:
            schema: Any = error.schema
            known = schema.get("properties", {})
            yield from ((_field([*place, name]), "unknown field") for name in instance if name not in known)
        case "anyOf" | "oneOf" if error.context:
            yield from _explain_union(error)
        case "type":
            yield _field(place), f"{_shown(error.instance)} is not {_one_of(rule)}"
        case "format":
            yield _field(place), f"{_shown(error.instance)} is not a valid {rule}"
        case "enum":
            yield _field(place), f"{_shown(error.instance)} is not one of {_list(rule)}"
        case "const":
            yield _field(place), f"{_shown(error.instance)} is not {_shown(rule)}"
        case _:
            yield _field(place), error.message.replace(repr(error.instance), _shown(error.instance))


def _explain_union(error: ValidationError) -> Iterator[tuple[str, str]]:
    arms: dict[Any, list[ValidationError]] = {}
    for inner in error.context or ():
        arms.setdefault(inner.schema_path[0], []).append(inner)
    # An arm of another type was not meant; nor is one whose discriminating constant differs.
    meant = [arm for arm in arms.values() if not any(_is_other_kind(inner) for inner in arm)]
    if len(meant) == 1:
        for inner in meant[0]:
            yield from _explain(inner)
        return
    field = _field(list(error.absolute_path))
    types = [inner.validator_value for arm in arms.values() for inner in arm if inner.validator == "type"]
    if not meant and len(types) == len(arms):
        yield field, f"{_shown(error.instance)} is not {_one_of(types)}"
    else:
        yield field, f"{_shown(error.instance)} fits none of the {len(arms)} allowed forms"


def _is_other_kind(error: ValidationError) -> bool:
    depth = len(error.path)
    return (error.validator == "type" and depth == 0) or (error.validator in {"const", "enum"} and depth <= 1)


def _one_of(types: Any) -> str:
    names = [types] if isinstance(types, str) else list(types)
    return " or ".join(dict.fromkeys(_NAMES.get(str(name), str(name)) for name in names))


def _list(values: Iterable[Any]) -> str:
    return ", ".join(_shown(value) for value in values)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 1] + "…"


def _field(place: list[Any]) -> str:
    shown = ""
    for part in place:
        shown += f"[{part}]" if isinstance(part, int) else f".{part}" if shown else str(part)
    return shown or "root"


class _Defaults:
    """Fills defaults in, in place, wherever the schema leaves no doubt which part of it a value is for."""

    def __init__(self, root: dict[str, Any]) -> None:
        self._root = root

    def fill(self, schema: Any, value: Json) -> Json:
        schema = self._resolved(schema)
        if not isinstance(schema, dict) or find_blob(value) is not None:
            return value
        for part in schema.get("allOf", ()):
            value = self.fill(part, value)
        arm = self._arm(schema.get("anyOf") or schema.get("oneOf") or (), value)
        if arm is not None:
            value = self.fill(arm, value)
        if isinstance(value, dict):
            self._fill_object(schema, value)
        elif isinstance(value, list):
            first = schema.get("prefixItems", ())
            for index, item in enumerate(value):
                value[index] = self.fill(first[index] if index < len(first) else schema.get("items"), item)
        return value

    def _fill_object(self, schema: dict[str, Any], value: dict[str, Json]) -> None:
        properties: dict[str, Any] = schema.get("properties", {})
        for name, part in properties.items():
            if name in value:
                value[name] = self.fill(part, value[name])
            elif isinstance(part, dict) and "default" in part:
                value[name] = self.fill(part, copy.deepcopy(part["default"]))
        for name, item in value.items():
            if name not in properties:
                value[name] = self.fill(schema.get("additionalProperties"), item)

    def _arm(self, arms: Iterable[Any], value: Json) -> Any:
        """Return the arm of a union a value is for, or None if that cannot be told."""
        kind = "object" if isinstance(value, dict) else "array" if isinstance(value, list) else None
        fitting = [
            arm for arm in map(self._resolved, arms) if kind and isinstance(arm, dict) and arm.get("type", kind) == kind
        ]
        if len(fitting) <= 1:
            return fitting[0] if fitting else None
        # Several objects: the first that fits once its defaults are in.
        for arm in fitting:
            trial = self.fill(arm, copy.deepcopy(value))
            if _validator(self._root).evolve(schema=arm).is_valid(trial):
                return arm
        return None

    def _resolved(self, schema: Any) -> Any:
        seen: set[str] = set()
        while isinstance(schema, dict) and isinstance(pointer := schema.get("$ref"), str) and pointer not in seen:
            seen.add(pointer)
            found = self._at(pointer)
            beside = {key: value for key, value in schema.items() if key != "$ref"}
            schema = {**found, **beside} if isinstance(found, dict) else found
        return schema

    def _at(self, pointer: str) -> Any:
        if not pointer.startswith("#"):
            return {}
        at: Any = self._root
        for part in pointer.removeprefix("#").strip("/").split("/"):
            key = part.replace("~1", "/").replace("~0", "~")
            if key:
                at = at.get(key, {}) if isinstance(at, dict) else {}
        return at


@FORMATS.checks("date-time", raises=ValueError)
def _is_date_time(value: Any) -> bool:
    return not isinstance(value, str) or bool(datetime.fromisoformat(value))


@FORMATS.checks("date", raises=ValueError)
def _is_date(value: Any) -> bool:
    return not isinstance(value, str) or bool(date.fromisoformat(value))


@FORMATS.checks("time", raises=ValueError)
def _is_time(value: Any) -> bool:
    return not isinstance(value, str) or bool(str(time.fromisoformat(value)))


@FORMATS.checks("uuid", raises=ValueError)
def _is_uuid(value: Any) -> bool:
    return not isinstance(value, str) or bool(uuid.UUID(value))


@FORMATS.checks("email")
def _is_email(value: Any) -> bool:
    return not isinstance(value, str) or _EMAIL.fullmatch(value) is not None
