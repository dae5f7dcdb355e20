"""How an executor runs bodies of every kind, and what it makes of what they return."""

import asyncio
import contextvars
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from greenroom.runtime.contracts.entries import (
    Aborted,
    Bailed,
    Failed,
    Parked,
    Succeeded,
    SuspendedHere,
)
from greenroom.runtime.contracts.errors import NotFound
from greenroom.runtime.contracts.values import MAX_INLINE_BYTES, find_blob
from greenroom.runtime.contracts.work import Answer, Began, Chunk
from greenroom.runtime.definitions.context import StepContext
from tests.actors.desk import MemoryBlobs, OpenDesk, body_of, error_of, quick, work


async def test_an_async_body_gets_its_input_and_its_output_is_reported(open_desk: OpenDesk) -> None:
    """What the body returns is the attempt's output, with the time it took."""

    async def double(value: int) -> int:
        return value * 2

    (finished,) = await open_desk(body_of(double)).finish(work("double", 21))
    assert finished.outcome == Succeeded(output=42)
    assert finished.ended_at >= finished.started_at > 0


async def test_a_sync_body_runs_in_a_thread_with_the_context_variables(open_desk: OpenDesk) -> None:
    """The loop is never blocked by a plain function, and what it does is seen by its own context only."""
    mark = contextvars.ContextVar("mark", default="unset")

    def where(_: Any) -> list[Any]:
        before = mark.get()
        mark.set("changed")
        return [threading.current_thread() is threading.main_thread(), before]

    desk = open_desk(body_of(where), max_threads=1)
    assert await desk.outcome(work("where")) == Succeeded(output=[False, "unset"])
    assert await desk.outcome(work("where", path="again")) == Succeeded(output=[False, "unset"])


async def test_threads_are_bounded(open_desk: OpenDesk) -> None:
    """No more sync bodies run at once than the worker has threads; the rest wait and run after."""
    gate, is_full = threading.Event(), threading.Event()
    running: list[int] = []

    def hold(value: int) -> int:
        running.append(value)
        if len(running) == 2:
            is_full.set()
        gate.wait(5)
        return value

    desk = open_desk(body_of(hold), max_threads=2)
    finishing = asyncio.create_task(desk.finish(*(work("hold", n, path=f"hold[{n}]") for n in range(4))))
    assert await asyncio.to_thread(is_full.wait, 5)
    assert len(running) == 2
    gate.set()
    assert len(await finishing) == 4


async def test_conditions_and_approvals_give_booleans(open_desk: OpenDesk) -> None:
    """Any truthy value counts as true."""

    async def items(value: Any) -> Any:
        return value

    desk = open_desk(body_of(items))
    assert await desk.outcome(work("items", [1], kind="condition")) == Succeeded(output=True)
    assert await desk.outcome(work("items", [], kind="condition", path="b")) == Succeeded(output=False)
    assert await desk.outcome(work("items", "", kind="approval", path="c")) == Succeeded(output=False)


async def test_an_approval_that_raises_means_ask(open_desk: OpenDesk) -> None:
    """A rule that cannot decide fails closed: a person is asked."""

    async def rule(_: Any) -> bool:
        raise ValueError("no idea")

    desk = open_desk(body_of(rule))
    assert await desk.outcome(work("rule", kind="approval")) == Succeeded(output=True)
    assert isinstance(await desk.outcome(work("rule", kind="condition", path="b")), Failed)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (3, 3.0),
        (timedelta(minutes=1), 60.0),
        (datetime(2030, 1, 1, tzinfo=UTC), "2030-01-01T00:00:00+00:00"),
        ("2030-01-01T02:00:00+02:00", "2030-01-01T00:00:00+00:00"),
    ],
)
async def test_a_duration_is_seconds_or_a_time(open_desk: OpenDesk, given: Any, told: Any) -> None:
    """Seconds, timedeltas, datetimes and ISO times are understood; times are told in UTC."""

    async def when(_: Any) -> Any:
        return given

    assert await open_desk(body_of(when)).outcome(work("when", kind="duration")) == Succeeded(output=told)


