"""What every store does, whatever it is made of."""

import asyncio
import hashlib

import pytest
from msgspec.structs import replace

from greenroom.runtime.contracts.errors import NotFound, StorageError
from greenroom.runtime.contracts.records import BundleRow, JournalRow, LedgerRow, Record, RunHead, Table
from greenroom.runtime.contracts.storage import Query, Storage
from tests.contract.records import head, journal, key, message, thread
from tests.contract.stores import Store, pages, rows


async def test_an_acknowledged_append_is_seen_at_once(storage: Storage) -> None:
    """A read after the acknowledgement finds the record."""
    await storage.append([head("r1")])
    assert await storage.get(Table.RUNS, ("r1",)) == head("r1")
    assert await rows(storage, Table.RUNS) == [head("r1")]


async def test_appends_are_numbered_in_their_order(storage: Storage) -> None:
    """Each append returns the number of its last record, and numbers have no gaps."""
    seqs = await asyncio.gather(*(storage.append([head(f"r{n}"), journal(f"r{n}", 1)]) for n in range(50)))
    assert seqs == list(range(2, 102, 2))


async def test_an_empty_append_changes_nothing(storage: Storage) -> None:
    """No records is no append; the number is that of the last record so far."""
    await storage.append([head("r1"), head("r2")])
    assert await storage.append([]) == 2
    assert await storage.append([head("r3")]) == 3


async def test_a_refused_record_keeps_its_whole_append_out(storage: Storage) -> None:
    """All or none: nothing of an append with a value that cannot be stored is seen, and the store goes on."""
    for wrong in (
        replace(head("bad"), status=3),
        replace(head("bad"), groups=2**63),
        replace(head("bad"), wake_at=float("inf")),
        message("t", 1, content={"x": object()}),
    ):
        with pytest.raises(StorageError, match="cannot be stored"):
            await storage.append([head("good"), wrong])
    assert await rows(storage, Table.RUNS) == []
    assert await storage.append([head("good")]) == 1


async def test_the_latest_record_of_a_key_wins_wherever_it_is(storage: Storage) -> None:
    """An older record never shows again, whether both are in memory, one is flushed, or both are."""
    for number in range(8):
        await storage.append([head("r1", at=5.0, groups=number), head(f"other{number}")])
        assert await storage.get(Table.RUNS, ("r1",)) == head("r1", at=5.0, groups=number)
        if number % 2:
            await storage.flush()
        found = await rows(storage, Table.RUNS, Query(prefix=("r1",)))
        assert found == [head("r1", at=5.0, groups=number)]


async def test_a_missing_key_is_none(storage: Storage) -> None:
    """Neither an empty store nor one with neighbours of the key invents a record."""
    assert await storage.get(Table.KEYS, ("w", "k2")) is None
    await storage.append([key("k1", "r1"), key("k3", "r3")])
    await storage.flush()
    assert await storage.get(Table.KEYS, ("w", "k2")) is None
    assert await storage.get(Table.KEYS, ("v", "k1")) is None
    assert await storage.get(Table.KEYS, ("w", "k3")) == key("k3", "r3")


@pytest.mark.parametrize("flushed", [0, 1, 2])
async def test_scans_go_by_order_not_by_key(storage: Storage, flushed: int) -> None:
    """Runs are listed by their time, across memory and parts."""
    runs = [head(f"r{number:02d}", at=float((number * 7) % 20)) for number in range(20)]
    for number, run in enumerate(runs):
        await storage.append([run])
        if flushed and number in (9, 19)[:flushed]:
            await storage.flush()
    in_order = sorted(runs, key=lambda run: run.order)
    assert await rows(storage, Table.RUNS) == in_order
    assert await rows(storage, Table.RUNS, Query(reverse=True)) == in_order[::-1]
    assert await rows(storage, Table.RUNS, Query(limit=3, reverse=True)) == in_order[:-4:-1]
    assert await rows(storage, Table.RUNS, Query(after=in_order[4].order, limit=2)) == in_order[5:7]
    assert await rows(storage, Table.RUNS, Query(after=in_order[4].order, reverse=True)) == in_order[3::-1]
    assert await rows(storage, Table.RUNS, Query(limit=0)) == []


