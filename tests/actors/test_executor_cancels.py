"""Cancels: whom they reach, and what is not reported afterwards."""

import asyncio
import threading
from typing import Any

from greenroom.actors.executor import EARLY_CANCEL_S
from greenroom.runtime.definitions.context import StepContext
from tests.actors.desk import Gate, OpenDesk, at, body_of, echo, turns, work


async def test_a_cancelled_attempt_reports_nothing(open_desk: OpenDesk) -> None:
    """Its context is told, its task is cancelled, and its place is free."""
    gate = Gate()
    desk = open_desk(gate.body(), body_of(echo))
    polling = asyncio.create_task(desk.exchange(work("wait")))
    await turns()
    other = asyncio.create_task(desk.exchange(cancels=(at("wait"),)))
    await turns()
    assert gate.was_cancelled
    assert gate.contexts[0].cancelled.is_set()
    assert desk.attach().running == ()
    polling.cancel()
    other.cancel()
    await turns()
    reply = await desk.exchange(work("echo", 1))
    assert [report.path for report in reply.reports] == ["echo"]


async def test_a_cancelled_thread_is_told_and_not_reported(open_desk: OpenDesk) -> None:
    """A thread cannot be stopped: it sees `ctx.cancelled`, and what it returns is dropped."""
    started, told = threading.Event(), threading.Event()

    def dig(_: Any, ctx: StepContext) -> str:
        started.set()
        while not ctx.cancelled.is_set():
            threading.Event().wait(0.005)
        ctx.write("late")
        told.set()
        return "late"

    desk = open_desk(body_of(dig, takes_context=True))
    polling = asyncio.create_task(desk.exchange(work("dig")))
    assert await asyncio.to_thread(started.wait, 5)
    cancelling = asyncio.create_task(desk.exchange(cancels=(at("dig"),)))
    assert (await polling).reports == ()
    assert await asyncio.to_thread(told.wait, 5)
    await turns()
    assert not cancelling.done()
    cancelling.cancel()


async def test_a_cancel_of_an_earlier_attempt_leaves_the_newer_alone(open_desk: OpenDesk) -> None:
    """A cancel names the attempt it means."""
    gate = Gate()
    desk = open_desk(gate.body())
    polling = asyncio.create_task(desk.exchange(work("wait", attempt=2)))
    cancelling = asyncio.create_task(desk.exchange(cancels=(at("wait", 1),)))
    await polling
    gate.open.set()
    assert len((await cancelling).reports) == 1


async def test_a_cancel_that_overtakes_its_attempt_still_counts(open_desk: OpenDesk) -> None:
    """Exchanges may arrive out of order; a cancel that came long ago means nothing to what is dispatched now."""
    gate = Gate()
    now = 1000.0
    desk = open_desk(gate.body(), clock=lambda: now)
    first = asyncio.create_task(desk.exchange(cancels=(at("wait"), at("late"))))
    await turns()
    second = asyncio.create_task(desk.exchange(work("wait")))
    await first
    assert gate.calls == 0
    assert desk.attach().running == ()
    await second
    now += EARLY_CANCEL_S + 1
    third = asyncio.create_task(desk.exchange(work("wait", path="late")))
    await turns()
    assert gate.calls == 1
    third.cancel()
