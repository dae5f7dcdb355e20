"""The runs in memory: loaded from the journal when somebody needs them, let go when they wait.

A run in memory is the fold of its journal and nothing else; letting go of it loses nothing.
"""

import asyncio
import contextlib
import logging
from collections import OrderedDict
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field

import msgspec

from greenroom.runtime.contracts.entries import Entry, RunStarted
from greenroom.runtime.contracts.errors import RunNotFound, StorageCorrupt, StorageError
from greenroom.runtime.contracts.plan import BundlePlan, LimitPlan
from greenroom.runtime.contracts.records import JournalRow, MessageRow, Record, RunHead, Table
from greenroom.runtime.contracts.storage import Query, Storage
from greenroom.runtime.core.advance import replay, start
from greenroom.runtime.core.state import Check, RunState
from greenroom.runtime.core.view import heads
from greenroom.runtime.host.blob_marks import blob_shas
from greenroom.runtime.host.doomed import Doomed, Name, run_name, workspace_name
from greenroom.runtime.host.fetching import read_values
from greenroom.runtime.host.messages import finished_messages
from greenroom.runtime.host.stream import RunStream

MAX_IDLE = 256
"""Most runs at rest that are kept in memory for the next reader."""

log = logging.getLogger("greenroom.book")

_entries = msgspec.msgpack.Decoder(list[Entry])


@dataclass(slots=True)
class RunEntry:
    """One run in memory.

    Attributes:
        durable: Done when every commit made so far is durable; reads wait for it.
        blobs: Digests of the stored values that its journal refers to.
        is_deleted: Nothing may be committed to it any more.
    """

    state: RunState
    stream: RunStream
    durable: asyncio.Future[None] | None = None
    readers: int = 0
    blobs: set[str] = field(default_factory=set)
    is_deleted: bool = False

    async def settled(self) -> None:
        """Wait until what is in memory is durable.

        Raises:
            RuntimeUnavailable: It will not be.
        """
        while (durable := self.durable) is not None:
            await asyncio.shield(durable)
            if self.durable is durable:
                return

    @contextlib.contextmanager
    def held(self) -> Generator[None, None, None]:
        """Keep the run in memory while somebody works on it across awaits."""
        self.readers += 1
        try:
            yield
        finally:
            self.readers -= 1


def no_run(run_id: str, workspace: str) -> RunNotFound:
    """Return the error that says that there is no such run."""
    return RunNotFound(f"no run {run_id!r} in workspace {workspace!r}", {"run_id": run_id})


def _left(head: RunHead) -> RunNotFound:
    message = (
        f"run {head.run_id} was part of run {head.root_id} at {head.parent_path}; that run went back to an earlier "
        "step since, and has not come there again"
    )
    return RunNotFound(message, {"run_id": head.run_id, "root_id": head.root_id})


class _Doomed(Exception):
    """A run that was being read is being deleted, alone or with its workspace."""

    def __init__(self, *names: Name) -> None:
        self.names = names


