"""What an executor and a runtime owe each other: batches, numbers, acknowledgements, epochs, cancels."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from greenroom.actors import outbox
from greenroom.actors.executor import AttemptLostError, Executor
from greenroom.runtime.contracts.entries import Failed, Outcome, Parked, Succeeded
from greenroom.runtime.contracts.errors import NotFound
from greenroom.runtime.contracts.plan import StepOptions
from greenroom.runtime.contracts.work import Answer, AttemptId, Call, CallAnswer, Chunk, Finished, Lost, WorkItem
from greenroom.runtime.definitions.body import Body
from greenroom.runtime.definitions.context import StepContext
from tests.actors.desk import Desk, body_of, turns, work

Open = Callable[..., Desk]


@pytest.fixture
async def open_desk() -> AsyncIterator[Open]:
    """Gives desks over executors of the given bodies; closes the executors at the end."""
    opened: list[Executor] = []

    def open_one(*bodies: Body, **options: Any) -> Desk:
        executor = Executor({body.key: body for body in bodies}, **options)
        opened.append(executor)
        desk = Desk(executor)
        desk.attach()
        return desk

    yield open_one
    for executor in opened:
        await executor.close()


class Gate:
    """A body that waits until it is let through, and counts its calls."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.calls = 0
        self.was_cancelled = False
        self.contexts: list[StepContext] = []

    async def wait(self, value: Any, ctx: StepContext) -> Any:
        self.calls += 1
        self.contexts.append(ctx)
        try:
            await self.open.wait()
        except asyncio.CancelledError:
            self.was_cancelled = True
            raise
        return value

    def body(self) -> Body:
        return Body(key="wait", function=self.wait, is_async=True, takes_context=True)


async def echo(value: Any) -> Any:
    return value


def at(path: str, attempt: int = 1) -> AttemptId:
    return AttemptId(run_id="run-1", path=path, attempt=attempt)


async def test_everything_that_is_ready_leaves_in_one_reply(open_desk: Open) -> None:
    """A batch of bodies that do not wait costs one exchange."""
    reply = await open_desk(body_of(echo)).exchange(*(work("echo", n, path=f"p[{n}]") for n in range(50)))
    assert len(reply.reports) == 50
    assert reply.number == 50


async def test_a_waiting_exchange_takes_what_a_newer_one_brings_and_finishes_at_once(open_desk: Open) -> None:
    """News go to the oldest exchange that waits."""
    desk = open_desk(body_of(echo))
    older = asyncio.create_task(desk.exchange())
    await turns()
    newer = asyncio.create_task(desk.exchange(work("echo", 1)))
    assert [type(report) for report in (await older).reports] == [Finished]
    await turns()
    assert not newer.done()
    newer.cancel()


async def test_a_waiting_exchange_makes_room_for_a_newer_one(open_desk: Open) -> None:
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


