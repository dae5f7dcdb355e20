"""The engine: facts in, commits, effects out. Persist, then perform, then publish.

Every change to a run goes through `commit`: the core decides, the entries are appended as one group, and only when
they are durable is anything dispatched, answered or published. Runs on one event loop and never runs user code.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

import msgspec

from greenroom.runtime.contracts.entries import Admitted, Fact, Fetched, RunEnded, TimerFired
from greenroom.runtime.contracts.errors import (
    GreenroomError,
    RunNotFound,
    RuntimeUnavailable,
    StorageCorrupt,
    StorageError,
)
from greenroom.runtime.contracts.plan import BundlePlan, LimitPlan
from greenroom.runtime.contracts.ports import Clock, Ids
from greenroom.runtime.contracts.records import JournalRow, LedgerRow, Record
from greenroom.runtime.contracts.storage import Storage
from greenroom.runtime.contracts.values import Json
from greenroom.runtime.contracts.work import CallAnswer, Finished
from greenroom.runtime.core.admission import Place
from greenroom.runtime.core.advance import advance
from greenroom.runtime.core.spans import spans
from greenroom.runtime.core.state import Check, RunState
from greenroom.runtime.core.view import heads
from greenroom.runtime.host.admitting import Admitting
from greenroom.runtime.host.balances import Balances
from greenroom.runtime.host.batch import Batch, Move, take_move
from greenroom.runtime.host.blob_marks import blob_rows
from greenroom.runtime.host.book import RunBook, RunEntry, no_run
from greenroom.runtime.host.charges import charges_of
from greenroom.runtime.host.fetching import Fetching
from greenroom.runtime.host.load import Load
from greenroom.runtime.host.pools import Pools
from greenroom.runtime.host.secret_keys import SecretKeys
from greenroom.runtime.host.timers import Key, TimerWheel
from greenroom.runtime.host.wakes import stored_times
from greenroom.runtime.telemetry import trace_run

log = logging.getLogger("greenroom.engine")

CLOSE_LIMIT_S: Final = 10.0
"""Longest wait for the store when the runtime ends."""

REFIRE_S: Final = 1.0
"""Wait before a timer is taken again for which the store could not be read."""

_encode = msgspec.msgpack.Encoder().encode


class Engine:
    """Owns the runs of one runtime.

    Args:
        storage: The open store.
        pools: The workers.
        clock: Time.
        ids: Fresh ids.
        check: Checks JSON Schemas.
        incarnation: Names this life of the runtime, for the cursors of readers.
        secrets: Tells what of a request context is never stored.
        load: Counts runs in motion.
        limits: Limits that the configuration names.
        weights: Shares of workspaces.
    """

    def __init__(
        self,
        storage: Storage,
        pools: Pools,
        *,
        clock: Clock,
        ids: Ids,
        check: Check,
        incarnation: str,
        secrets: SecretKeys,
        load: Load,
        limits: Mapping[str, LimitPlan],
        weights: dict[str, float],
    ) -> None:
        self.storage = storage
        self.pools = pools
        self.clock = clock
        self.ids = ids
        self.check = check
        self.bundles: dict[str, BundlePlan] = {}
        self.load = load
        self.admitting = Admitting(clock, self._admitted, configured=limits, weights=weights)
        self.book = RunBook(storage, self.bundles, check, incarnation, self.admitting.limits)
        self.wheel = TimerWheel(clock, self._fire, partial(stored_times, storage))
        self.fetching = Fetching(storage, self._fetched)
        self.balances = Balances(storage)
        self._appending: set[asyncio.Task[Any] | None] = set()
        self._is_still = asyncio.Event()
        self.stale_results = 0
        self.failure: StorageError | None = None
        self.on_failure: asyncio.Event = asyncio.Event()
        self.is_recovered = asyncio.Event()
        self.secrets = secrets
        self.checks: dict[tuple[str, str], asyncio.Future[Finished]] = {}
        self.fire_schedule: Callable[[Key], Awaitable[None]]  # `Schedules` is made of an engine, and sets it

    def collect(self, batch: Batch, entry: RunEntry, fact: Fact, extra: Sequence[Record] = ()) -> None:
        """Decide what follows from a fact and add it to a batch. Must be followed by `commit` without another await.

        Raises:
            RunNotFound: The run was deleted since the caller got hold of it.
        """
        run = entry.state
        if entry.is_deleted:
            raise no_run(run.run_id, run.started.workspace)
        at = fact.at
        entries = advance(run, fact, at)
        started = run.started
        body = _encode(entries)
        row = JournalRow(workspace=started.workspace, run_id=run.run_id, group=run.groups, at=at, body=body)
        batch.rows.append(row)
        batch.rows.extend(heads(run))
        batch.rows.extend(blob_rows(run, entry.blobs, body, at))
        batch.rows.extend(extra)
        if run.charges:
            batch.charges.extend(charges_of(run, at))
            batch.rows.extend(batch.charges[-len(run.charges) :])
            run.charges = []
        if any(isinstance(made, RunEnded) for made in entries):
            batch.rows.extend(self.book.finished_messages(run, at))
            batch.rows.extend(spans(run))
        self.load.note(run)
        batch.moves.append(take_move(entry, fact))

    async def commit(self, batch: Batch) -> None:
        """Make a batch durable, then perform and publish it.

        Raises:
            StorageError: It is not known to be durable; the runtime starts over from the store.
        """
        durable = asyncio.get_running_loop().create_future()
        for move in batch.moves:
            move.entry.durable = durable
        try:
            await self.append(batch.rows, batch.charges)
        except (StorageError, RuntimeUnavailable) as error:
            durable.set_exception(_unavailable(self.failure or error))
            durable.exception()  # whoever waits for it is told; nobody need
            raise
        durable.set_result(None)
        for move in batch.moves:
            self._perform(move)

    async def append(self, records: Sequence[Record], charges: Sequence[LedgerRow] = ()) -> int:
        """Make records durable and return the store-wide number of the last.

        Args:
            records: Of one or more commits, or of no run.
            charges: The rows of the ledger among them.

        Raises:
            StorageError: They are not known to be durable; the runtime starts over from the store.
        """
        if self.failure is not None:
            raise _unavailable(self.failure)
        self.balances.begin(charges)
        task = asyncio.current_task()
        self._appending.add(task)
        try:
            seq = await self.storage.append(records)
        except StorageError as error:
            self.balances.fail(charges)
            self.fail(error)
            raise
        finally:
            self._appending.discard(task)
            if not self._appending:
                self._is_still.set()
        self.balances.end(charges, seq)
        return seq

    async def close(self) -> None:
        """Take no more commits, and wait for those under way.

        A commit that is cut off may be missing in a run's journal, which would be damaged by the next one: where the
        store does not answer, all that wait for it are cut off at the same time.
        """
        self.failure = self.failure or StorageError("the runtime shuts down")
        if not self._appending:
            return
        self._is_still.clear()
        try:
            await asyncio.wait_for(self._is_still.wait(), CLOSE_LIMIT_S)
        except TimeoutError:
            log.warning("the store has not answered for %.0f s while the runtime shuts down", CLOSE_LIMIT_S)
            for task in self._appending:
                if task is not None:
                    task.cancel()

    async def record(self, entry: RunEntry, fact: Fact, extra: Sequence[Record] = ()) -> None:
        """Commit one fact of one run."""
        batch = Batch()
        self.collect(batch, entry, fact, extra)
        await self.commit(batch)

    async def confirm(self) -> None:
        """Return when the store is known to be ours still; else the runtime starts over from it, or ends.

        Raises:
            StorageError: It is another's, or does not say.
        """
        try:
            await self.storage.confirm()
        except StorageError as error:
            self.fail(error)
            raise

    def discard(self, run_id: str) -> None:
        """Forget a run whose state cannot be trusted; whoever needs it next reads its journal."""
        self.load.forget(run_id)
        self.book.discard(run_id)

    def fail(self, error: StorageError) -> None:
        """Let the host start over from the store: what it holds is not known any more."""
        if self.failure is None:
            log.error("the store failed, the runtime starts over: %s", error)
            self.failure = error
            self.on_failure.set()

    def _perform(self, move: Move) -> None:
        entry, run = move.entry, move.entry.state
        for place in move.ended:
            self.pools.forget(*place)
            self.admitting.leave(*place)
        for attempt in move.dropped:
            self.pools.cancel(attempt)
            self.admitting.leave(attempt.run_id, attempt.path)
        for node in move.queued:
            self.admitting.enter(run, node)
            self.admitting.see_called(run, node)
        for ready in move.ready:
            if ready.node.has_attempt and ready.node.attempt == ready.item.attempt:
                self.pools.dispatch(ready.pool, ready.scope, ready.item, ready.priority)
            self.admitting.see_called(run, ready.node)
        for path, number, name, answer in move.answers:
            self.pools.answer(CallAnswer(run_id=run.run_id, path=path, attempt=number, name=name, answer=answer))
        for path, sha256 in move.needs:
            self.fetching.begin(run.run_id, path, sha256)
        self.set_wake(run)
        if move.is_final and not entry.stream.is_ended:
            entry.stream.is_ended = True
            trace_run(run)
        elif not move.is_final:
            entry.stream.is_ended = False  # it may have gone back to an earlier step
        entry.stream.publish(move.events)
        if not run.root.busy:
            self.book.release(run.run_id)
        if run.status.is_final or not run.root.busy:  # a result does not wait for the run's callback
            entry.stream.rest()

    async def _admitted(self, places: Sequence[Place]) -> None:
        """Schedule attempts that have waited for their limits; those that need not begin any more give way."""
        batch = Batch()
        now = self.clock.now()
        for run_id, path in places:
            entry = self.book.find(run_id)
            node = entry.state.nodes.get(path) if entry is not None else None
            if entry is None or entry.is_deleted or node is None or node.queued_at is None:
                self.admitting.leave(run_id, path)
                continue
            try:
                self.collect(batch, entry, Admitted(at=now, path=path))
            except Exception:  # one run that cannot go on must not keep the others from beginning
                log.exception("run %s could not be admitted at %r", run_id, path)
                self.admitting.leave(run_id, path)
                self.discard(run_id)
        if batch.rows:
            await self.commit(batch)

    async def _fetched(self, run_id: str, path: str, sha256: str, value: Json, problem: str | None) -> None:
        entry = await self.book.load(run_id)
        node = entry.state.nodes.get(path)
        if node is None or node.is_final:
            return
        entry.state.stored[sha256] = value
        await self.record(entry, Fetched(at=self.clock.now(), path=path, sha256=sha256, problem=problem))
        entry.state.stored.pop(sha256, None)

    def set_wake(self, run: RunState) -> None:
        """Let a run's next timer fire; its head in the store has the time too."""
        self.wheel.set((run.run_id,), min(run.timers.values(), default=None), is_stored=True)

    async def _fire(self, key: tuple[str, ...]) -> None:
        try:
            match key:
                case ("schedule", *_):
                    await self.fire_schedule(key)
                case ("attempt", run_id, path, attempt):
                    await self._fire_attempt(await self.book.load(run_id), path, int(attempt))
                case _:
                    await self._fire_run(await self.book.load(key[0]))
        except RunNotFound:
            return  # it was deleted
        except StorageCorrupt:
            log.exception("the timer of %s cannot be taken", " ".join(key))
        except StorageError:
            log.warning("the timer of %s could not be taken; trying again", " ".join(key), exc_info=True)
            self.wheel.set(key, self.clock.now() + REFIRE_S)
        except Exception:  # a timer must never end the wheel
            log.exception("the timer of %s failed", " ".join(key))

    async def _fire_run(self, entry: RunEntry) -> None:
        now = self.clock.now()
        run = entry.state
        batch = Batch()
        for (path, kind), at in sorted(run.timers.items(), key=lambda item: item[1]):
            if at <= now and (path, kind) in run.timers:
                self.collect(batch, entry, TimerFired(at=now, path=path, kind=kind))
        if batch.rows:
            await self.commit(batch)
        else:
            self.set_wake(run)

    async def _fire_attempt(self, entry: RunEntry, path: str, attempt: int) -> None:
        node = entry.state.nodes.get(path)
        if node is not None and node.has_attempt and node.attempt == attempt:
            fired = TimerFired(at=self.clock.now(), path=path, kind="attempt", attempt=attempt)
            await self.record(entry, fired)


def _unavailable(error: GreenroomError) -> RuntimeUnavailable:
    message = f"nothing can be committed now ({error.message}); try again in a moment"
    return RuntimeUnavailable(message, {"retry_after_s": 1.0})