@pytest.mark.parametrize("given", [None, True, "soon", [1]])
async def test_a_duration_that_is_neither_fails(open_desk: OpenDesk, given: Any) -> None:
    """The failure is the body's own, not the worker's."""

    async def when(_: Any) -> Any:
        return given

    assert isinstance(await open_desk(body_of(when)).outcome(work("when", kind="duration")), Failed)


async def test_reconcile_gets_the_key(open_desk: OpenDesk) -> None:
    """The hook is asked by the idempotency key of the attempt in doubt."""

    async def look(key: str) -> dict[str, Any]:
        return {"outcome": "done", "output": key}

    outcome = await open_desk(body_of(look)).outcome(work("look", kind="reconcile", path="pay"))
    assert outcome == Succeeded(output={"outcome": "done", "output": "run-1:pay"})


async def test_began_is_told_for_a_body_with_a_time_limit(open_desk: OpenDesk) -> None:
    """The runtime starts the clock of a limit when the body begins, in the loop as in a thread."""

    async def one(_: Any) -> None: ...
    def two(_: Any) -> None: ...

    desk = open_desk(body_of(one), body_of(two))
    await desk.finish(work("one", options=quick()), work("two", options=quick()))
    await desk.finish(work("one", path="without"))
    began = [report.path for report in desk.reports if isinstance(report, Began)]
    assert sorted(began) == ["one", "two"]


async def test_the_kth_suspend_returns_the_kth_resume(open_desk: OpenDesk) -> None:
    """A body that is resumed runs from its start; suspends that have their data go on, the next one parks."""

    async def ask(_: Any, ctx: StepContext) -> list[Any]:
        return [await ctx.suspend({"ask": n}, label=f"l{n}", timeout_s=n) for n in range(2)]

    desk = open_desk(body_of(ask, takes_context=True))
    assert await desk.outcome(work("ask")) == SuspendedHere(payload={"ask": 0}, label="l0", timeout_s=0.0)
    second = await desk.outcome(work("ask", attempt=2, resumes=("yes",)))
    assert second == SuspendedHere(payload={"ask": 1}, label="l1", timeout_s=1.0)
    assert await desk.outcome(work("ask", attempt=3, resumes=("yes", None))) == Succeeded(output=["yes", None])


async def test_a_sync_body_suspends_too(open_desk: OpenDesk) -> None:
    """The signal crosses from the thread."""

    def ask(_: Any, ctx: StepContext) -> None:
        ctx.suspend("?")

    assert await open_desk(body_of(ask, takes_context=True)).outcome(work("ask")) == SuspendedHere(payload="?")


async def test_a_suspend_inside_a_task_group_is_found(open_desk: OpenDesk) -> None:
    """A task group wraps what leaves its tasks; the body is parked all the same."""

    async def ask(_: Any, ctx: StepContext) -> None:
        async def inner() -> None:
            await ctx.suspend("?")

        async with asyncio.TaskGroup() as group:
            group.create_task(inner())

    assert await open_desk(body_of(ask, takes_context=True)).outcome(work("ask")) == SuspendedHere(payload="?")


async def test_bail_and_abort_end_the_body(open_desk: OpenDesk) -> None:
    """A user's `except Exception` does not swallow them."""

    async def leave(how: str, ctx: StepContext) -> None:
        try:
            ctx.bail({"done": 1}) if how == "bail" else ctx.abort()
        except Exception:  # noqa: BLE001 - as a careless user would
            raise AssertionError from None

    desk = open_desk(body_of(leave, takes_context=True))
    assert await desk.outcome(work("leave", "bail")) == Bailed(result={"done": 1})
    assert await desk.outcome(work("leave", "abort", path="b")) == Aborted()