async def test_an_exchange_without_news_is_answered_empty(open_desk: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """A long poll ends before any transport gives up on it."""
    monkeypatch.setattr(outbox, "POLL_MIN_S", 0.0)
    monkeypatch.setattr(outbox, "POLL_MAX_S", 0.01)
    reply = await open_desk().exchange()
    assert (reply.number, reply.reports, reply.is_stale) == (0, (), False)


async def test_numbers_have_no_gaps(open_desk: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks are numbered as outcomes are, over as many replies as it takes."""
    monkeypatch.setattr(outbox, "MAX_REPORTS", 3)

    async def tell(_: Any, ctx: StepContext) -> None:
        for n in range(6):
            ctx.write(n)

    desk = open_desk(body_of(tell, takes_context=True))
    replies = [await desk.exchange(work("tell")), await desk.exchange(), await desk.exchange()]
    assert [(reply.number, len(reply.reports)) for reply in replies] == [(3, 3), (6, 3), (7, 1)]


async def test_a_duplicate_dispatch_is_ignored(open_desk: Open) -> None:
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


async def test_a_newer_attempt_supersedes_the_older(open_desk: Open) -> None:
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


async def test_a_cancelled_attempt_reports_nothing(open_desk: Open) -> None:
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


async def test_a_cancelled_thread_is_told_and_not_reported(open_desk: Open) -> None:
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


async def test_a_cancel_of_an_earlier_attempt_leaves_the_newer_alone(open_desk: Open) -> None:
    """A cancel names the attempt it means."""
    gate = Gate()
    desk = open_desk(gate.body())
    polling = asyncio.create_task(desk.exchange(work("wait", attempt=2)))
    cancelling = asyncio.create_task(desk.exchange(cancels=(at("wait", 1),)))
    await polling
    gate.open.set()
    assert len((await cancelling).reports) == 1


async def test_an_exchange_of_an_older_epoch_does_nothing(open_desk: Open) -> None:
    """A runtime that lost its place cannot start or stop anything here."""
    gate = Gate()
    desk = open_desk(gate.body())
    newer = Desk(desk.executor, epoch=2)
    newer.attach()
    assert (await desk.exchange(work("wait"))).is_stale
    await turns()
    assert gate.calls == 0
    assert newer.attach().running == ()


async def test_an_old_runtimes_open_exchange_takes_no_reports_from_the_new_one(open_desk: Open) -> None:
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


async def test_durable_reports_are_told_again_until_acknowledged(open_desk: Open) -> None:
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


async def test_an_outcome_from_the_time_without_a_runtime_is_told_to_the_next(open_desk: Open) -> None:
    """A runtime's crash repeats nothing that is still in flight."""
    gate = Gate()
    old = open_desk(gate.body())
    polling = asyncio.create_task(old.exchange(work("wait", 7)))
    await turns()
    polling.cancel()
    await turns()
    gate.open.set()
    await turns()
    new = Desk(old.executor, epoch=2)
    assert new.attach().running == ()
    assert len((await new.exchange()).reports) == 1


async def test_chunks_without_a_runtime_are_bounded(open_desk: Open, monkeypatch: pytest.MonkeyPatch) -> None:
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


async def test_a_durable_chunk_returns_when_it_is_acknowledged(open_desk: Open) -> None:
    """The body goes on only after the chunk is in the journal."""

    async def tell(_: Any, ctx: StepContext) -> str:
        await ctx.write({"n": 1}, durable=True)
        return "written"

    desk = open_desk(body_of(tell, takes_context=True))
    (chunk,) = (await desk.exchange(work("tell"))).reports
    assert isinstance(chunk, Chunk)
    assert chunk.durable
    (finished,) = (await desk.exchange(acked=1)).reports
    assert isinstance(finished, Finished)
    assert finished.outcome == Succeeded(output="written")


async def test_a_call_waits_for_its_answer(open_desk: Open) -> None:
    """The body's call is reported with its path segment, and the answer is what the call returns."""

    async def ask(_: Any, ctx: StepContext) -> Any:
        first = await ctx.agent("writer").generate("one", temperature=0)
        second = await ctx.agent("writer").generate("two")
        return [first, second]

    desk = open_desk(body_of(ask, takes_context=True))
    (call,) = (await desk.exchange(work("ask"))).reports
    assert call == Call(
        run_id="run-1",
        path="ask",
        attempt=1,
        name="writer",
        kind="agent",
        target="writer",
        input="one",
        options={"temperature": 0},
    )
    answer = CallAnswer(run_id="run-1", path="ask", attempt=1, name="writer", answer=Answer(status="ok", output="1"))
    (second,) = (await desk.exchange(answers=(answer,))).reports
    assert isinstance(second, Call)
    assert second.name == "writer#2"
    again = CallAnswer(run_id="run-1", path="ask", attempt=1, name="writer#2", answer=Answer(status="ok", output="2"))
    (finished,) = (await desk.exchange(answers=(answer, again))).reports
    assert isinstance(finished, Finished)
    assert finished.outcome == Succeeded(output=["1", "2"])


async def test_a_call_that_fails_raises_and_one_that_is_parked_parks(open_desk: Open) -> None:
    """A body may catch the child's error; it cannot hold on to a child that is suspended."""

    async def ask(_: Any, ctx: StepContext) -> Any:
        try:
            return await ctx.tool("search").execute({"q": 1})
        except NotFound as error:
            return error.facts

    def answer(path: str, answer: Answer) -> CallAnswer:
        return CallAnswer(run_id="run-1", path=path, attempt=1, name="search", answer=answer)

    desk = open_desk(body_of(ask, takes_context=True))
    await desk.exchange(work("ask", path="a"), work("ask", path="b"))
    failed = Answer(status="error", error=NotFound("no tool", {"id": "search"}).to_json())
    reply = await desk.exchange(answers=(answer("a", failed), answer("b", Answer(status="parked"))))
    outcomes = {report.path: report.outcome for report in reply.reports if isinstance(report, Finished)}
    assert outcomes == {"a": Succeeded(output={"id": "search"}), "b": Parked()}


async def test_an_open_call_is_told_again_to_the_next_runtime(open_desk: Open) -> None:
    """A call that was not durable yet is not lost with the runtime, and its body waits on."""

    async def ask(_: Any, ctx: StepContext) -> Any:
        return await ctx.workflow("inner").run({"n": 1})

    old = open_desk(body_of(ask, takes_context=True))
    await old.exchange(work("ask"))
    new = Desk(old.executor, epoch=2)
    attached = new.attach()
    assert [type(report) for report in attached.reports] == [Call]
    answer = CallAnswer(run_id="run-1", path="ask", attempt=1, name="inner", answer=Answer(status="ok", output=5))
    (finished,) = (await new.exchange(answers=(answer,), acked=attached.number)).reports
    assert isinstance(finished, Finished)
    assert finished.outcome == Succeeded(output=5)


class ElsewhereTasks:
    """Tasks of another process, by hand."""

    def __init__(self, result: Outcome | Exception) -> None:
        self.result = result
        self.items: list[WorkItem] = []

    async def run(self, item: WorkItem, *_: Any) -> tuple[Outcome, dict[str, Any]]:
        self.items.append(item)
        if isinstance(self.result, Exception):
            raise self.result
        return self.result, {"k": 1}


async def test_bodies_that_ask_for_resources_run_as_tasks(open_desk: Open) -> None:
    """Others stay here; the task's outcome and state are reported as if it had run here."""
    tasks = ElsewhereTasks(Succeeded(output="there"))
    desk = open_desk(body_of(echo), tasks=tasks)
    (finished,) = await desk.finish(work("echo", options=StepOptions(num_cpus=2)))
    assert (finished.outcome, finished.patch) == (Succeeded(output="there"), {"k": 1})
    assert await desk.outcome(work("echo", "here", path="b")) == Succeeded(output="here")
    assert len(tasks.items) == 1


async def test_a_task_whose_process_died_is_reported_lost(open_desk: Open) -> None:
    """There is no outcome to tell; whatever else went wrong there is the attempt's failure."""
    desk = open_desk(body_of(echo), tasks=ElsewhereTasks(AttemptLostError()))
    (lost,) = (await desk.exchange(work("echo", options=StepOptions(num_gpus=1)))).reports
    assert lost == Lost(run_id="run-1", path="echo", attempt=1)
    assert desk.attach().reports == (lost,)
    broken = open_desk(body_of(echo), tasks=ElsewhereTasks(ImportError("no module")))
    assert isinstance(await broken.outcome(work("echo", options=StepOptions(num_gpus=1))), Failed)
