"""What an executor and a runtime owe each other: batches, numbers, acknowledgements, epochs."""

import asyncio
from typing import Any

import pytest

from greenroom.actors import outbox
from greenroom.runtime.contracts.entries import Succeeded
from greenroom.runtime.contracts.work import Chunk, Finished
from greenroom.runtime.definitions.context import StepContext
from tests.actors.desk import Desk, Gate, OpenDesk, at, body_of, echo, turns, work


async def test_everything_that_is_ready_leaves_in_one_reply(open_desk: OpenDesk) -> None:
    """A batch of bodies that do not wait costs one exchange."""
    reply = await open_desk(body_of(echo)).exchange(*(work("echo", n, path=f"p[{n}]") for n in range(50)))
    assert len(reply.reports) == 50
    assert reply.number == 50


async def test_a_waiting_exchange_takes_what_a_newer_one_brings_and_finishes_at_once(open_desk: OpenDesk) -> None:
    """News go to the oldest exchange that waits."""
    desk = open_desk(body_of(echo))
    older = asyncio.create_task(desk.exchange())
    await turns()
    newer = asyncio.create_task(desk.exchange(work("echo", 1)))
    assert [type(report) for report in (await older).reports] == [Finished]
    await turns()
    assert not newer.done()
    newer.cancel()


async def test_a_waiting_exchange_makes_room_for_a_newer_one(open_desk: OpenDesk) -> None:
    """One that only waits must not keep a runtime that opens few from sending new work."""
    gate = Gate()
    desk = open_desk(gate.body())
    older = asyncio.create_task(desk.exchange())
    await turns()
    newer = asyncio.create_task(desk.exchange(work("wait", 1)))
    reply = await older
    assert (reply.reports, reply.is_stale) == ((), False)
    gate.open.set()
    assert len((await newer).reports) == 1


