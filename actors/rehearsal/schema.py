"""Schemas: JSON Schemas resolved, merged and checked.

Pure; `jsonschema` (draft 2020-12) has the last word on validity.
"""

import json
from functools import lru_cache
from typing import Any, Final

from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import SchemaError
from referencing.exceptions import Unresolvable

from greenroom.actors.rehearsal.patterns import has_format
from greenroom.actors.rehearsal.request import Json

MAX_REFERENCES: Final = 32
MAX_CACHED_SCHEMAS: Final = 256

CHECKED_FORMATS: Final = (
    "date date-time time duration email idn-email uri url uuid uuid1 uuid3 uuid4 uuid5 ipv4".split()
)

_LOWER_BOUNDS: Final = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
_UPPER_BOUNDS: Final = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")


class UnsatisfiableSchema(ValueError):
    """A schema is not one, or rehearsal found no instance of it."""


class Schema:
    """A root schema: resolves the references inside it and judges instances of it and of its parts.

    Args:
        root: a JSON Schema; it is not changed.

    Raises:
        UnsatisfiableSchema: the root is not a valid JSON Schema.
    """

    def __init__(self, root: dict[str, Json]) -> None:
        self.root = root
        self._validator = _validator(json.dumps(root, sort_keys=True))

    def is_valid(self, part: Json, value: Json) -> bool:
        """Tells whether a value is an instance of a part of this schema; a part that cannot be judged has none."""
        try:
            return bool(self._validator.evolve(schema=part).is_valid(value))
        except (Unresolvable, RecursionError):
            return False

    def first_error(self, value: Json) -> str:
        """Gives why a value is no instance of the root, empty when it is one."""
        try:
            error = next(iter(self._validator.iter_errors(value)), None)
        except (Unresolvable, RecursionError) as problem:
            return str(problem)
        return f"{error.json_path}: {error.message}" if error else ""

    def resolve(self, part: Json) -> dict[str, Json]:
        """Gives a part with its references followed and its `allOf` members merged in.

        Raises:
            UnsatisfiableSchema: a reference leads out of the document or round in a circle, or the part is `false`.
        """
        for _ in range(MAX_REFERENCES):
            if part is True:
                return {}
            if not isinstance(part, dict):
                raise UnsatisfiableSchema(f"the schema {json.dumps(part)} has no instance")
            if "$ref" in part:
                beside = {key: value for key, value in part.items() if key != "$ref"}
                part = merge(self._target(part["$ref"]), beside)
            elif "allOf" in part:
                merged: dict[str, Json] = {key: value for key, value in part.items() if key != "allOf"}
                for member in part["allOf"]:
                    merged = merge(merged, self.resolve(member))
                part = merged
            else:
                return part
        raise UnsatisfiableSchema(f"more than {MAX_REFERENCES} references lead to one another")

    def _target(self, reference: str) -> Json:
        if not reference.startswith("#"):
            raise UnsatisfiableSchema(f"the reference {reference} leads out of the schema")
        target: Json = self.root
        for token in reference[1:].split("/")[1:]:
            name = token.replace("~1", "/").replace("~0", "~")
            try:
                target = target[int(name)] if isinstance(target, list) else target[name]
            except (KeyError, IndexError, ValueError, TypeError):
                raise UnsatisfiableSchema(f"the reference {reference} leads nowhere") from None
        return target


def _format_checker() -> FormatChecker:
    checker = FormatChecker(formats=())
    for name in CHECKED_FORMATS:
        checker.checks(name)(lambda value, name=name: not isinstance(value, str) or has_format(name, value))
    return checker


_FORMATS: Final = _format_checker()


@lru_cache(maxsize=MAX_CACHED_SCHEMAS)
def _validator(text: str) -> Any:
    root = json.loads(text)
    try:
        Draft202012Validator.check_schema(root)
    except SchemaError as problem:
        raise UnsatisfiableSchema(f"not a JSON Schema: {problem.message} at {problem.json_path}") from None
    return Draft202012Validator(root, format_checker=_FORMATS)


def merge(first: Json, second: Json) -> dict[str, Json]:
    """Gives a schema that asks for both, as far as bounds, properties and requirements go."""
    if not isinstance(first, dict) or not isinstance(second, dict):
        raise UnsatisfiableSchema("a schema of `false` has no instance")
    both = {**first, **second}
    for key in first.keys() & second.keys():
        one, other = first[key], second[key]
        if key in _LOWER_BOUNDS:
            both[key] = max(one, other)
        elif key in _UPPER_BOUNDS:
            both[key] = min(one, other)
        elif key == "required":
            both[key] = list(dict.fromkeys([*one, *other]))
        elif key == "enum":
            both[key] = [member for member in one if member in other]
        elif key == "properties":
            shared = {name: {"allOf": [one[name], other[name]]} for name in one.keys() & other.keys()}
            both[key] = {**one, **other, **shared}
    return both


def type_of(part: dict[str, Json]) -> str:
    """Gives the type a resolved part asks for, guessed from its keywords where it does not say; empty for any."""
    declared = part.get("type")
    if isinstance(declared, list):
        return next((str(name) for name in declared if name != "null"), "null")
    if declared is not None:
        return str(declared)
    for name, keywords in (
        ("object", ("properties", "required", "additionalProperties", "minProperties")),
        ("array", ("items", "prefixItems", "minItems", "uniqueItems")),
        ("number", ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf")),
        ("string", ("pattern", "format", "minLength", "maxLength")),
    ):
        if any(keyword in part for keyword in keywords):
            return name
    return ""


def allows_null(part: dict[str, Json]) -> bool:
    """Tells whether a resolved part has `null` among its types."""
    declared = part.get("type")
    return declared == "null" or (isinstance(declared, list) and "null" in declared)