async def test_what_a_body_sets_in_the_state_comes_with_its_outcome(open_desk: OpenDesk) -> None:
    """Also when it suspends; not when it fails."""

    async def put(how: str, ctx: StepContext) -> None:
        ctx.set_state({"seen": ctx.state["n"] + 1})
        if how == "suspend":
            await ctx.suspend()
        if how == "fail":
            raise ValueError

    desk = open_desk(body_of(put, takes_context=True), scope={"state": {"n": 1}})
    patches = [(await desk.finish(work("put", how, path=how)))[0].patch for how in ("return", "suspend", "fail")]
    assert patches == [{"seen": 2}, {"seen": 2}, {}]


async def test_chunks_come_before_the_outcome_in_order(open_desk: OpenDesk) -> None:
    """What a body writes reaches the runtime in the order it was written, from the loop and from threads."""

    async def tell(_: Any, ctx: StepContext) -> None:
        ctx.write({"n": 1})
        ctx.write({"n": 2})

    def tell_thread(_: Any, ctx: StepContext) -> None:
        ctx.write({"n": 1})
        ctx.write({"n": 2})

    for body in (body_of(tell, takes_context=True), body_of(tell_thread, takes_context=True)):
        desk = open_desk(body)
        await desk.finish(work(body.key))
        assert [report.data for report in desk.reports if isinstance(report, Chunk)] == [{"n": 1}, {"n": 2}]
        assert len(desk.reports) == 3


async def test_an_answered_call_is_not_made_again(open_desk: OpenDesk) -> None:
    """A body that runs again after its child has ended gets the child's result, error, or parking at once."""

    async def ask(_: Any, ctx: StepContext) -> Any:
        return await ctx.agent("writer").generate("hello")

    desk = open_desk(body_of(ask, takes_context=True))
    known = {"writer": Answer(status="ok", output="text")}
    assert await desk.outcome(work("ask", calls=known)) == Succeeded(output="text")
    parked = {"writer": Answer(status="parked")}
    assert await desk.outcome(work("ask", path="b", calls=parked)) == Parked(on="writer")
    error = Answer(status="error", error=NotFound("no agent", {"id": "writer"}).to_json())
    assert error_of(await desk.outcome(work("ask", path="c", calls={"writer": error}))).code == "not_found"


async def test_binary_and_large_values_stand_as_references(open_desk: OpenDesk) -> None:
    """Bytes and large JSON are stored once and come back as they were, also inside lists and objects."""

    async def make(what: str) -> Any:
        return {"bytes": b"\x00\xff", "nested": {"files": [b"a", b"b"]}, "large": "x" * MAX_INLINE_BYTES}[what]

    async def measure(value: Any) -> Any:
        return [type(value).__name__, len(value)] if not isinstance(value, dict) else [len(value["files"][0])]

    blobs = MemoryBlobs()
    desk = open_desk(body_of(make), body_of(measure), blobs=blobs)
    told: dict[str, Any] = {}
    for what in ("bytes", "nested", "large"):
        made = await desk.outcome(work("make", what, path=what))
        assert isinstance(made, Succeeded)
        read = await desk.outcome(work("measure", made.output, path=f"read-{what}"))
        assert isinstance(read, Succeeded)
        told[what] = read.output
        if what != "nested":
            assert find_blob(made.output) is not None
    assert told == {"bytes": ["bytes", 2], "nested": [1], "large": ["str", MAX_INLINE_BYTES]}
    assert len(blobs.stored) == 4


async def test_an_arrow_table_passes_between_bodies(open_desk: OpenDesk) -> None:
    """A table is stored as an Arrow stream and arrives as a table."""
    pa = pytest.importorskip("pyarrow")

    async def make(_: Any) -> Any:
        return pa.table({"n": list(range(1000))})

    async def total(table: Any) -> int:
        return int(sum(table.column("n").to_pylist()))

    desk = open_desk(body_of(make), body_of(total), blobs=MemoryBlobs())
    made = await desk.outcome(work("make"))
    assert isinstance(made, Succeeded)
    reference = find_blob(made.output)
    assert reference is not None
    assert reference.kind == "arrow"
    assert await desk.outcome(work("total", made.output)) == Succeeded(output=499500)