@pytest.mark.parametrize("is_flushed", [False, True])
async def test_a_prefix_gives_one_runs_journal(storage: Storage, is_flushed: bool) -> None:
    """Only rows whose key begins with the prefix, in order; a prefix may be as short or long as the key."""
    for group in (2, 10, 1, 3):
        await storage.append([journal("r1", group), journal("r10", group), journal("r", group)])
    await storage.append([message("t1", 2), message("t1", 1), message("t2", 1), message("t1", 1, workspace="v")])
    if is_flushed:
        await storage.flush()
    groups = [journal("r1", group) for group in (1, 2, 3, 10)]
    assert await rows(storage, Table.JOURNAL, Query(prefix=("r1",))) == groups
    assert await rows(storage, Table.JOURNAL, Query(prefix=("r1",), after=("r1", 2))) == groups[2:]
    assert await rows(storage, Table.JOURNAL, Query(prefix=("r1", 10))) == groups[3:]
    assert await rows(storage, Table.JOURNAL, Query(prefix=("r1", 11))) == []
    assert await rows(storage, Table.JOURNAL, Query(prefix=("nobody",))) == []
    assert await rows(storage, Table.MESSAGES, Query(prefix=("w", "t1"))) == [message("t1", 1), message("t1", 2)]
    assert len(await rows(storage, Table.MESSAGES, Query(prefix=("w",)))) == 3


@pytest.mark.parametrize("is_flushed", [False, True])
async def test_where_and_workspace_look_at_the_latest_row_only(storage: Storage, is_flushed: bool) -> None:
    """A run that has ended is not found by the status it had, in whatever file the older row stands."""
    await storage.append([head("r1", status="running"), head("r2", status="running"), head("r3", workspace="v")])
    if is_flushed:
        await storage.flush()
    await storage.append([head("r1", status="success")])
    running = await rows(storage, Table.RUNS, Query(workspace="w", where={"status": ("running", "waiting")}))
    assert running == [head("r2", status="running")]
    assert await rows(storage, Table.RUNS, Query(where={"status": ("success",)})) == [head("r1", status="success")]
    assert await rows(storage, Table.RUNS, Query(workspace="v")) == [head("r3", workspace="v")]
    assert await rows(storage, Table.RUNS, Query(workspace="u")) == []
    assert len(await rows(storage, Table.RUNS, Query(where={"wake_at": (None,)}))) == 3
    assert len(await rows(storage, Table.RUNS, Query(where={"created_at": (1.0,), "groups": (0, "x")}))) == 3
    assert await rows(storage, Table.RUNS, Query(where={"status": ()})) == []


async def test_an_unknown_field_in_where_is_refused(storage: Storage) -> None:
    """A typing error is told, not taken for "no rows"."""
    with pytest.raises(StorageError, match="no field 'state'"):
        await rows(storage, Table.RUNS, Query(where={"state": ("running",)}))


async def test_pages_are_small_and_complete(storage: Storage) -> None:
    """A long scan comes in pages of at most 512 rows, each row once, across memory and parts."""
    runs = [head(f"r{number:04d}", at=float(number % 97)) for number in range(1500)]
    await storage.append(runs[::2])
    await storage.flush()
    await storage.append(runs[1::2])
    found = await pages(storage, Table.RUNS)
    assert max(len(page) for page in found) <= 512
    assert min(len(page) for page in found) > 0
    assert [row for page in found for row in page] == sorted(runs, key=lambda run: run.order)


async def test_a_cursor_walks_every_row_once_while_rows_are_added(storage: Storage) -> None:
    """Paging by the order of the last row seen misses nothing that was there and repeats nothing."""
    runs = [head(f"r{number:03d}", at=float(number)) for number in range(30)]
    await storage.append(runs)
    seen: list[str] = []
    query = Query(limit=7)
    while page := await rows(storage, Table.RUNS, query):
        seen += [row.run_id for row in page if isinstance(row, RunHead)]
        query = Query(limit=7, after=page[-1].order)
        await storage.append([head(f"early{len(seen)}", at=0.5)])
        await storage.flush()
    assert seen == [run.run_id for run in runs]


async def test_a_scan_is_a_snapshot(storage: Storage) -> None:
    """What is appended, flushed or merged after the first page changes nothing in the pages that follow."""
    before = [head(f"r{number:04d}", at=float(number)) for number in range(1200)]
    await storage.append(before[:600])
    await storage.flush()
    await storage.append(before[600:])
    scan = aiter(storage.scan(Table.RUNS, Query()))
    found = list(await anext(scan))
    for number in range(6):
        await storage.append([head(f"r{number + 900:04d}", at=0.0, status="late"), head(f"new{number}", at=1e6)])
        await storage.flush()
    async for page in scan:
        found += page
    assert found == before


