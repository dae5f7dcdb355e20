"""One worker as the host sees it: what it is to do, what it does, and the exchange with it.

What is to be said to a worker gathers while an exchange is in flight, so one Ray call carries the work of many runs.
At most two exchanges are open: one that waits at the worker for something to report, and one under way to it.
"""

import asyncio
from collections.abc import Awaitable, Callable

import msgspec

from greenroom.runtime.contracts.errors import RuntimeUnavailable, StorageError
from greenroom.runtime.contracts.ports import Clock, WorkerLink, WorkerLost
from greenroom.runtime.contracts.work import (
    Attached,
    AttemptId,
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
from greenroom.runtime.core.dispatch import ALONE

MAX_OPEN = 2
MAX_BATCH = 512
"""Most items in one exchange."""

MAX_AT_ONCE = 512
"""Most bodies that one worker has in hand; what it does not get, another may, and waits in fair order till then."""

SILENT_S = 0.25
"""A worker answers one of two exchanges at once; one that has both for longer is busy with itself, or stands still."""

_encode = msgspec.msgpack.Encoder().encode
_reports = msgspec.msgpack.Decoder(Reports)
_attached = msgspec.msgpack.Decoder(Attached)


class WorkerDesk:
    """Talks to one worker.

    Args:
        link: The worker.
        epoch: This runtime's epoch.
        on_reports: Called with reports, in order; when it returns they are durable.
        on_lost: Called once when the worker is dead.
        clock: Time.
        on_proved: Called when a worker that was doubted has answered.
    """

    def __init__(
        self,
        link: WorkerLink,
        epoch: int,
        on_reports: "Callable[[WorkerDesk, tuple[Report, ...]], Awaitable[None]]",
        on_lost: "Callable[[WorkerDesk], Awaitable[None]]",
        clock: Clock,
        *,
        on_proved: "Callable[[WorkerDesk], None]",
    ) -> None:
        self.link = link
        self._on_proved = on_proved
        self._clock = clock
        self.running: dict[tuple[str, str], int] = {}
        self._threaded: set[tuple[str, str]] = set()
        self._asleep: set[tuple[str, str]] = set()
        self._epoch = epoch
        self._on_reports = on_reports
        self._on_lost = on_lost
        self._items: list[tuple[Scope, WorkItem]] = []
        self._cancels: list[AttemptId] = []
        self._answers: list[CallAnswer] = []
        self._acked = 0
        self._expected = 1
        self._early: dict[int, Reports] = {}
        self._open = 0
        self._full_at: float | None = None
        self._is_ack_due = False
        self._doubts = 0
        self._proved = 0
        self._is_kicked = False
        self._is_dead = False
        self._is_taking = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._inbox: asyncio.Queue[Reports | None] = asyncio.Queue()
        self._reader: asyncio.Task[None] | None = None

    @property
    def load(self) -> int:
        """How many attempts it has."""
        return len(self.running)

    @property
    def is_silent(self) -> bool:
        """True while it does not react to what it is told: work is better given to another."""
        return self._full_at is not None and self._clock.now() - self._full_at > SILENT_S

    @property
    def is_quiet(self) -> bool:
        """True when it has nothing to do, and all it reported has been taken."""
        return not (self.running or self._items or self._is_taking or not self._inbox.empty())

    def has_room(self, *, is_threaded: bool, max_threads: int) -> bool:
        """Tell whether it may be given another body.

        A body that waits for what it has called does not count: all would else wait for each other. Twice as many
        bodies as there are threads keep the threads busy while reports are under way.
        """
        if self._is_doubted:
            return False
        if self.link.pool == ALONE:
            return not self.running
        if is_threaded:
            return len(self._threaded) < 2 * max_threads
        return len(self.running) - len(self._asleep) < MAX_AT_ONCE

    async def attach(self) -> tuple[Report, ...]:
        """Take the worker over; return the reports it still has for us and note what it runs.

        Raises:
            WorkerLost: It is dead.
        """
        attached = _attached.decode(await self.link.attach(self._epoch))
        for attempt in attached.running:
            self.running[attempt.run_id, attempt.path] = attempt.attempt
        self._reader = asyncio.create_task(self._read(), name=f"reports of {self.link.name}")
        self._expected = attached.number + 1
        if attached.reports:
            self._inbox.put_nowait(Reports(number=attached.number, reports=attached.reports))
        self._kick()
        return attached.reports

    def give(self, scope: Scope, item: WorkItem) -> None:
        """Let the worker execute an item."""
        place = (scope.run_id, item.path)
        self.running[place] = item.attempt
        self._asleep.discard(place)
        if item.options.is_threaded:
            self._threaded.add(place)
        self._items.append((scope, item))
        self._kick()

    @property
    def _is_doubted(self) -> bool:
        return self._proved < self._doubts

    def doubt(self) -> None:
        """Give it nothing until it has answered what it is sent from now on: it may have died with another.

        What it has said before may still be under way, and tells nothing of now.
        """
        self._doubts += 1
        self._kick()

    def cancel(self, attempt: AttemptId) -> None:
        """Let the worker stop an attempt."""
        if self.running.get((attempt.run_id, attempt.path)) == attempt.attempt:
            self._end((attempt.run_id, attempt.path))
        self._cancels.append(attempt)
        self._kick()

    def answer(self, answer: CallAnswer) -> None:
        """Give a body the answer it waits for."""
        self._asleep.discard((answer.run_id, answer.path))
        self._answers.append(answer)
        self._kick()

    def rest(self, place: tuple[str, str]) -> None:
        """Take notice that a body waits for something it has called."""
        if place in self.running:
            self._asleep.add(place)

    async def close(self) -> None:
        """Stop talking; the worker lives on."""
        self._is_dead = True
        tasks = [*self._tasks, *([self._reader] if self._reader else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _kick(self) -> None:
        if not self._is_kicked and not self._is_dead:
            self._is_kicked = True
            asyncio.get_running_loop().call_soon(self._pump)

    def _pump(self) -> None:
        self._is_kicked = False
        while not self._is_dead and self._open < MAX_OPEN and self._has_reason():
            exchange = self._gather()
            self._open += 1
            if self._open == MAX_OPEN:
                self._full_at = self._clock.now()
            task = asyncio.create_task(self._exchange(_encode(exchange), self._doubts))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _has_reason(self) -> bool:
        if self._items or self._cancels or self._answers or self._is_ack_due:
            return True
        if self._is_doubted:
            return True  # of two exchanges it answers the older at once
        return self._open == 0  # one always waits at the worker: its end is how an idle worker's death is known

    def _gather(self) -> Exchange:
        taken, self._items = self._items[:MAX_BATCH], self._items[MAX_BATCH:]
        scopes: list[Scope] = []
        numbers: dict[int, int] = {}
        items: list[WorkItem] = []
        for scope, item in taken:
            number = numbers.get(id(scope))
            if number is None:
                number = numbers[id(scope)] = len(scopes)
                scopes.append(scope)
            items.append(msgspec.structs.replace(item, scope=number) if number else item)
        exchange = Exchange(
            epoch=self._epoch,
            acked=self._acked,
            scopes=tuple(scopes),
            items=tuple(items),
            cancels=tuple(self._cancels),
            answers=tuple(self._answers),
        )
        self._cancels, self._answers, self._is_ack_due = [], [], False
        return exchange

    async def _exchange(self, payload: bytes, doubts: int) -> None:
        try:
            reply = _reports.decode(await self.link.exchange(payload))
        except WorkerLost:
            self._open -= 1
            self._lose()
            return
        self._open -= 1
        self._full_at = None
        if reply.is_stale:
            self._is_dead = True
            return
        was_doubted, self._proved = self._is_doubted, max(self._proved, doubts)
        if reply.reports:
            self._sort_in(reply)
        self._pump()
        if was_doubted and not self._is_doubted:
            self._on_proved(self)

    def _sort_in(self, reply: Reports) -> None:
        """Take replies in the order of their numbers: calls of an asynchronous actor overtake each other."""
        self._early[reply.number - len(reply.reports) + 1] = reply
        while (due := self._early.pop(self._expected, None)) is not None:
            self._inbox.put_nowait(due)
            self._expected = due.number + 1

    async def _read(self) -> None:
        """Hand reports on, one exchange's after the other's, and acknowledge them when they are durable.

        The news of the worker's death comes behind its last report: what it has reported is not lost.
        """
        while True:
            self._is_taking = False
            replies = [await self._inbox.get()]
            self._is_taking = True
            while not self._inbox.empty():
                replies.append(self._inbox.get_nowait())
            known = [reply for reply in replies if reply is not None]
            try:
                if known:
                    await self._take(known)
                if len(known) < len(replies):
                    await self._on_lost(self)
                    return
            except (StorageError, RuntimeUnavailable):
                return  # the host starts over from the store and attaches anew

    async def _take(self, replies: list[Reports]) -> None:
        reports = tuple(report for reply in replies for report in reply.reports)
        for report in reports:
            place = (report.run_id, report.path)
            if isinstance(report, Finished | Lost) and self.running.get(place) == report.attempt:
                self._end(place)
        await self._on_reports(self, reports)
        self._acked = max(self._acked, replies[-1].number)
        self._is_ack_due = any(isinstance(report, Chunk) and report.durable for report in reports)
        self._kick()

    def _end(self, place: tuple[str, str]) -> None:
        del self.running[place]
        self._threaded.discard(place)
        self._asleep.discard(place)

    def _lose(self) -> None:
        if not self._is_dead:
            self._is_dead = True
            self._inbox.put_nowait(None)
