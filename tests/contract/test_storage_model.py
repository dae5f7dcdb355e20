"""A store against a dict: whatever is done to it, it holds the latest record of each key."""

import asyncio
import shutil
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from greenroom.runtime.contracts.records import TABLE_OF, Key, Record, Table
from greenroom.runtime.contracts.storage import Query
from greenroom.storage import codec
from tests.contract.records import head, journal, message, thread
from tests.contract.stores import FileStore, MemoryStore, Store, rows

NAMES = st.sampled_from(["a", "b", "c", "é", "a/b", ""])
TIMES = st.one_of(st.integers(0, 5).map(float), st.floats(0, 4e9), st.floats(1.7e9, 1.9e9))
RECORDS: st.SearchStrategy[Record] = st.one_of(
    st.builds(head, NAMES, at=TIMES, workspace=NAMES, status=NAMES, groups=st.integers(0, 2**63 - 1)),
    st.builds(journal, NAMES, st.integers(1, 6), body=st.binary(max_size=20)),
    st.builds(
        message,
        NAMES,
        st.integers(1, 4),
        content=st.one_of(NAMES, st.lists(st.integers(-(2**63), 2**64 - 1), max_size=2)),
    ),
    st.builds(thread, NAMES, at=TIMES),
)
CHANGES = st.one_of(
    st.lists(RECORDS, min_size=1, max_size=6),
    st.lists(RECORDS, min_size=1, max_size=6),
    st.sampled_from(["flush", "reopen"]),
)
QUERIES = st.fixed_dictionaries(
    {},
    optional={
        "workspace": NAMES,
        "reverse": st.booleans(),
        "limit": st.integers(0, 4),
    },
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    changes=st.lists(CHANGES, min_size=1, max_size=25),
    options=QUERIES,
    names=st.sets(NAMES, max_size=2),
    data=st.data(),
)
def test_a_store_is_a_dict_that_remembers(
    changes: list[list[Record] | str], options: dict[str, Any], names: set[str], data: st.DataObject
) -> None:
    """After any appends, flushes, merges and reopens: `get` and every scan agree with a plain dict, on each store."""

    async def check(store: Store) -> None:
        storage = await store.open()
        model: dict[Table, dict[Key, Record]] = {table: {} for table in Table}
        for change in changes:
            if isinstance(change, list):
                await storage.append(change)
                for record in codec.encode(change).records:
                    model[TABLE_OF[type(record)]][record.row_key] = record
            elif change == "flush":
                await storage.flush()
            else:
                storage = await store.reopen(storage)
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
        wanted = [row for row in expected.values() if _wanted(row, query)]
        wanted.sort(key=lambda row: (row.order, row.row_key), reverse=query.reverse)
        assert await rows(storage, table, query) == wanted[: query.limit]

    cursor = data.draw(st.booleans())
    folder = Path(tempfile.mkdtemp(prefix="store-"))
    try:
        asyncio.run(check(MemoryStore()))
        asyncio.run(check(FileStore(folder / "store")))
    finally:
        shutil.rmtree(folder)


def _wanted(row: Record, query: Query) -> bool:
    return (
        row.row_key[: len(query.prefix)] == query.prefix
        and (query.workspace is None or row.workspace == query.workspace)
        and all(getattr(row, name) in values for name, values in query.where.items())
        and (query.after is None or (row.order < query.after if query.reverse else row.order > query.after))
    )