async def test_values_come_back_as_they_were(store: Store) -> None:
    """Every kind of field survives memory, journal and parts, times to the microsecond."""
    storage = await store.open()
    written: list[Record] = [
        head("r1", at=1_795_359_861.3254501),
        replace(head("r2"), wake_at=4_102_444_800.25, error="naïve – 端末 \x00 ok", groups=2**63 - 1),
        BundleRow(bundle="b", plan=bytes(range(256)), created_at=-1.5, search_path=("a", "b")),
        BundleRow(bundle="c", plan=b"", created_at=3.0, target="m:a"),
        message("t", 1, content=[{"type": "text", "text": "x", "n": None}, 1.5, True]),
        message("t", 2, content=None),
        message("t", 3, content=""),
        LedgerRow(workspace="w", entry_id="e", at=2.0, kind="charge", amount_micros=-5),
        thread("t", at=9.0),
    ]
    await storage.append(written)
    first = [await rows(storage, table) for table in Table]
    assert sum(len(found) for found in first) == len(written)
    assert first[0][1].order == (1_795_359_861.32545, "r1")
    for change in (storage.flush, None):
        if change:
            await change()
        else:
            storage = await store.reopen(storage)
        assert [await rows(storage, table) for table in Table] == first
    await storage.close()


async def test_later_changes_of_a_value_do_not_reach_the_store(storage: Storage) -> None:
    """The store keeps what was appended, not the caller's dict."""
    content = {"a": [1]}
    await storage.append([message("t", 1, content=content)])
    content["a"].append(2)
    assert await storage.get(Table.MESSAGES, ("w", "t", 1)) == message("t", 1, content={"a": [1]})


async def test_everything_is_there_after_a_reopen(store: Store) -> None:
    """Close and open again: same rows, and numbers go on."""
    storage = await store.open()
    for number in range(40):
        await storage.append([head(f"r{number:02d}", groups=number), journal("r", number)])
        if number in (10, 25):
            await storage.flush()
    before = [await rows(storage, table) for table in Table]
    for _ in range(3):
        storage = await store.reopen(storage)
    assert [await rows(storage, table) for table in Table] == before
    assert await storage.append([head("last")]) == 81
    await storage.close()


async def test_a_cancelled_append_disturbs_nobody(storage: Storage) -> None:
    """Whoever gives up waiting leaves the others' appends whole and numbered."""
    tasks = [asyncio.create_task(storage.append([journal("r", number)])) for number in range(20)]
    await asyncio.sleep(0)
    tasks[3].cancel()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert sum(isinstance(answer, int) for answer in answers) >= 19
    groups = [row.group for row in await rows(storage, Table.JOURNAL) if isinstance(row, JournalRow)]
    assert {number for number in range(20) if number != 3} <= set(groups)


async def test_blobs_are_kept_by_their_digest(store: Store) -> None:
    """Bytes come back as stored, twice is fine, a wrong or unknown name is refused."""
    storage = await store.open()
    data = b"image" * 1000
    name = hashlib.sha256(data).hexdigest()
    await storage.put_blob(name, data)
    await storage.put_blob(name, data)
    storage = await store.reopen(storage)
    assert await storage.get_blob(name) == data
    with pytest.raises(NotFound):
        await storage.get_blob("0" * 64)
    with pytest.raises(StorageError, match="own digest"):
        await storage.put_blob("0" * 64, data)
    with pytest.raises(StorageError, match="no name of a blob"):
        await storage.get_blob("../../etc/passwd")
    await storage.close()


async def test_a_closed_store_says_so(storage: Storage) -> None:
    """After close, twice if need be, every call is refused with a clear error."""
    await storage.append([head("r1")])
    await storage.close()
    await storage.close()
    with pytest.raises(StorageError, match="closed"):
        await storage.append([head("r2")])
    with pytest.raises(StorageError, match="closed"):
        await storage.get(Table.RUNS, ("r1",))
    with pytest.raises(StorageError, match="closed"):
        await rows(storage, Table.RUNS)
    assert not storage.health().is_writable


async def test_health_counts(storage: Storage) -> None:
    """Health answers without waiting, with an epoch and figures."""
    await storage.append([head("r1")])
    health = storage.health()
    assert health.is_writable
    assert health.epoch >= 1
    assert health.error is None
    assert health.figures["appends"] == 1
