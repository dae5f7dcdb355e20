"""Types as schemas, and which types check more than their schema says."""

import decimal
import enum
import fractions
import ipaddress
import pathlib
import re
import uuid
from datetime import date, datetime, time, timedelta
from typing import Annotated, Any, Literal, NamedTuple

import pytest
from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, field_validator, model_validator
from typing_extensions import TypedDict

from greenroom import DefinitionError
from greenroom.runtime.definitions.schema import has_validators, input_schema, output_schema, read_type


class Plain(BaseModel):
    n: int = 1
    names: set[str] = {"c", "a", "b"}


class ByField(BaseModel):
    n: int

    @field_validator("n")
    @classmethod
    def _check(cls, n: int) -> int:
        return n


class ByModel(BaseModel):
    n: int

    @model_validator(mode="after")
    def _check(self) -> "ByModel":
        return self


class Deep(BaseModel):
    inner: list[dict[str, ByField]]


class Tree(BaseModel):
    children: list["Tree"] = []


class Row(TypedDict):
    id: int


class Pair(NamedTuple):
    left: int


class Color(enum.Enum):
    RED = "red"


STANDARD = [
    Plain, Tree, Row, Pair, Color, int, float, bool, str, bytes, Any, None, type(None), object,
    list[int], dict[str, Plain], set[str], frozenset[int], tuple[int, str], int | None, Literal["a", 1],
    datetime, date, time, timedelta, decimal.Decimal, fractions.Fraction, uuid.UUID, complex,
    pathlib.Path, re.Pattern[str], ipaddress.IPv4Address, Annotated[int, Field(ge=1)],
    Annotated[decimal.Decimal, Field(max_digits=3)], Annotated[str, Field(pattern="x+")],
]  # fmt: skip


@pytest.mark.parametrize("type_", STANDARD, ids=repr)
def test_types_without_functions_of_the_user_need_no_check(type_: Any) -> None:
    """What pydantic wraps around types of the standard library is not the user's."""
    assert not has_validators(type_)


@pytest.mark.parametrize(
    "type_",
    [
        ByField,
        ByModel,
        Deep,
        list[ByField],
        ByField | None,
        Annotated[int, AfterValidator(abs)],
        Annotated[str, BeforeValidator(lambda value: value)],
        dict[str, Annotated[str, BeforeValidator(str.strip)]],
    ],
    ids=repr,
)
def test_types_with_functions_of_the_user_need_a_check(type_: Any) -> None:
    """However deep the function is."""
    assert has_validators(type_)


def test_defaults_that_are_sets_stand_in_order() -> None:
    """Schemas are the same in every process."""
    schema = input_schema(Plain)
    assert schema is not None
    assert schema["properties"]["names"]["default"] == ["a", "b", "c"]


def test_input_and_output_schemas_differ_where_the_type_does() -> None:
    """What may be left out going in is there coming out."""
    given, made = input_schema(Plain), output_schema(Plain)
    assert given is not None
    assert made is not None
    assert ("required" in given, made["properties"]["n"]) == (False, {"default": 1, "title": "N", "type": "integer"})


def test_a_type_only_known_by_its_class_has_no_schema() -> None:
    """An Arrow table or an image may be annotated; it is checked by its class."""

    class Table:
        pass

    reader = read_type(Table)
    assert (reader.is_opaque, input_schema(Table), output_schema(Table)) == (True, None, None)
    table = Table()
    assert reader.adapter.validate_python(table) is table


def test_equal_types_with_different_schemas_are_kept_apart() -> None:
    """`int | str` and `str | int` are equal in Python."""
    assert input_schema(int | str) != input_schema(str | int)


def test_a_json_schema_stands_for_itself() -> None:
    """Where a type is asked for, a schema does."""
    schema = {"type": "integer"}
    assert (input_schema(schema), output_schema(schema), has_validators(schema)) == (schema, schema, False)


def test_a_type_that_names_what_does_not_exist_is_refused() -> None:
    """The error says which type."""
    with pytest.raises(DefinitionError, match="cannot be read"):
        read_type(list["Ghost"])  # type: ignore[name-defined] # noqa: F821 - what is refused
