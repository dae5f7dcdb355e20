"""Values against JSON Schemas: every wrong field, and defaults."""

import subprocess
import sys
from datetime import UTC, date, datetime
from typing import Any, Literal
from uuid import UUID

import pytest
from pydantic import BaseModel, Field

from greenroom.runtime.contracts.errors import InvalidInput
from greenroom.runtime.contracts.values import BlobRef
from greenroom.runtime.json_schema import MAX_VALIDATORS, check, find_issues


class Question(BaseModel):
    text: str
    sections: int = 3


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int = 9


class Dog(BaseModel):
    kind: Literal["dog"]
    barks: bool = True


class Order(BaseModel):
    question: Question
    others: list[Question] = []
    by_name: dict[str, Question] = {}
    pet: Cat | Dog | None = None
    pair: tuple[Question, int] | None = None
    maybe: int | None = None
    at: datetime | None = None
    day: date | None = None
    id: UUID | None = None
    color: Literal["red", "green"] = "red"
    tree: "Order | None" = None


ORDER = Order.model_json_schema()


def issues(schema: dict[str, Any], value: Any) -> dict[str, str]:
    with pytest.raises(InvalidInput) as caught:
        check(schema, value)
    return {issue["field"]: issue["message"] for issue in caught.value.facts["issues"]}


def test_the_message_lists_every_wrong_field() -> None:
    """As the public surface shows it."""
    with pytest.raises(InvalidInput) as caught:
        check(Question.model_json_schema(), {"sections": "many"}, "workflow 'briefing'")
    assert caught.value.message == (
        "Invalid input for workflow 'briefing': 2 fields are wrong: "
        "text: field required; sections: 'many' is not an integer"
    )


ASKED = {"question": {"text": "a"}}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (3, {"root": "3 is not an object"}),
        (None, {"root": "None is not an object"}),
        ({}, {"question": "field required"}),
        ({"question": {}}, {"question.text": "field required"}),
        (ASKED | {"others": [{"text": "a"}, {"text": None}]}, {"others[1].text": "None is not a string"}),
        (
            ASKED | {"by_name": {"x": {"sections": 1.5}}},
            {"by_name.x.sections": "1.5 is not an integer", "by_name.x.text": "field required"},
        ),
        (ASKED | {"maybe": "x"}, {"maybe": "'x' is not an integer or null"}),
        (ASKED | {"pet": {"kind": "cat", "lives": "x"}}, {"pet.lives": "'x' is not an integer"}),
        (ASKED | {"pet": {"kind": "cow"}}, {"pet": "{'kind': 'cow'} fits none of the 3 allowed forms"}),
        (ASKED | {"at": "never"}, {"at": "'never' is not a valid date-time"}),
        (ASKED | {"day": "2030-02-31"}, {"day": "'2030-02-31' is not a valid date"}),
        (ASKED | {"id": "x"}, {"id": "'x' is not a valid uuid"}),
        (ASKED | {"color": "blue"}, {"color": "'blue' is not one of 'red', 'green'"}),
        (ASKED | {"tree": {"tree": ASKED}}, {"tree.question": "field required"}),
    ],
)
def test_what_is_wrong_is_said_per_field(value: Any, expected: dict[str, str]) -> None:
    """Unions are explained by the arm that was meant."""
    assert issues(ORDER, value) == expected


def test_unknown_fields_are_named_one_by_one() -> None:
    """Where a schema forbids them."""
    schema = {"type": "object", "properties": {"a": {}}, "additionalProperties": False}
    assert issues(schema, {"a": 1, "b": 2, "c": 3}) == {"b": "unknown field", "c": "unknown field"}


def test_other_rules_keep_the_librarys_words() -> None:
    """With the value shortened."""
    assert issues({"type": "integer", "minimum": 3}, 1) == {"root": "1 is less than the minimum of 3"}
    long = issues({"type": "string", "maxLength": 3}, "x" * 1000)["root"]
    assert len(long) < 120


def test_a_long_value_is_shortened() -> None:
    """A megabyte of input is not echoed in a message."""
    assert len(issues({"type": "integer"}, "x" * 10_000)["root"]) < 120


def test_many_issues_are_counted_in_the_message_and_listed_in_the_facts() -> None:
    """A message stays readable."""
    with pytest.raises(InvalidInput) as caught:
        check({"type": "array", "items": {"type": "integer"}}, ["x"] * 50)
    assert caught.value.message.startswith("Invalid input for the value: 50 fields are wrong")
    assert caught.value.message.endswith("and 40 more")
    assert len(caught.value.facts["issues"]) == 50


