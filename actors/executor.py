"""The heart of a worker, without Ray: takes batches of work, executes bodies, reports outcomes.

Holds no truth: everything it knows came with a dispatch or is in a report that the runtime has not acknowledged. All of
it runs on one event loop; only synchronous bodies leave it, for a bounded pool of threads. An attempt counts as long as
it stands in `_attempts`; what an attempt reports that does not stand there any more is dropped.
"""

import asyncio
import contextvars
import functools
import random
import time
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, Protocol, TypeAlias

import msgspec

from greenroom.actors.attempt import Attempt, Instances, Room, Turns, perform
from greenroom.actors.channel import AttemptChannel
from greenroom.actors.failures import describe_error
from greenroom.actors.outbox import Outbox
from greenroom.actors.values import Binaries, BlobLink, Values
from greenroom.runtime.contracts.entries import Failed, Outcome
from greenroom.runtime.contracts.values import Json
from greenroom.runtime.contracts.work import (
    Attached,
    AttemptId,
    Began,
    CallAnswer,
    Chunk,
    Exchange,
    Finished,
    Lost,
    Report,
    Reports,
    Scope,
    WorkItem,
)
from greenroom.runtime.definitions.body import Body
from greenroom.runtime.definitions.context import Channel

_Place: TypeAlias = tuple[str, str]
"""Run id and path: where at most one attempt counts at a time."""

EARLY_CANCEL_S: Final = 30.0
"""How long a cancel that came before its attempt is remembered: exchanges may overtake one another."""

MAX_EARLY_CANCELS: Final = 10_000

_encoder = msgspec.msgpack.Encoder()
_exchange_decoder = msgspec.msgpack.Decoder(Exchange)


class AttemptLostError(Exception):
    """The process that executed an attempt died before it had an outcome."""


class RemoteTasks(Protocol):
    """Where bodies that ask for resources are executed: in processes of their own."""

    async def run(
        self, item: WorkItem, scope: Scope, channel: Channel, began: Callable[[], None] | None
    ) -> tuple[Outcome, dict[str, Json]]:
        """Execute the attempt elsewhere and return its outcome and what it set in the state.

        Cancelling this cancels the attempt.

        Raises:
            AttemptLostError: The process died.
        """
        ...


class _Running:
    """An attempt that counts."""

    __slots__ = ("attempt", "channel", "task")

    def __init__(self, attempt: Attempt, channel: AttemptChannel) -> None:
        self.attempt = attempt
        self.channel = channel
        self.task: asyncio.Task[None] | None = None