async def test_an_exchange_without_news_is_answered_empty(open_desk: OpenDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A long poll ends before any transport gives up on it."""
    monkeypatch.setattr(outbox, "POLL_MIN_S", 0.0)
    monkeypatch.setattr(outbox, "POLL_MAX_S", 0.01)
    reply = await open_desk().exchange()
    assert (reply.number, reply.reports, reply.is_stale) == (0, (), False)


async def test_numbers_have_no_gaps(open_desk: OpenDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks are numbered as outcomes are, over as many replies as it takes."""
    monkeypatch.setattr(outbox, "MAX_REPORTS", 3)

    async def tell(_: Any, ctx: StepContext) -> None:
        for n in range(6):
            ctx.write(n)

    desk = open_desk(body_of(tell, takes_context=True))
    replies = [await desk.exchange(work("tell")), await desk.exchange(), await desk.exchange()]
    assert [(reply.number, len(reply.reports)) for reply in replies] == [(3, 3), (6, 3), (7, 1)]


async def test_a_duplicate_dispatch_is_ignored(open_desk: OpenDesk) -> None:
    """While it runs, and after it has finished until the runtime has the outcome."""
    gate = Gate()
    desk = open_desk(gate.body())
    polling = asyncio.create_task(desk.exchange(work("wait", 1), work("wait", 1)))
    await turns()
    gate.open.set()
    assert len((await polling).reports) == 1
    again = asyncio.create_task(desk.exchange(work("wait", 1)))
    await turns()
    assert gate.calls == 1
    assert not again.done()
    again.cancel()


async def test_a_newer_attempt_supersedes_the_older(open_desk: OpenDesk) -> None:
    """The older is cancelled and what it still gives is dropped; an older one that comes late is not started."""
    gate = Gate()
    desk = open_desk(gate.body())
    first = asyncio.create_task(desk.exchange(work("wait", "old", attempt=1)))
    await turns()
    second = asyncio.create_task(desk.exchange(work("wait", "new", attempt=2)))
    await first
    third = asyncio.create_task(desk.exchange(work("wait", "late", attempt=1)))
    await second
    gate.open.set()
    (finished,) = (await third).reports
    assert isinstance(finished, Finished)
    assert (finished.attempt, finished.outcome) == (2, Succeeded(output="new"))
    await turns()
    assert gate.was_cancelled
    assert gate.calls == 2


async def test_an_exchange_of_an_older_epoch_does_nothing(open_desk: OpenDesk) -> None:
    """A runtime that lost its place cannot start or stop anything here."""
    gate = Gate()
    desk = open_desk(gate.body())
    newer = Desk(desk.executor, epoch=2)
    newer.attach()
    assert (await desk.exchange(work("wait"))).is_stale
    await turns()
    assert gate.calls == 0
    assert newer.attach().running == ()


async def test_an_old_runtimes_open_exchange_takes_no_reports_from_the_new_one(open_desk: OpenDesk) -> None:
    """What waits is answered as stale when a newer epoch attaches."""
    gate = Gate()
    old = open_desk(gate.body())
    polling = asyncio.create_task(old.exchange(work("wait", 7)))
    await turns()
    new = Desk(old.executor, epoch=2)
    assert new.attach().running == (at("wait"),)
    assert (await polling).is_stale
    gate.open.set()
    (finished,) = (await new.exchange()).reports
    assert isinstance(finished, Finished)
    assert (finished.outcome, gate.calls) == (Succeeded(output=7), 1)


async def test_durable_reports_are_told_again_until_acknowledged(open_desk: OpenDesk) -> None:
    """A runtime that restarts gets every outcome it had not made durable; ephemeral chunks are gone."""

    async def tell(value: Any, ctx: StepContext) -> Any:
        ctx.write("passing")
        return value

    first = open_desk(body_of(tell, takes_context=True))
    reply = await first.exchange(work("tell", 1, path="a"), work("tell", 2, path="b"))
    assert reply.number == 4
    second = Desk(first.executor, epoch=2)
    attached = second.attach()
    assert attached.number == 4
    assert [report.path for report in attached.reports] == ["a", "b"]
    waiting = asyncio.create_task(second.exchange(acked=3))
    await turns()
    assert [report.path for report in second.attach().reports] == ["b"]
    waiting.cancel()
    waiting = asyncio.create_task(second.exchange(acked=4))
    await turns()
    assert second.attach().reports == ()
    waiting.cancel()


async def test_an_outcome_from_the_time_without_a_runtime_is_told_to_the_next(open_desk: OpenDesk) -> None:
    """A runtime's crash repeats nothing that is still in flight: the next one hears of it when it attaches.

    Told only by the first exchange after that, the attempt would be taken for a lost one.
    """
    gate = Gate()
    old = open_desk(gate.body())
    polling = asyncio.create_task(old.exchange(work("wait", 7)))
    await turns()
    polling.cancel()
    await turns()
    gate.open.set()
    await turns()
    new = Desk(old.executor, epoch=2)
    attached = new.attach()
    assert (attached.running, attached.number) == ((), 1)
    (finished,) = attached.reports
    assert isinstance(finished, Finished)
    assert finished.outcome == Succeeded(output=7)
    assert new.attach().reports == (finished,)


async def test_chunks_without_a_runtime_are_bounded(open_desk: OpenDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that nobody listens to does not grow; outcomes are never dropped."""
    monkeypatch.setattr(outbox, "MAX_WAITING_CHUNKS", 5)

    async def tell(_: Any, ctx: StepContext) -> None:
        for n in range(50):
            ctx.write(n)

    desk = open_desk(body_of(tell, takes_context=True))
    await desk.finish(work("tell"))
    assert [report.data for report in desk.reports if isinstance(report, Chunk)] == [0, 1, 2, 3, 4]
    assert isinstance(desk.reports[-1], Finished)
    desk.acked = 6
    await desk.finish(work("tell", path="b"))
    assert len(desk.reports) == 12
