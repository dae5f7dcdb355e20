"""Python values to JSON and back."""

import dataclasses
import enum
import math
import threading
import uuid
from collections import OrderedDict, deque
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import PurePosixPath
from typing import Any, NamedTuple

import msgspec
import pytest
from pydantic import BaseModel, ConfigDict, Field, computed_field
from pydantic import dataclasses as pydantic_dataclasses

from greenroom.runtime.contracts.errors import InvalidInput
from greenroom.runtime.definitions.values import dump, dump_as, load, validation_issues


class Color(enum.StrEnum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 2


class Inner(BaseModel):
    at: datetime
    price: Decimal


class Outer(BaseModel):
    inner: Inner
    names: set[str] = set()
    by_alias: int = Field(1, alias="byAlias")

    @computed_field  # type: ignore[prop-decorator] # pydantic's own form
    @property
    def count(self) -> int:
        return len(self.names)


class Blob(BaseModel):
    name: str
    data: bytes


class Strict(BaseModel):
    model_config = ConfigDict(strict=True)
    at: datetime
    pair: tuple[int, int]


@dataclasses.dataclass
class Point:
    x: int
    tags: frozenset[str] = frozenset()


@pydantic_dataclasses.dataclass
class Checked:
    day: date


class Pair(NamedTuple):
    left: int
    right: str


class Row(msgspec.Struct):
    id: int


class Loose(BaseModel):
    anything: Any
    rows: list = []  # type: ignore[type-arg] # as users write it


class Table:
    """Stands for what a hook knows: an Arrow table, an image."""


NOW = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (True, True),
        (0, 0),
        (1.5, 1.5),
        ("x", "x"),
        ([1, (2, 3)], [1, [2, 3]]),
        ({"a": {1: True, Color.RED: 2}}, {"a": {"1": True, "red": 2}}),
        ({3, 1, 2}, [1, 2, 3]),
        (frozenset({"b", "a"}), ["a", "b"]),
        (deque([1]), [1]),
        (OrderedDict(a=1), {"a": 1}),
        (Color.RED, "red"),
        (Level.HIGH, 2),
        (NOW, "2030-01-02T03:04:05Z"),
        (date(2030, 1, 2), "2030-01-02"),
        (timedelta(seconds=90), "PT1M30S"),
        (Decimal("1.10"), "1.10"),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (PurePosixPath("a/b"), "a/b"),
        (Pair(1, "r"), [1, "r"]),
        (Point(1, frozenset({"b", "a"})), {"x": 1, "tags": ["a", "b"]}),
        (Checked(day=date(2030, 1, 2)), {"day": "2030-01-02"}),
        (Row(id=3), {"id": 3}),
        (
            Outer(inner=Inner(at=NOW, price=Decimal("2.5")), names={"b", "a"}, byAlias=4),
            {
                "inner": {"at": "2030-01-02T03:04:05Z", "price": "2.5"},
                "names": ["a", "b"],
                "byAlias": 4,
                "count": 2,
            },
        ),
        ([Point(2)], [{"x": 2, "tags": []}]),
    ],
)
def test_what_has_a_json_form_gets_it(value: Any, expected: Any) -> None:
    """Models, dataclasses, times, numbers, enums, collections; sets in a fixed order."""
    dumped = dump(value)
    if isinstance(value, Outer):
        dumped["names"].sort()
    assert dumped == expected
    msgspec.json.encode(dumped)


@pytest.mark.parametrize(
    ("value", "field", "words"),
    [
        ({"a": [1, threading.Lock()]}, "a[1]", "_thread.lock"),
        ({"a": {"b": math.nan}}, "a.b", "nan"),
        ([math.inf], "[0]", "inf"),
        ({"n": 2**64}, "n", "64 bits"),
        (-(2**63) - 1, "root", "64 bits"),
        ({"f": len}, "f", "builtin_function"),
        ({"t": Table}, "t", "class"),
        ({"t": Table()}, "t", "Table"),
        ({"k": {(1, 2): 3}}, "k", "key"),
        ({"b": b"x"}, "b", "bytes"),
        (Blob(name="n", data=b"x"), "data", "bytes"),
        (Loose(anything=[Table()]), "anything[0]", "Table"),
        (Loose(anything=b"x"), "anything", "bytes"),
        (Point(x=object()), "x", "object"),  # type: ignore[arg-type] # what is refused
    ],
)
def test_what_has_none_is_refused_with_its_path_and_type(value: Any, field: str, words: str) -> None:
    """Nothing is dropped, rounded or guessed."""
    with pytest.raises(InvalidInput) as caught:
        dump(value)
    assert caught.value.facts["issues"][0]["field"] == field
    assert words in caught.value.message