class RunBook:
    """Runs by id.

    Attributes:
        doomed: What is being deleted.
    """

    def __init__(
        self,
        storage: Storage,
        bundles: dict[str, BundlePlan],
        check: Check,
        incarnation: str,
        limits: Mapping[str, LimitPlan],
    ) -> None:
        self._storage = storage
        self._bundles = bundles
        self._check = check
        self._incarnation = incarnation
        self._limits = limits
        self._runs: dict[str, RunEntry] = {}
        self._idle: OrderedDict[str, None] = OrderedDict()
        self._loading: dict[str, asyncio.Task[RunEntry]] = {}
        self._thread_ends: dict[tuple[str, str], int] = {}
        self.doomed = Doomed()

    def __len__(self) -> int:
        """How many runs are in memory."""
        return len(self._runs)

    def add(self, state: RunState) -> RunEntry:
        """Take a run that has just been made."""
        state.plans, state.limits = self._bundles, self._limits
        entry = RunEntry(state=state, stream=RunStream(self._incarnation))
        self._runs[state.run_id] = entry
        return entry

    def find(self, run_id: str) -> RunEntry | None:
        """Return a run that is in memory."""
        return self._runs.get(run_id)

    async def head(self, run_id: str, workspace: str) -> RunHead:
        """Return a run's head row.

        Raises:
            RunNotFound: There is none in this workspace.
        """
        head = await self._storage.get(Table.RUNS, (run_id,))
        if not isinstance(head, RunHead) or head.workspace != workspace:
            raise no_run(run_id, workspace)
        return head

    async def resolve(self, run_id: str, workspace: str) -> tuple[RunEntry, str]:
        """Return a run, loaded, and the path of the child run that was meant ("" for the run itself).

        Raises:
            RunNotFound: There is none in this workspace.
        """
        if run_id not in self._runs:
            await self.doomed.settled(run_name(run_id), workspace_name(workspace))
        try:
            # Most are runs of their own, with a journal of their name: to read the head too would double the wait.
            entry = await self.load(run_id)
        except RunNotFound:
            head = await self.head(run_id, workspace)
            entry, prefix = await self.load(head.root_id), head.parent_path or ""
            if prefix not in entry.state.nodes:
                raise _left(head) from None
            return entry, prefix
        if entry.state.started.workspace != workspace:
            raise no_run(run_id, workspace)
        return entry, ""

    async def load(self, run_id: str) -> RunEntry:
        """Return a root run, read from the journal if it is not in memory.

        Raises:
            RunNotFound: There is none, or none any more.
        """
        name = run_name(run_id)
        while (entry := self._runs.get(run_id)) is None:
            await self.doomed.settled(name)
            task = self._loading.get(run_id)
            if task is None:
                task = self._loading[run_id] = asyncio.create_task(self._read(run_id), name=f"load {run_id}")
                task.add_done_callback(lambda done: self._loaded(run_id, done))
            try:
                return await asyncio.shield(task)
            except _Doomed as doomed:
                await self.doomed.settled(*doomed.names)
        self._touch(run_id)
        return entry

    async def try_load(self, run_id: str) -> None:
        """Read a run somebody reports on, if it is there; one that is damaged must not keep others from their reports.

        Raises:
            StorageError: The store cannot be read: what it holds of the run is not known.
        """
        try:
            await self.load(run_id)
        except RunNotFound:
            return  # it was deleted
        except StorageError as error:
            if not isinstance(error, StorageCorrupt):
                raise
            log.warning("a worker reported on run %s, which is damaged", run_id, exc_info=True)
        except Exception:
            log.warning("a worker reported on run %s, which cannot be read", run_id, exc_info=True)

    def _loaded(self, run_id: str, task: asyncio.Task[RunEntry]) -> None:
        self._loading.pop(run_id, None)
        if not task.cancelled():
            task.exception()  # whoever waits for it is told; nobody need

    async def loads_ended(self) -> None:
        """Return when every reading that is under way has ended."""
        if self._loading:
            await asyncio.wait(set(self._loading.values()))

    async def _read(self, run_id: str) -> RunEntry:
        groups: list[list[Entry]] = []
        blobs: set[str] = set()
        async for page in self._storage.scan(Table.JOURNAL, Query(prefix=(run_id,))):
            for row in page:
                assert isinstance(row, JournalRow)  # noqa: S101 - the table holds nothing else
                if row.group != len(groups) + 1:
                    message = f"journal of run {run_id} has group {row.group} where {len(groups) + 1} should be"
                    raise StorageCorrupt(message, {"run_id": run_id})
                groups.append(_entries.decode(row.body))
                blobs |= blob_shas(row.body)
        if not groups or not isinstance(groups[0][0], RunStarted):
            message = f"no journal of run {run_id!r}"
            raise RunNotFound(message, {"run_id": run_id})
        started = groups[0][0]
        bundle = self._bundles.get(started.bundle)
        if bundle is None:
            message = f"run {run_id} is pinned to bundle {started.bundle}, which is not in the store"
            raise StorageCorrupt(message, {"run_id": run_id, "bundle": started.bundle})
        if started.thread_id is not None:
            await self.find_end(started.workspace, started.thread_id)
        begun = start(started, bundle, self._check)
        begun.stored = await read_values(self._storage, groups)
        begun.plans, begun.limits = self._bundles, self._limits
        state = replay(begun, groups)
        entry = RunEntry(state=state, stream=RunStream(self._incarnation), blobs=blobs)
        take_leftovers(state)
        heads(state)
        entry.stream.publish(state.events)
        state.events = []
        entry.stream.is_ended = state.status.is_final
        names = run_name(run_id), workspace_name(started.workspace)
        if self.doomed.has(*names):
            raise _Doomed(*names)
        self._runs[run_id] = entry
        self._touch(run_id)
        return entry

    async def find_end(self, workspace: str, thread_id: str) -> None:
        """Know where a thread ends: whoever writes to it next, in whatever order runs end, writes behind that."""
        if (workspace, thread_id) in self._thread_ends:
            return
        last = 0
        query = Query(prefix=(workspace, thread_id), reverse=True, limit=1)
        async for page in self._storage.scan(Table.MESSAGES, query):
            last = max((row.position for row in page if isinstance(row, MessageRow)), default=last)
        self._thread_ends.setdefault((workspace, thread_id), last)

    def finished_messages(self, run: RunState, at: float) -> list[Record]:
        """Return what a run that has ended adds to its thread, behind everything that was added before.

        A fork adds nothing: its conversation is not the one the thread holds.
        """
        if run.started.thread_id is None or run.started.fork is not None:
            return []
        key = (run.started.workspace, run.started.thread_id)
        rows = finished_messages(run, at, self._thread_ends[key])
        self._thread_ends[key] += sum(1 for row in rows if isinstance(row, MessageRow))
        return rows

    def release(self, run_id: str) -> None:
        """Say that a run is at rest: it may be let go when others come."""
        self._idle[run_id] = None
        self._idle.move_to_end(run_id)
        while len(self._idle) > MAX_IDLE:
            oldest, _ = self._idle.popitem(last=False)
            entry = self._runs.get(oldest)
            if entry is None:
                continue
            if entry.readers or entry.state.root.busy or (entry.durable is not None and not entry.durable.done()):
                continue
            del self._runs[oldest]

    def _touch(self, run_id: str) -> None:
        if run_id in self._idle:
            self._idle.move_to_end(run_id)
        else:
            entry = self._runs[run_id]
            if not entry.state.root.busy:
                self.release(run_id)

    def discard(self, run_id: str) -> None:
        """Forget a run whose state cannot be trusted; whoever needs it next reads its journal."""
        self._runs.pop(run_id, None)
        self._idle.pop(run_id, None)

    def remove(self, run_id: str) -> None:
        """Forget a run that is being deleted: whoever still has hold of it can read on and commit no more."""
        entry = self._runs.get(run_id)
        if entry is not None:
            entry.is_deleted = True
            entry.stream.end()
        self.discard(run_id)

    def of_workspace(self, workspace: str) -> list[RunEntry]:
        """Return the runs of a workspace that are in memory."""
        return [entry for entry in self._runs.values() if entry.state.started.workspace == workspace]


def take_leftovers(state: RunState) -> None:
    """Forget what a replay would have performed: it was performed, or recovery decides anew."""
    state.ready.clear()
    state.queued.clear()
    state.dropped.clear()
    state.answers.clear()
    state.charges.clear()
    state.needs.clear()
    state.stored.clear()
