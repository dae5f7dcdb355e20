"""Records as every store keeps them: what an append keeps is what its bytes give back, whatever was appended before."""

from enum import StrEnum
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import astuple, replace

from greenroom.runtime.contracts.errors import StorageError
from greenroom.runtime.contracts.records import BundleRow, LedgerRow, Record, RunHead
from greenroom.storage import codec
from tests.contract.records import head, journal, message

TEXTS = st.text(st.characters(codec="utf-8"), max_size=4)
TIMES = st.floats(-6e10, 2.5e11)
RECORDS: st.SearchStrategy[Record] = st.one_of(
    st.builds(
        partial(replace, head("r")),
        run_id=TEXTS,
        created_at=TIMES,
        groups=st.integers(-(2**63), 2**63 - 1),
        wake_at=st.none() | TIMES | st.integers(0, 2**31),
        error=st.none() | TEXTS,
    ),
    st.builds(journal, TEXTS, st.integers(1, 6), body=st.binary(max_size=20)),
    st.builds(message, TEXTS, st.integers(1, 4), content=st.none() | TEXTS | st.lists(st.floats(), max_size=2)),
)


class Status(StrEnum):
    """A string of a type of its own, as the runtime's statuses are."""

    RUNNING = "running"


def types_of(record: Record) -> list[type]:
    return [type(value) for value in astuple(record)]


@settings(max_examples=300)
@given(st.lists(RECORDS, min_size=1, max_size=8))
def test_what_is_kept_is_what_the_bytes_give_back(records: list[Record]) -> None:
    """Kept records equal the decoded ones in every value and type, the first time and the next."""
    for _ in range(2):
        encoded = codec.encode(records)
        decoded = codec.decode(codec.join([encoded.payload], len(records)))
        assert encoded.records == decoded
        assert [types_of(record) for record in encoded.records] == [types_of(record) for record in decoded]


def test_a_record_like_many_before_it_is_still_checked() -> None:
    """A wrong type, too large a number and a time that is none are refused after any number of right records."""
    codec.encode([head("r"), journal("r", 1)])
    codec.encode([head("r"), journal("r", 1)])
    wrong: dict[str, Any]
    for wrong in ({"status": 3}, {"groups": 2**63}, {"groups": True}, {"updated_at": float("nan")}, {"is_open": 1}):
        with pytest.raises(StorageError, match="cannot be stored"):
            codec.encode([head("r"), replace(head("r"), **wrong)])


def test_values_with_values_inside_are_checked_each_time() -> None:
    """JSON and tuples are read back whatever came before: their own type says nothing of what they hold."""
    codec.encode([message("t", 1, content=1.5), BundleRow(bundle="b", plan=b"", created_at=1.0, search_path=("a",))])
    mine = message("t", 1, content=float("nan"))
    assert codec.encode([mine]).records == [message("t", 1, content=None)]
    assert mine.content != mine.content, "the caller's record keeps what it had"
    wrong: Any = (1,)
    with pytest.raises(StorageError, match="cannot be stored"):
        codec.encode([BundleRow(bundle="b", plan=b"", created_at=1.0, search_path=wrong)])


def test_a_string_of_another_type_is_kept_as_a_string() -> None:
    """Rows hold plain strings, however often a member of an enumeration is appended."""
    for _ in range(3):
        (kept,) = codec.encode([replace(head("r"), status=Status.RUNNING)]).records
        assert isinstance(kept, RunHead)
        assert type(kept.status) is str


def test_the_callers_record_is_never_changed() -> None:
    """A time is rounded in the store's copy; the caller's record keeps what it had."""
    for _ in range(2):
        mine = LedgerRow(workspace="w", entry_id="e", at=1_795_359_861.3254501, kind="charge", amount_micros=1)
        (kept,) = codec.encode([mine]).records
        assert mine.at == 1_795_359_861.3254501
        assert isinstance(kept, LedgerRow)
        assert kept.at == 1_795_359_861.32545
