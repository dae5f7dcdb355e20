"""The yardstick: what a careful person would build on SQLite, in WAL mode with synchronous=FULL and group commit.

One thread writes. It takes every commit that waits, makes one transaction of them with two prepared statements, and
answers them on the event loop in slices, as the file store does. Rows and indexes are those the runtime needs.
"""

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from benchmarks.storage.workload import Run
from greenroom.runtime.contracts.records import JournalRow, RunHead

_MAX_GROUP: Final = 1024
_SLICE: Final = 128
_COLUMNS: Final = RunHead.__struct_fields__
_KEPT: Final = frozenset({"workspace", "run_id", "kind", "target", "bundle", "created_at", "root_id"})
_TEXT: Final = frozenset({"workspace", "run_id", "kind", "target", "bundle", "status", "root_id"})

SCHEMA: Final = f"""
CREATE TABLE IF NOT EXISTS journal (
    run_id TEXT NOT NULL, "group" INTEGER NOT NULL, workspace TEXT NOT NULL, at REAL NOT NULL, body BLOB NOT NULL,
    PRIMARY KEY (run_id, "group")
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS runs ({", ".join(f"{name} {'TEXT NOT NULL' if name in _TEXT else ''}" for name in _COLUMNS)},
    PRIMARY KEY (run_id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS runs_by_time ON runs (workspace, created_at);
CREATE INDEX IF NOT EXISTS runs_by_status ON runs (status);
CREATE INDEX IF NOT EXISTS runs_by_wake ON runs (wake_at) WHERE wake_at IS NOT NULL;
"""

_ADD_ROW: Final = 'INSERT INTO journal (workspace, run_id, "group", at, body) VALUES (?, ?, ?, ?, ?)'
# What never changes is not set again, so that its index is left alone.
_SET: Final = ", ".join(f"{name} = excluded.{name}" for name in _COLUMNS if name not in _KEPT)
_PUT_HEAD: Final = (
    f"INSERT INTO runs ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))}) "  # noqa: S608 - our own names
    f"ON CONFLICT (run_id) DO UPDATE SET {_SET}"
)


def connect(path: Path) -> sqlite3.Connection:
    """Return a connection with the settings of a careful person."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA cache_size = -65536")  # as much as the file store keeps of decoded row groups
    return connection


class _Commit(NamedTuple):
    row: tuple[Any, ...]
    head: tuple[Any, ...]
    done: asyncio.Future[None]


class Sqlite:
    """See `Contender`."""

    name = "SQLite"

    def __init__(self, path: Path) -> None:
        self._loop = asyncio.get_running_loop()
        self._connection = connect(path)
        self._connection.executescript(SCHEMA)
        self._queue: queue.SimpleQueue[_Commit | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="sqlite-writer", daemon=True)
        self._thread.start()

    async def step(self, run: Run) -> None:
        """See `Contender`."""
        row, head = run.step()
        done: asyncio.Future[None] = self._loop.create_future()
        self._queue.put(_Commit(msgspec.structs.astuple(row), msgspec.structs.astuple(head), done))
        await done

    async def settle(self) -> None:
        """See `Contender`. The log is copied into the database, as it would be sooner or later."""
        await asyncio.to_thread(self._connection.execute, "PRAGMA wal_checkpoint(TRUNCATE)")

    async def close(self) -> None:
        """See `Contender`."""
        self._queue.put(None)
        await asyncio.to_thread(self._thread.join)
        self._connection.close()

    def _run(self) -> None:
        waiting: list[_Commit] = []
        while (first := self._queue.get()) is not None:
            waiting = [first]
            while len(waiting) < _MAX_GROUP and not self._queue.empty():
                item = self._queue.get()
                if item is None:
                    self._queue.put(None)
                    break
                waiting.append(item)
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.executemany(_ADD_ROW, [item.row for item in waiting])
            self._connection.executemany(_PUT_HEAD, [item.head for item in waiting])
            self._connection.execute("COMMIT")
            for start in range(0, len(waiting), _SLICE):
                self._loop.call_soon_threadsafe(_answer, waiting[start : start + _SLICE])


def _answer(commits: Sequence[_Commit]) -> None:
    for commit in commits:
        if not commit.done.done():
            commit.done.set_result(None)


def fill(path: Path, rows: Iterable[JournalRow], heads: Iterable[RunHead]) -> None:
    """Make a database of these rows in one transaction, and leave no log behind."""
    connection = connect(path)
    connection.executescript(SCHEMA)
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany(_ADD_ROW, map(msgspec.structs.astuple, rows))
    connection.executemany(_PUT_HEAD, map(msgspec.structs.astuple, heads))
    connection.execute("COMMIT")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