def test_a_value_that_holds_itself_is_refused() -> None:
    """No recursion error reaches a user."""
    value: list[Any] = []
    value.append(value)
    with pytest.raises(InvalidInput, match="holds itself"):
        dump({"a": value})


def test_bytes_and_unknown_objects_go_to_the_hook() -> None:
    """Also those inside models; the hook's answer stands in the JSON."""

    def refer(value: Any) -> Any:
        if isinstance(value, bytes | Table):
            return {"$blob": type(value).__name__}
        raise TypeError

    loose = Loose(anything=Table(), rows=[b"z", {"t": Table()}])
    value = {"a": b"x", "b": [Table()], "c": Blob(name="n", data=b"y"), "d": NOW, "e": loose}
    assert dump(value, refer) == {
        "a": {"$blob": "bytes"},
        "b": [{"$blob": "Table"}],
        "c": {"name": "n", "data": {"$blob": "bytes"}},
        "d": "2030-01-02T03:04:05Z",
        "e": {"anything": {"$blob": "Table"}, "rows": [{"$blob": "bytes"}, {"t": {"$blob": "Table"}}]},
    }
    assert dump_as(list[Loose], [loose], refer)[0] == dump(loose, refer)
    with pytest.raises(InvalidInput, match=r"e is a .*lock"):
        dump({"e": threading.Lock()}, refer)


def test_the_dumped_value_shares_nothing() -> None:
    """A body that goes on changing what it returned changes nothing."""
    value = {"a": [1]}
    dumped = dump(value)
    value["a"].append(2)
    assert dumped == {"a": [1]}


@pytest.mark.parametrize(
    ("type_", "value"),
    [
        (Inner, Inner(at=NOW, price=Decimal("2.50"))),
        (list[Point], [Point(1), Point(2, frozenset({"a"}))]),
        (dict[str, Color], {"a": Color.RED}),
        (set[int], {1, 2}),
        (tuple[int, ...], (1, 2)),
        (Strict, Strict(at=NOW, pair=(1, 2))),
        (Outer, Outer(inner=Inner(at=NOW, price=Decimal(1)), byAlias=2)),
        (timedelta, timedelta(days=1, microseconds=5)),
        (uuid.UUID, uuid.UUID(int=7)),
        (int | None, None),
    ],
)
def test_values_come_back_as_they_were(type_: Any, value: Any) -> None:
    """What a step returned is what the next one gets, through JSON; strict models included."""
    assert load(type_, msgspec.json.decode(msgspec.json.encode(dump_as(type_, value)))) == value


def test_no_type_hands_json_over() -> None:
    """None as the type is JSON itself."""
    assert load(None, {"a": 1}) == {"a": 1}


def test_defaults_are_applied_when_loading() -> None:
    """A model's defaults, of any kind."""
    assert load(Point, {"x": 1}) == Point(1)


def issues_of(type_: Any, value: Any) -> list[dict[str, str]]:
    from pydantic import ValidationError

    with pytest.raises(ValidationError) as caught:
        load(type_, value)
    return validation_issues(caught.value, value)


def test_every_wrong_field_is_listed() -> None:
    """With indexes, and with what pydantic says of it."""
    found = issues_of(list[Inner], [{"at": "never"}, 3])
    assert [issue["field"] for issue in found] == ["[0].at", "[0].price", "[1]"]
    assert found[1]["message"] == "field required"


def test_the_whole_value_is_called_root() -> None:
    """A value that is of another type altogether has no field."""
    assert issues_of(int, "x")[0]["field"] == "root"


def test_arms_of_unions_are_not_shown_as_fields() -> None:
    """The names pydantic gives to the alternatives are no fields of the user's value."""
    fields = {issue["field"] for issue in issues_of(dict[str, int | Inner], {"a": {"at": "never"}})}
    assert fields == {"a", "a.at", "a.price"}
