"""Greenroom in one process: the real host, core and executor over the real file store on the disk.

Runtime, workers and store are one process here, which is the harder case: a kill -9 takes all of them at once. (On
Ray a killed runtime finds its workers alive.) Resumes from many processes go through a runtime actor on Ray:
`greenroom_cluster`.
"""

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Self, TypeVar

import msgspec

from benchmarks.probe.commits import Commits
from benchmarks.probe.promises import Promise
from benchmarks.probe.subject import Place, View
from benchmarks.probe.subjects import greenroom_view as calls
from benchmarks.probe.subjects.greenroom_app import app
from greenroom.actors.values import Values
from greenroom.app import make_client
from greenroom.runtime import json_schema
from greenroom.runtime.client.link import LocalLink
from greenroom.runtime.contracts import requests
from greenroom.runtime.contracts.plan import BundleSource
from greenroom.runtime.contracts.ports import WorkerLink, WorkerSpec
from greenroom.runtime.contracts.records import Record, Table
from greenroom.runtime.contracts.storage import Query
from greenroom.runtime.host.edge import answer
from greenroom.runtime.host.host import Host
from greenroom.runtime.system import RandomIds, SystemClock
from greenroom.storage.parquet.options import StoreOptions
from greenroom.storage.parquet.store import ParquetStorage
from greenroom.testing.fake_workers import FakeSpawner, StoredBlobs

T = TypeVar("T")

_OPTIONS: Final = StoreOptions(segment_bytes=1 << 18, reserve_bytes=1 << 16)
"""Sizes of files only: hundreds of copies of a store are made, and the usual ones reserve 80 MB of empty space each."""

_NOT_DATA: Final = ("LOCK", "RESERVE")


class _Store(ParquetStorage):
    """The file store, with its commits told: an append is one."""

    commits: Commits

    async def append(self, records: Sequence[Record]) -> int:
        number = self.commits.begin()
        seq = await super().append(records)
        self.commits.end(number)
        return seq


class _NoWorkers(FakeSpawner):
    """Never has a worker: what is recorded is shown, and nothing is executed."""

    async def spawn(self, spec: WorkerSpec) -> WorkerLink:
        del spec
        never: asyncio.Future[WorkerLink] = asyncio.get_running_loop().create_future()
        return await never


class Greenroom:
    """See `Subject`."""

    def __init__(self, runner: asyncio.Runner, store: _Store, host: Host, spawner: FakeSpawner) -> None:
        self._runner = runner
        self._store = store
        self._host = host
        self._spawner = spawner
        self._client = make_client(app, link=LocalLink(lambda payload: answer(host, payload)))

    @classmethod
    def name(cls) -> str:
        """See `Subject`."""
        return calls.greenroom_name()

    @classmethod
    def not_offered(cls) -> Mapping[Promise, str]:
        """See `Subject`."""
        return {}

    @classmethod
    def open(cls, place: Place) -> Self:
        """See `Subject`."""
        runner = asyncio.Runner()
        found = runner.run(cls._open(runner, place))
        place.commits.switch_on()
        return found

    @classmethod
    async def _open(cls, runner: asyncio.Runner, place: Place) -> Self:
        store = await _Store.open(place.folder, _OPTIONS)
        store.commits = place.commits

        async def open_storage() -> _Store:
            return store

        clock = SystemClock()
        spawner = (_NoWorkers if place.still else FakeSpawner)({app.plan.id: app}, store, clock=clock.now)
        host = Host(open_storage=open_storage, spawner=spawner, clock=clock, ids=RandomIds(), check=json_schema.check)
        host.start()
        found = cls(runner, store, host, spawner)
        plan = msgspec.msgpack.encode(app.plan)
        source = BundleSource(target="benchmarks.probe.subjects.greenroom_app:app")
        await found._client.link.call(requests.Register(plan=plan, source=source))
        return found

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(work)

    async def _whole(self, work: Coroutine[Any, Any, Any]) -> Any:
        # A result above 256 kB is shown to clients as a reference to the stored value.
        return await Values(StoredBlobs(self._store)).resolve(await work)

    def address(self) -> str:
        """See `Subject`."""
        raise NotImplementedError("one process has this form of the runtime; greenroom_cluster has many callers")

    def start(self, run: str, value: Any) -> None:
        """See `Subject`."""
        self._run(calls.start(self._client, run, value))

    def resume(self, run: str, answer: Any) -> Any:
        """See `Subject`."""
        return self._run(self._whole(calls.resume(self._client, run, answer)))

    def recover(self, run: str) -> None:
        """See `Subject`."""
        self._run(calls.recover(self._client, run))

    def look(self, run: str) -> View | None:
        """See `Subject`."""
        return self._run(calls.look(self._client, run))

    def pin(self, run: str) -> str:
        """See `Subject`."""
        return run

    def fork(self, run: str, answer: Any) -> Any:
        """See `Subject`."""
        return self._run(self._whole(calls.fork(self._client, run, answer)))

    def history(self, run: str) -> list[str]:
        """Return the run's head and the rows of its journal, byte for byte."""
        return self._run(self._history(run))

    async def _history(self, run: str) -> list[str]:
        head = await self._store.get(Table.RUNS, (run,))
        pages = self._store.scan(Table.JOURNAL, Query(prefix=(run,)))
        return [repr(head), *[repr(row) async for page in pages for row in page]]

    def close(self) -> None:
        """See `Subject`."""
        self._run(self._close())
        self._runner.close()

    async def _close(self) -> None:
        await self._host.close()
        for worker in self._spawner.workers:
            await worker.die()

    @classmethod
    def is_data(cls, file: Path) -> bool:
        """Return whether it is more than the lock or reserved space."""
        return file.name not in _NOT_DATA
