"""Rows below a prefix: read whole where few row groups hold them, walked where many do."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from greenroom.runtime.contracts.records import JournalRow, Record, Table
from greenroom.runtime.contracts.storage import Query
from greenroom.storage.parquet.lookup import MAX_GROUPS
from greenroom.storage.parquet.part import Part
from greenroom.storage.parquet.scan import PAGE_ROWS, Scan
from greenroom.storage.parquet.store import ParquetStorage
from tests.contract.records import journal
from tests.contract.stores import rows
from tests.fault.files import CALM

GROUP_ROWS = 512


async def journals(root: Path, long: int) -> tuple[ParquetStorage, list[Record]]:
    """Return a store with a long journal between short ones, in one part, opened anew."""
    written: list[Record] = [journal("a", number) for number in range(1, 9)]
    middle: list[Record] = [journal("b", number, body=b"%d" % number) for number in range(1, long + 1)]
    written += [*middle, *(journal("c", number) for number in range(1, 9))]
    storage = await ParquetStorage.open(root, CALM)
    await storage.append(written)
    await storage.close()
    return await ParquetStorage.open(root, CALM), middle


@pytest.mark.parametrize("groups", [1, MAX_GROUPS - 1, MAX_GROUPS + 3])
async def test_rows_below_a_prefix_come_in_order_over_pages(tmp_path: Path, groups: int) -> None:
    """Forward, backward, and the first of them; more than a page, and more groups than are read whole."""
    storage, middle = await journals(tmp_path, groups * GROUP_ROWS - 100)
    assert await rows(storage, Table.JOURNAL, Query(prefix=("b",))) == middle
    assert await rows(storage, Table.JOURNAL, Query(prefix=("b",), reverse=True)) == middle[::-1]
    assert await rows(storage, Table.JOURNAL, Query(prefix=("b",), reverse=True, limit=2)) == middle[:-3:-1]
    assert await rows(storage, Table.JOURNAL, Query(prefix=("b", 7))) == middle[6:7]
    assert await rows(storage, Table.JOURNAL, Query(prefix=("d",))) == []
    await storage.close()


async def test_a_newer_row_in_memory_or_in_a_newer_part_takes_the_place_of_an_older(tmp_path: Path) -> None:
    """Each key once, whichever of three places has its newest row."""
    storage, middle = await journals(tmp_path, 5)
    newer = [journal("b", number, body=b"new") for number in (1, 2)]
    await storage.append(newer)
    await storage.flush()
    newest = journal("b", 2, body=b"newest")
    await storage.append([newest])
    assert await rows(storage, Table.JOURNAL, Query(prefix=("b",))) == [newer[0], newest, *middle[2:]]
    await storage.close()


async def test_a_prefix_in_many_row_groups_is_not_read_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last rows of a long journal are found without keeping all of its row groups in memory."""
    storage, middle = await journals(tmp_path, 12 * GROUP_ROWS)
    whole: list[int] = []
    read = Part.read

    def counting(part: Part, groups: list[int] | None = None, columns: list[str] | None = None) -> object:
        if part.table is Table.JOURNAL and columns is None:
            whole.extend(groups or ())
        return read(part, groups, columns)

    monkeypatch.setattr(Part, "read", counting)
    found = await rows(storage, Table.JOURNAL, Query(prefix=("b",), reverse=True, limit=1))
    assert found == middle[-1:]
    assert isinstance(found[0], JournalRow)
    assert len(whole) == 1
    await storage.close()


async def test_a_scan_is_not_asked_for_more_once_it_is_known_to_have_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page is read in a thread, whose turn is most of what a short scan takes: a journal is one page and one turn."""
    storage, middle = await journals(tmp_path, 3 * GROUP_ROWS)
    await storage.append([journal("a", 9), journal("a", 10)])
    turns: list[int] = []
    next_page = Scan.next_page

    def counting(scan: Scan) -> Sequence[Record]:
        page = next_page(scan)
        turns.append(len(page))
        return page

    async def turns_of(query: Query, expected: Sequence[Record]) -> list[int]:
        turns.clear()
        assert await rows(storage, Table.JOURNAL, query) == list(expected)
        return list(turns)

    monkeypatch.setattr(Scan, "next_page", counting)
    short = [journal("a", number) for number in range(1, 11)]
    assert await turns_of(Query(prefix=("a",)), short) == [10]  # from a part and from memory
    assert await turns_of(Query(prefix=("a",), reverse=True), short[::-1]) == [10]
    assert await turns_of(Query(prefix=("b",)), middle) == [PAGE_ROWS] * 3
    assert await turns_of(Query(limit=2), short[:2]) == [2]
    await storage.close()