class Executor:
    """Executes the bodies of one bundle.

    Args:
        code: The bundle's bodies by code key.
        bundles: Ids of what is loaded, told when a runtime attaches.
        blobs: Where values go that do not fit into JSON.
        max_threads: Most synchronous bodies at once; more wait their turn.
        turns: Executes model turns, on a worker for agents.
        instances: The stateful tools, on a worker for them.
        tasks: Runs bodies that ask for resources; None runs them here.
        clock: Gives epoch seconds.
        jitter: Source of the spread of long polls.
    """

    def __init__(
        self,
        code: Mapping[str, Body],
        *,
        bundles: tuple[str, ...] = (),
        blobs: BlobLink | None = None,
        max_threads: int = 16,
        turns: Turns | None = None,
        instances: Instances | None = None,
        tasks: RemoteTasks | None = None,
        clock: Callable[[], float] = time.time,
        jitter: random.Random | None = None,
    ) -> None:
        self._bundles = bundles
        self._threads = ThreadPoolExecutor(max_threads, thread_name_prefix="greenroom-body")
        self._values = Values(blobs)
        self._room = Room(code=code, values=self._values, threads=self._threads, turns=turns, instances=instances)
        self._tasks = tasks
        self._clock = clock
        self._outbox = Outbox(self._forget, jitter)
        self._attempts: dict[_Place, _Running] = {}
        self._finished: dict[_Place, int] = {}
        self._early_cancels: dict[_Place, tuple[int, float]] = {}
        self._ending: set[asyncio.Task[None]] = set()
        self._epoch = 0

    @property
    def threads(self) -> ThreadPoolExecutor:
        """The threads of synchronous bodies."""
        return self._threads

    def attach(self, epoch: int) -> bytes:
        """Obey this epoch from now on, and return what is loaded, running and unacknowledged (`Attached`, msgpack).

        Exchanges of older epochs that still wait are answered as stale. An epoch that is itself stale changes
        nothing; its exchanges are refused.
        """
        if epoch >= self._epoch:
            self._epoch = epoch
            self._outbox.release_polls()
            reports = self._outbox.hand_over()
        else:
            reports = self._outbox.kept()
        attached = Attached(
            bundles=self._bundles,
            running=tuple(
                AttemptId(run_id=run_id, path=path, attempt=running.attempt.item.attempt)
                for (run_id, path), running in self._attempts.items()
            ),
            number=self._outbox.number,
            reports=reports,
        )
        return _encoder.encode(attached)

    async def exchange(self, payload: bytes) -> bytes:
        """Take an `Exchange`, start what is in it, and return `Reports` as soon as there are any (both msgpack)."""
        request = _exchange_decoder.decode(payload)
        if request.epoch < self._epoch:
            return _encoder.encode(Reports(number=self._outbox.number, is_stale=True))
        if request.epoch > self._epoch:
            self._epoch = request.epoch
            self._outbox.release_polls()
        if request.acked:
            self._outbox.forget(request.acked)
        for stopped in request.cancels:
            self._cancel(stopped)
        for answer in request.answers:
            self._answer(answer)
        if request.items:
            loop = asyncio.get_running_loop()
            for item in request.items:
                self._start(item, request.scopes[item.scope], loop)
        return await self._outbox.poll()

    def channel_of(self, attempt: AttemptId) -> AttemptChannel | None:
        """Return the channel of an attempt that counts, for a task of it in another process; else None."""
        running = self._attempts.get((attempt.run_id, attempt.path))
        if running is None or running.attempt.item.attempt != attempt.attempt:
            return None
        return running.channel

    async def close(self) -> None:
        """Stop everything that runs; nothing of it is reported."""
        for running in list(self._attempts.values()):
            self._drop(running)
        if self._ending:
            await asyncio.wait(self._ending, timeout=1.0)
        self._outbox.release_polls()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _start(self, item: WorkItem, scope: Scope, loop: asyncio.AbstractEventLoop) -> None:
        place = (scope.run_id, item.path)
        earlier = self._attempts.get(place)
        if earlier is not None:
            if earlier.attempt.item.attempt >= item.attempt:
                return
            self._drop(earlier)
        if self._finished and self._finished.get(place, 0) >= item.attempt:
            return
        if self._early_cancels and self._is_cancelled_early(place, item.attempt):
            return

        def report(made: Report) -> bool:
            if self._attempts.get(place) is not running:
                return False
            self._outbox.add(made)
            return True

        binaries = Binaries()
        channel = AttemptChannel(
            run_id=scope.run_id, item=item, values=self._values, binaries=binaries, report=report, loop=loop
        )
        attempt = Attempt(item=item, scope=scope, channel=channel, binaries=binaries)
        if item.options.timeout_s is not None:
            began = Began(run_id=scope.run_id, path=item.path, attempt=item.attempt)
            attempt.began = functools.partial(channel.send, began)
        running = _Running(attempt, channel)
        self._attempts[place] = running
        # In a context of its own: inside that of the exchange, a cancelled exchange would cancel Ray calls of the body.
        running.task = loop.create_task(self._run(place, running), context=contextvars.Context())

    async def _run(self, place: _Place, running: _Running) -> None:
        attempt = running.attempt
        started_at = self._clock()
        report: Report
        try:
            outcome = await self._outcome(attempt)
            report = Finished(
                run_id=place[0],
                path=place[1],
                attempt=attempt.item.attempt,
                outcome=outcome,
                started_at=started_at,
                ended_at=self._clock(),
                patch=attempt.patch,
            )
        except AttemptLostError:
            report = Lost(run_id=place[0], path=place[1], attempt=attempt.item.attempt)
        if self._attempts.get(place) is running:
            del self._attempts[place]
            self._finished[place] = attempt.item.attempt
            self._outbox.add(report)

    def _outcome(self, attempt: Attempt) -> Coroutine[Any, Any, Outcome]:
        if self._tasks is not None and attempt.item.kind != "turn" and attempt.item.options.needs_task:
            return self._run_as_task(attempt, self._tasks)
        return perform(attempt, self._room)

    async def _run_as_task(self, attempt: Attempt, tasks: RemoteTasks) -> Outcome:
        try:
            outcome, attempt.patch = await tasks.run(attempt.item, attempt.scope, attempt.channel, attempt.began)
        except AttemptLostError:
            raise
        except Exception as error:  # noqa: BLE001 - the edge to another process: whatever it raises is this attempt's
            return Failed(error=describe_error(error))
        return outcome

    def _cancel(self, stopped: AttemptId) -> None:
        place = (stopped.run_id, stopped.path)
        running = self._attempts.get(place)
        if running is not None and running.attempt.item.attempt <= stopped.attempt:
            self._drop(running)
        elif running is None and place not in self._finished:
            while len(self._early_cancels) >= MAX_EARLY_CANCELS:
                del self._early_cancels[next(iter(self._early_cancels))]
            self._early_cancels[place] = (stopped.attempt, self._clock() + EARLY_CANCEL_S)

    def _is_cancelled_early(self, place: _Place, attempt: int) -> bool:
        cancelled, until = self._early_cancels.pop(place, (0, 0.0))
        return attempt <= cancelled and self._clock() < until

    def _drop(self, running: _Running) -> None:
        """Stop an attempt: from now on it does not count, whatever it still does."""
        attempt = running.attempt
        self._attempts.pop((attempt.scope.run_id, attempt.item.path), None)
        if attempt.context is not None:
            attempt.context.cancelled.set()
        task = running.task
        if task is not None and not task.done():
            # A thread cannot be stopped: its body goes on until it looks at `ctx.cancelled`, and nobody waits for it.
            self._ending.add(task)
            task.add_done_callback(self._ending.discard)
            task.cancel()

    def _answer(self, answer: CallAnswer) -> None:
        channel = self.channel_of(AttemptId(run_id=answer.run_id, path=answer.path, attempt=answer.attempt))
        if channel is not None:
            channel.answer(answer.name, answer.answer)

    def _forget(self, report: Report) -> None:
        match report:
            case Chunk():
                channel = self.channel_of(AttemptId(run_id=report.run_id, path=report.path, attempt=report.attempt))
                if channel is not None:
                    channel.confirm(report)
            case Finished() | Lost():
                place = (report.run_id, report.path)
                if self._finished.get(place) == report.attempt:
                    del self._finished[place]
            case _:
                pass