def test_defaults_are_filled_in_wherever_they_stand() -> None:
    """Through references, lists, dicts, tuples, optional parts and unions."""
    value = {
        "question": {"text": "a"},
        "others": [{"text": "b"}],
        "by_name": {"x": {"text": "c"}},
        "pet": {"kind": "dog"},
        "pair": [{"text": "d"}, 1],
        "tree": {"question": {"text": "e"}},
    }
    filled = check(ORDER, value)
    assert filled["question"] == {"text": "a", "sections": 3}
    assert filled["others"] == [{"text": "b", "sections": 3}]
    assert filled["by_name"]["x"]["sections"] == 3
    assert filled["pet"] == {"kind": "dog", "barks": True}
    assert filled["pair"] == [{"text": "d", "sections": 3}, 1]
    assert filled["tree"]["question"]["sections"] == 3
    assert (filled["color"], filled["maybe"]) == ("red", None)
    assert Order.model_validate(filled) == Order.model_validate(value)


def test_the_value_itself_is_not_changed() -> None:
    """Neither it nor the schema's defaults are shared with the result."""
    schema = {"properties": {"a": {"default": []}}, "type": "object"}
    value: dict[str, Any] = {}
    filled = check(schema, value)
    filled["a"].append(1)
    assert value == {}
    assert check(schema, {}) == {"a": []}


def test_no_schema_lets_everything_pass() -> None:
    """As a copy all the same."""
    value = {"a": [1]}
    assert check(None, value) == value
    assert check(None, value) is not value


@pytest.mark.parametrize(
    "value", [datetime(2030, 1, 1, tzinfo=UTC).isoformat(), "2030-01-01T00:00:00", "2030-01-01T00:00:00Z"]
)
def test_times_need_no_zone(value: str) -> None:
    """Lenient where pydantic is."""
    assert check(ORDER, {"question": {"text": "a"}, "at": value})["at"] == value


@pytest.mark.parametrize(("format", "good", "bad"), [("email", "a@b.c", "a b"), ("time", "10:00:00", "25:00")])
def test_other_formats_are_checked(format: str, good: str, bad: str) -> None:
    """Formats that are not known pass."""
    schema = {"type": "string", "format": format}
    assert check(schema, good) == good
    assert issues(schema, bad) == {"root": f"{bad!r} is not a valid {format}"}
    assert check({"type": "string", "format": "binary"}, bad) == bad


def test_references_to_stored_values_are_taken_as_right() -> None:
    """A large list travels by reference; the schema of the list is checked where it was made."""
    blob = BlobRef(sha256="0" * 64, bytes=10, kind="json").to_json()
    schema = {"type": "object", "properties": {"a": {"type": "array"}, "b": {"type": "integer"}}}
    assert check(schema, {"a": blob}) == {"a": blob}
    assert issues(schema, {"a": blob, "b": "x"}) == {"b": "'x' is not an integer"}


def test_nothing_is_fetched() -> None:
    """A reference to elsewhere is an error of the schema, not a request."""
    with pytest.raises(Exception, match=r"example\.invalid"):
        check({"$ref": "https://example.invalid/schema"}, 1)


def test_a_schema_that_refers_to_itself_ends() -> None:
    """Recursive types, and references in a circle."""
    assert check({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"type": "integer"}}}, 1) == 1
    assert check(ORDER, {"question": {"text": "a"}})["tree"] is None


def test_compiled_schemas_are_bounded() -> None:
    """A stream of new schemas does not grow memory for ever."""
    from greenroom.runtime import json_schema

    for number in range(MAX_VALIDATORS + 10):
        assert find_issues({"const": number}, number) == []
    assert len(json_schema._validators) <= MAX_VALIDATORS


def test_it_knows_schemas_only() -> None:
    """The host can use it without the user's classes, and without pydantic."""
    probe = "import sys, greenroom.runtime.json_schema as m; print(*sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", probe], check=True, capture_output=True, text=True).stdout.split()
    assert not [name for name in loaded if name.startswith(("pydantic", "greenroom.runtime.definitions"))]


class Aliased(BaseModel):
    page_size: int = Field(10, alias="pageSize")


def test_fields_are_called_as_the_wire_calls_them() -> None:
    """Schemas are written by alias."""
    assert check(Aliased.model_json_schema(), {}) == {"pageSize": 10}
