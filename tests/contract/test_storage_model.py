"""A store against a dict: whatever is done to it, it holds the latest record of each key."""

import asyncio
import shutil
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from greenroom.runtime.contracts.records import TABLE_OF, Deletion, Key, Record, Table
from greenroom.runtime.contracts.storage import Query
from greenroom.storage import codec
from tests.contract.records import charge, deleted, head, journal, message, span, thread
from tests.contract.stores import STORES, Store, rows

NAMES = st.sampled_from(["a", "b", "c", "é", "a/b", ""])
TIMES = st.one_of(st.integers(0, 5).map(float), st.floats(0, 4e9), st.floats(1.7e9, 1.9e9))


def home_of(name: str) -> str:
    """Return the workspace of a run: a key never changes hands, but for one whose former owner was deleted."""
    return "w" if len(name) == 1 else "a"


RECORDS: st.SearchStrategy[Record] = st.one_of(
    NAMES.flatmap(
        lambda name: st.builds(
            head,
            st.just(name),
            at=TIMES,
            workspace=st.just(home_of(name)),
            status=NAMES,
            groups=st.integers(0, 2**63 - 1),
        )
    ),
    st.builds(journal, NAMES, st.integers(1, 6), body=st.binary(max_size=20)),
    st.builds(
        message,
        NAMES,
        st.integers(1, 4),
        content=st.one_of(NAMES, st.lists(st.integers(-(2**63), 2**64 - 1), max_size=2)),
    ),
    st.builds(thread, NAMES, at=TIMES),
    NAMES.flatmap(lambda name: st.builds(charge, st.just(name), run_id=st.just(name), workspace=NAMES, at=TIMES)),
    NAMES.flatmap(lambda run: st.builds(span, st.just(run), NAMES, workspace=st.just(home_of(run)), at=TIMES)),
    st.builds(deleted, st.sampled_from(["run", "thread", "workspace"]), NAMES, workspace=st.sampled_from(["w", "a"])),
)
CHANGES = st.one_of(
    st.lists(RECORDS, min_size=1, max_size=6),
    st.lists(RECORDS, min_size=1, max_size=6),
    st.sampled_from(["flush", "flush", "reopen", "compact", "purge"]),
)
QUERIES = st.fixed_dictionaries(
    {},
    optional={
        "workspace": NAMES,
        "reverse": st.booleans(),
        "limit": st.integers(0, 4),
    },
)


HISTORIES = given(
    changes=st.lists(CHANGES, min_size=1, max_size=25),
    options=QUERIES,
    names=st.sets(NAMES, max_size=2),
    data=st.data(),
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@HISTORIES
def test_a_store_is_a_dict_that_remembers(
    changes: list[list[Record] | str], options: dict[str, Any], names: set[str], data: st.DataObject
) -> None:
    """After any appends, deletions, flushes, merges, purges and reopens every read agrees with a plain dict."""
    _compare(["memory", "file"], changes, options, names, data)


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@HISTORIES
def test_a_store_in_a_bucket_is_a_dict_that_remembers(
    changes: list[list[Record] | str], options: dict[str, Any], names: set[str], data: st.DataObject
) -> None:
    """The same of a bucket, for fewer histories: every read is a request."""
    _compare(["s3", "s3 with a local journal"], changes, options, names, data)


def _compare(
    kinds: list[str],
    changes: list[list[Record] | str],
    options: dict[str, Any],
    names: set[str],
    data: st.DataObject,
) -> None:
    async def check(store: Store) -> None:
        storage = await store.open()
        model: dict[Table, dict[Key, Record]] = {table: {} for table in Table if table is not Table.DELETIONS}
        for change in changes:
            if isinstance(change, list):
                await storage.append(change)
                _append(model, change)
            elif change == "reopen":
                storage = await store.reopen(storage)
            else:
                await {"flush": storage.flush, "compact": storage.compact, "purge": storage.purge}[change]()
        for table, expected in model.items():
            found = await rows(storage, table)
            assert found == sorted(expected.values(), key=lambda row: (row.order, row.row_key))
            for key, record in expected.items():
                assert await storage.get(table, key) == record
            await check_query(storage, table, expected)
        await storage.close()

    async def check_query(storage: Any, table: Table, expected: dict[Key, Record]) -> None:
        query = Query(**options)
        if expected and cursor:
            middle = sorted(expected.values(), key=lambda row: (row.order, row.row_key))[len(expected) // 2]
            query = replace(query, after=middle.order)
        if table is Table.RUNS and names:
            query = replace(query, where={"status": tuple(names)})
        if table is Table.JOURNAL and expected:
            query = replace(query, prefix=next(iter(expected))[:1])
        if table is Table.RUNS and bounds is not None:
            query = replace(query, between={"updated_at": bounds})
        wanted = [row for row in expected.values() if _wanted(row, query)]
        wanted.sort(key=lambda row: (row.order, row.row_key), reverse=query.reverse)
        assert await rows(storage, table, query) == wanted[: query.limit]

    cursor = data.draw(st.booleans())
    bounds = data.draw(st.none() | st.tuples(st.none() | TIMES, st.none() | TIMES))
    folder = Path(tempfile.mkdtemp(prefix="store-"))
    try:
        for kind in kinds:
            asyncio.run(check(STORES[kind](folder / kind)))
    finally:
        shutil.rmtree(folder)


def _append(model: dict[Table, dict[Key, Record]], change: list[Record]) -> None:
    for record in codec.encode(change).records:
        if not isinstance(record, Deletion):
            model[TABLE_OF[type(record)]][record.row_key] = record
            continue
        for table, kept in model.items():
            model[table] = {key: row for key, row in kept.items() if not _is_about(record, table, row)}


def _is_about(deletion: Deletion, table: Table, row: Any) -> bool:
    if table in {Table.BUNDLES, Table.DELETIONS} or row.workspace != deletion.workspace:
        return False
    is_talk = table in {Table.THREADS, Table.MESSAGES}
    match deletion.scope:
        case "workspace":
            return True
        case "thread":
            return is_talk and bool(row.thread_id == deletion.id)
        case _:
            return not is_talk and deletion.id == (row.root_id if table is Table.RUNS else row.run_id)


def _wanted(row: Record, query: Query) -> bool:
    return (
        row.row_key[: len(query.prefix)] == query.prefix
        and (query.workspace is None or row.workspace == query.workspace)
        and all(getattr(row, name) in values for name, values in query.where.items())
        and all(_is_within(getattr(row, name), *bounds) for name, bounds in query.between.items())
        and (query.after is None or (row.order < query.after if query.reverse else row.order > query.after))
    )


def _is_within(value: float | None, low: float | None, high: float | None) -> bool:
    return value is not None and (low is None or value > low) and (high is None or value <= high)
