"""A fixed piece of work on a store, what it says while it goes on, and what must hold wherever it was stopped."""

import hashlib
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TypeVar

from msgspec.structs import replace

from greenroom.runtime.contracts.errors import StorageError
from greenroom.runtime.contracts.records import Deletion, JournalRow, RunHead, Table
from greenroom.storage.objects.ops import FileOps
from greenroom.storage.parquet.options import StoreOptions
from greenroom.storage.parquet.place import local_place
from greenroom.storage.parquet.store import ParquetStorage
from tests.contract.records import blob, head, journal
from tests.contract.stores import rows
from tests.fault.numbered_files import UnsyncedFiles

T = TypeVar("T")

OPTIONS = StoreOptions(
    segment_bytes=4096, max_runs=1, reader_grace_s=0.0, flush_age_s=3600.0, kept_manifests=2, reserve_bytes=4096
)
"""Limits at which a few appends make segments roll, parts merge and files go."""
_CALM = replace(OPTIONS, max_runs=100)

APPENDS = 5
DELETED = "2"
"""The append whose run is deleted and purged."""

Say = Callable[[str], None]


async def work(root: Path, files: FileOps, say: Say, *, tries: int = 1, is_locked: bool = True) -> None:
    """Open, append, roll, flush, merge, store a blob, delete, purge, compact and close; tell what was acknowledged.

    Args:
        tries: How often each of these is tried.
        is_locked: False as on another host, where no lock keeps it from the store.
    """

    async def do(call: Callable[[], Awaitable[T]]) -> T:
        for left in reversed(range(tries)):
            try:
                return await call()
            except StorageError:
                if not left:
                    raise
        raise AssertionError

    place = local_place(files, root)
    storage = await do(partial(ParquetStorage.open_at, place if is_locked else place._replace(locked=None), OPTIONS))
    say("opened")
    try:
        for number in range(APPENDS):
            await do(partial(append, storage, f"work-{number}", number, say))
            if number % 2:
                await do(storage.flush)
        await do(partial(_put_blob, storage, b"a blob", say))
        run = f"work-{DELETED}"
        await do(partial(_put_blob_of, storage, run))
        say(f"deleting {run}")
        await do(partial(storage.append, [Deletion(scope="run", workspace="w", id=run, at=1.0)]))
        say(f"deleted {run}")
        await do(storage.purge)
        say(f"purged {run}")
        await do(partial(append, storage, f"work-{APPENDS}", APPENDS, say))
        await do(storage.compact)
        await do(partial(append, storage, f"work-{APPENDS + 1}", APPENDS + 1, say))
        say("done")
    finally:
        await storage.close()


async def go_on(root: Path, files: FileOps, say: Say, life: str = "next", first: int = 100) -> None:
    """Recover, append twice with a flush in between, and close."""
    storage = await ParquetStorage.open(root, OPTIONS, files)
    say("opened")
    try:
        await append(storage, f"{life}-{first}", first, say)
        await storage.flush()
        await append(storage, f"{life}-{first + 1}", first + 1, say)
    finally:
        await storage.close()


async def check(root: Path, said: Iterable[str]) -> None:
    """Every acknowledged append is there, every append is there whole or not at all, and the store goes on.

    Raises:
        AssertionError: Something was lost.
        StorageError: The store does not open.
    """
    acknowledged, deleting, deleted, purged, blobs = (_named(said, what) for what in _WORDS)
    for run in purged:
        traces = (_body(run)[:32], _body(f"blob of {run}")[:32])
        assert not [path for path in files_of(root) if any(trace in path.read_bytes() for trace in traces)]
    storage = await ParquetStorage.open(root, _CALM, UnsyncedFiles())
    try:
        present = await whole_appends_of(storage)
        assert acknowledged - deleting <= present
        assert not deleted & present
        assert await _newest(storage) >= max((int(run.rpartition("-")[2]) for run in acknowledged), default=-1)
        for text in blobs:
            assert await storage.get_blob(hashlib.sha256(text.encode()).hexdigest()) == text.encode()
        await storage.append([head("goes-on")])
        assert await storage.get(Table.RUNS, ("goes-on",)) is not None
    finally:
        await storage.close()


def files_of(root: Path) -> list[Path]:
    """Return every file of a store."""
    return sorted(path for path in root.rglob("*") if path.is_file())


_WORDS = ("append", "deleting", "deleted", "purged", "blob")


def _named(said: Iterable[str], what: str) -> set[str]:
    return {line.partition(" ")[2] for line in said if line.partition(" ")[0] == what}


async def append(storage: ParquetStorage, run: str, number: int, say: Say) -> None:
    """Append the head of a run, two rows of its journal, and a new value of a head that every append has."""
    await storage.append([head(run), head("newest", groups=number), journal(run, 1, body=_body(run)), journal(run, 2)])
    say(f"append {run}")


def _body(run: str) -> bytes:
    """Return bytes that no compression hides, so that they can be looked for in any file."""
    return hashlib.shake_128(run.encode()).digest(600)


async def _put_blob(storage: ParquetStorage, data: bytes, say: Say) -> None:
    await storage.put_blob(hashlib.sha256(data).hexdigest(), data)
    say(f"blob {data.decode()}")


async def _put_blob_of(storage: ParquetStorage, run: str) -> None:
    data = _body(f"blob of {run}")
    sha256 = hashlib.sha256(data).hexdigest()
    await storage.put_blob(sha256, data)
    await storage.append([blob(sha256, run)])


async def whole_appends(root: Path, options: StoreOptions) -> set[str]:
    """Return the appends that are there, after making sure that none is there in part."""
    storage = await ParquetStorage.open(root, options)
    try:
        return await whole_appends_of(storage)
    finally:
        await storage.close()


async def whole_appends_of(storage: ParquetStorage) -> set[str]:
    """Return the appends that are there, after making sure that none is there in part."""
    heads = {row.run_id for row in await rows(storage, Table.RUNS) if isinstance(row, RunHead)}
    groups: dict[str, list[int]] = {}
    for row in await rows(storage, Table.JOURNAL):
        assert isinstance(row, JournalRow)
        groups.setdefault(row.run_id, []).append(row.group)
    present = heads - {"newest", "goes-on"}
    assert present == groups.keys()
    assert all(found == [1, 2] for found in groups.values())
    return present


async def _newest(storage: ParquetStorage) -> int:
    found = await storage.get(Table.RUNS, ("newest",))
    return found.groups if isinstance(found, RunHead) else -1
