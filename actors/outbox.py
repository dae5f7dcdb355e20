"""What a worker has to report: numbered, in order, kept until the runtime has it.

Knows reports and the long polls that wait for them; nothing of bodies. Everything here runs on the event loop's
thread. Numbers are given when a report is sent, so they have no gaps: report n is always sent after report n - 1.
"""

import asyncio
import random
from collections import deque
from collections.abc import Callable
from typing import Final

import msgspec

from greenroom.runtime.contracts.work import Began, Chunk, Report, Reports

POLL_MIN_S: Final = 20.0
POLL_MAX_S: Final = 40.0
"""An exchange without news is answered within this range; spread, so that many workers do not answer at once."""

MAX_REPORTS: Final = 2000
"""Most reports in one reply; the rest goes with the next one."""

MAX_WAITING_CHUNKS: Final = 20_000
"""Most ephemeral chunks that wait for a runtime to take them; later ones are dropped, as their readers are gone."""

_encoder = msgspec.msgpack.Encoder()


def is_durable(report: Report) -> bool:
    """Return True for reports that are kept until acknowledged."""
    match report:
        case Began():
            return False
        case Chunk():
            return report.durable
        case _:
            return True


class _Poll:
    """One exchange that waits for news."""

    __slots__ = ("reply", "timer")

    def __init__(self, reply: asyncio.Future[bytes], timer: asyncio.TimerHandle) -> None:
        self.reply = reply
        self.timer = timer


class Outbox:
    """Reports on their way to the runtime.

    Args:
        on_forget: Called with each durable report once the runtime has made it durable.
        jitter: Source of the spread of long polls.
    """

    def __init__(self, on_forget: Callable[[Report], None], jitter: random.Random | None = None) -> None:
        self._on_forget = on_forget
        self._jitter = jitter or random.Random()
        self._pending: deque[tuple[Report, msgspec.Raw]] = deque()
        self._kept: deque[tuple[int, Report]] = deque()
        self._polls: deque[_Poll] = deque()
        self._number = 0
        self._is_flush_due = False
        self._waiting_chunks = 0
        self.dropped_chunks = 0

    @property
    def number(self) -> int:
        """Number of the last report that was sent."""
        return self._number

    def kept(self) -> tuple[Report, ...]:
        """Return the durable reports that were sent and not acknowledged, in order."""
        return tuple(report for _, report in self._kept)

    def hand_over(self) -> tuple[Report, ...]:
        """Return what was not acknowledged and what was not sent, in order, and count all of it as sent.

        For a runtime that takes the worker over. What came while nobody listened is unsent, and its attempt does not
        run any more: left out here, it would count as lost and its body would be executed again.
        """
        sent, unsent = self.kept(), [report for report, _ in self._pending]
        for report in unsent:
            self._number += 1
            if is_durable(report):
                self._kept.append((self._number, report))
        self._pending.clear()
        self._waiting_chunks = 0
        return (*sent, *unsent)

    def add(self, report: Report) -> None:
        """Queue a report; it leaves with the next reply.

        Raises:
            TypeError: It has a part that is not JSON. Encoded here, so that one bad report does not spoil a batch.
            OverflowError: It has an integer of more than 64 bits.
        """
        raw = msgspec.Raw(_encoder.encode(report))
        if not is_durable(report):
            if self._waiting_chunks >= MAX_WAITING_CHUNKS:
                self.dropped_chunks += 1
                return
            self._waiting_chunks += 1
        self._pending.append((report, raw))
        if self._polls and not self._is_flush_due:
            self._flush_soon()

    def forget(self, acked: int) -> None:
        """Let go of the reports up to this number: the runtime has made them durable."""
        kept = self._kept
        while kept and kept[0][0] <= acked:
            self._on_forget(kept.popleft()[1])

    async def poll(self) -> bytes:
        """Wait until there is something to report and return `Reports` as msgpack; empty ones after a while.

        Of several that wait, the first is answered first.
        """
        loop = asyncio.get_running_loop()
        reply: asyncio.Future[bytes] = loop.create_future()
        timer = loop.call_later(self._jitter.uniform(POLL_MIN_S, POLL_MAX_S), self._answer_empty, reply)
        poll = _Poll(reply, timer)
        self._polls.append(poll)
        if self._pending and not self._is_flush_due:
            self._flush_soon()
        if len(self._polls) > 1:
            loop.call_soon(self._release_older)
        try:
            return await reply
        finally:
            timer.cancel()
            if poll in self._polls:
                self._polls.remove(poll)

    def _release_older(self) -> None:
        """Answer all polls but the newest without reports, if what just came did not finish at once.

        The runtime opens few exchanges at a time: one that only waits must not keep it from sending new work.
        """
        if self._is_flush_due:
            return
        while len(self._polls) > 1:
            self._answer_empty(self._polls.popleft().reply)

    def release_polls(self) -> None:
        """Answer every waiting poll as stale, without reports: a newer runtime has taken the worker over."""
        while self._polls:
            poll = self._polls.popleft()
            if not poll.reply.done():
                poll.reply.set_result(_encoder.encode(Reports(number=self._number, is_stale=True)))

    def _flush_soon(self) -> None:
        # Behind everything that is ready in this turn of the loop: what finishes at once leaves in one reply.
        self._is_flush_due = True
        asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        self._is_flush_due = False
        while self._pending and self._polls:
            poll = self._polls.popleft()
            if not poll.reply.done():
                poll.reply.set_result(self._take())

    def _take(self) -> bytes:
        pending = self._pending
        count = min(len(pending), MAX_REPORTS)
        batch: list[msgspec.Raw] = []
        number = self._number
        for _ in range(count):
            report, raw = pending.popleft()
            batch.append(raw)
            number += 1
            if is_durable(report):
                self._kept.append((number, report))
            else:
                self._waiting_chunks -= 1
        self._number = number
        return _encoder.encode({"number": number, "reports": batch})

    def _answer_empty(self, reply: asyncio.Future[bytes]) -> None:
        if not reply.done():
            reply.set_result(_encoder.encode(Reports(number=self._number)))
