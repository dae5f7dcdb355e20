"""How an executor runs bodies of every kind, and what it makes of what they return or raise."""

import asyncio
import contextvars
import threading
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pydantic
import pytest

from greenroom.actors.executor import Executor
from greenroom.runtime.contracts.entries import (
    Aborted,
    Bailed,
    ErrorInfo,
    Failed,
    Outcome,
    Parked,
    Succeeded,
    SuspendedHere,
)
from greenroom.runtime.contracts.errors import NotFound
from greenroom.runtime.contracts.values import MAX_INLINE_BYTES, find_blob
from greenroom.runtime.contracts.work import Answer, Began, Chunk
from greenroom.runtime.definitions.body import Body
from greenroom.runtime.definitions.context import StepContext
from tests.actors.desk import Desk, MemoryBlobs, body_of, quick, work

Open = Callable[..., Desk]


@pytest.fixture
async def open_desk() -> AsyncIterator[Open]:
    """Gives desks over executors of the given bodies; closes the executors at the end."""
    opened: list[Executor] = []

    def open_one(*bodies: Body, scope: dict[str, Any] | None = None, **options: Any) -> Desk:
        executor = Executor({body.key: body for body in bodies}, **options)
        opened.append(executor)
        desk = Desk(executor, **(scope or {}))
        desk.attach()
        return desk

    yield open_one
    for executor in opened:
        await executor.close()


def error_of(outcome: Outcome) -> ErrorInfo:
    assert isinstance(outcome, Failed)
    return outcome.error


async def test_an_async_body_gets_its_input_and_its_output_is_reported(open_desk: Open) -> None:
    """What the body returns is the attempt's output, with the time it took."""

    async def double(value: int) -> int:
        return value * 2

    (finished,) = await open_desk(body_of(double)).finish(work("double", 21))
    assert finished.outcome == Succeeded(output=42)
    assert finished.ended_at >= finished.started_at > 0


async def test_a_sync_body_runs_in_a_thread_with_the_context_variables(open_desk: Open) -> None:
    """The loop is never blocked by a plain function, and what it does is seen by its own context only."""
    mark = contextvars.ContextVar("mark", default="unset")

    def where(_: Any) -> list[Any]:
        before = mark.get()
        mark.set("changed")
        return [threading.current_thread() is threading.main_thread(), before]

    desk = open_desk(body_of(where), max_threads=1)
    assert await desk.outcome(work("where")) == Succeeded(output=[False, "unset"])
    assert await desk.outcome(work("where", path="again")) == Succeeded(output=[False, "unset"])


async def test_threads_are_bounded(open_desk: Open) -> None:
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


async def test_conditions_and_approvals_give_booleans(open_desk: Open) -> None:
    """Any truthy value counts as true."""

    async def items(value: Any) -> Any:
        return value

    desk = open_desk(body_of(items))
    assert await desk.outcome(work("items", [1], kind="condition")) == Succeeded(output=True)
    assert await desk.outcome(work("items", [], kind="condition", path="b")) == Succeeded(output=False)
    assert await desk.outcome(work("items", "", kind="approval", path="c")) == Succeeded(output=False)


async def test_an_approval_that_raises_means_ask(open_desk: Open) -> None:
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
async def test_a_duration_is_seconds_or_a_time(open_desk: Open, given: Any, told: Any) -> None:
    """Seconds, timedeltas, datetimes and ISO times are understood; times are told in UTC."""

    async def when(_: Any) -> Any:
        return given

    assert await open_desk(body_of(when)).outcome(work("when", kind="duration")) == Succeeded(output=told)


@pytest.mark.parametrize("given", [None, True, "soon", [1]])
async def test_a_duration_that_is_neither_fails(open_desk: Open, given: Any) -> None:
    """The failure is the body's own, not the worker's."""

    async def when(_: Any) -> Any:
        return given

    assert isinstance(await open_desk(body_of(when)).outcome(work("when", kind="duration")), Failed)


async def test_reconcile_gets_the_key(open_desk: Open) -> None:
    """The hook is asked by the idempotency key of the attempt in doubt."""

    async def look(key: str) -> dict[str, Any]:
        return {"outcome": "done", "output": key}

    outcome = await open_desk(body_of(look)).outcome(work("look", kind="reconcile", path="pay"))
    assert outcome == Succeeded(output={"outcome": "done", "output": "run-1:pay"})


async def test_began_is_told_for_a_body_with_a_time_limit(open_desk: Open) -> None:
    """The runtime starts the clock of a limit when the body begins, in the loop as in a thread."""

    async def one(_: Any) -> None: ...
    def two(_: Any) -> None: ...

    desk = open_desk(body_of(one), body_of(two))
    await desk.finish(work("one", options=quick()), work("two", options=quick()))
    await desk.finish(work("one", path="without"))
    began = [report.path for report in desk.reports if isinstance(report, Began)]
    assert sorted(began) == ["one", "two"]


async def test_the_kth_suspend_returns_the_kth_resume(open_desk: Open) -> None:
    """A body that is resumed runs from its start; suspends that have their data go on, the next one parks."""

    async def ask(_: Any, ctx: StepContext) -> list[Any]:
        return [await ctx.suspend({"ask": n}, label=f"l{n}", timeout_s=n) for n in range(2)]

    desk = open_desk(body_of(ask, takes_context=True))
    assert await desk.outcome(work("ask")) == SuspendedHere(payload={"ask": 0}, label="l0", timeout_s=0.0)
    second = await desk.outcome(work("ask", attempt=2, resumes=("yes",)))
    assert second == SuspendedHere(payload={"ask": 1}, label="l1", timeout_s=1.0)
    assert await desk.outcome(work("ask", attempt=3, resumes=("yes", None))) == Succeeded(output=["yes", None])


async def test_a_sync_body_suspends_too(open_desk: Open) -> None:
    """The signal crosses from the thread."""

    def ask(_: Any, ctx: StepContext) -> None:
        ctx.suspend("?")

    assert await open_desk(body_of(ask, takes_context=True)).outcome(work("ask")) == SuspendedHere(payload="?")


async def test_a_suspend_inside_a_task_group_is_found(open_desk: Open) -> None:
    """A task group wraps what leaves its tasks; the body is parked all the same."""

    async def ask(_: Any, ctx: StepContext) -> None:
        async def inner() -> None:
            await ctx.suspend("?")

        async with asyncio.TaskGroup() as group:
            group.create_task(inner())

    assert await open_desk(body_of(ask, takes_context=True)).outcome(work("ask")) == SuspendedHere(payload="?")


async def test_bail_and_abort_end_the_body(open_desk: Open) -> None:
    """A user's `except Exception` does not swallow them."""

    async def leave(how: str, ctx: StepContext) -> None:
        try:
            ctx.bail({"done": 1}) if how == "bail" else ctx.abort()
        except Exception:  # noqa: BLE001 - as a careless user would
            raise AssertionError from None

    desk = open_desk(body_of(leave, takes_context=True))
    assert await desk.outcome(work("leave", "bail")) == Bailed(result={"done": 1})
    assert await desk.outcome(work("leave", "abort", path="b")) == Aborted()


async def test_what_a_body_sets_in_the_state_comes_with_its_outcome(open_desk: Open) -> None:
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


async def test_an_error_keeps_type_message_attributes_and_causes(open_desk: Open) -> None:
    """What JSON can say of an exception is kept, private and unserialisable attributes are left out."""

    class CardDeclined(Exception):
        def __init__(self, message: str) -> None:
            super().__init__(message)
            self.reason = "limit"
            self.limit = {"eur": 100}
            self.handle = object()
            self._secret = "x"

    async def pay(_: Any) -> None:
        try:
            try:
                try:
                    raise KeyError("account")  # noqa: TRY301 - a chain is under test
                except KeyError:
                    raise LookupError("no account")  # noqa: B904 - the implicit context is under test
            except LookupError as inner:
                raise RuntimeError("gateway") from inner
        except RuntimeError as inner:
            raise CardDeclined("declined") from inner

    error = error_of(await open_desk(body_of(pay)).outcome(work("pay")))
    assert (error.type, error.message, error.attributes) == (
        "CardDeclined",
        "declined",
        {"reason": "limit", "limit": {"eur": 100}},
    )
    chain = []
    link: ErrorInfo | None = error
    while link is not None:
        chain.append(link.type)
        link = link.cause
    assert chain == ["CardDeclined", "RuntimeError", "LookupError", "KeyError"]


async def test_a_suppressed_context_is_no_cause(open_desk: Open) -> None:
    """`raise … from None` hides what came before."""

    async def hide(_: Any) -> None:
        try:
            raise KeyError("inner")  # noqa: TRY301 - a chain is under test
        except KeyError:
            raise ValueError("outer") from None

    assert error_of(await open_desk(body_of(hide)).outcome(work("hide"))).cause is None


async def test_own_errors_keep_code_and_facts(open_desk: Open) -> None:
    """An error of the library is known by its code on the other side."""

    async def find(_: Any) -> None:
        raise NotFound("no thread t-1", {"thread": "t-1"})

    error = error_of(await open_desk(body_of(find)).outcome(work("find")))
    assert (error.code, error.attributes) == ("not_found", {"thread": "t-1"})


async def test_retry_on_decides_what_may_be_repeated(open_desk: Open) -> None:
    """Without it every exception may; with it only those it names."""

    async def fail(name: str) -> None:
        raise {"os": ConnectionError, "value": ValueError}[name]("x")

    narrow = body_of(fail, retry_on=(OSError,))
    desk = open_desk(narrow)
    assert error_of(await desk.outcome(work("fail", "os"))).retryable
    assert not error_of(await desk.outcome(work("fail", "value", path="b"))).retryable
    assert error_of(await open_desk(body_of(fail)).outcome(work("fail", "value"))).retryable


async def test_input_that_does_not_fit_is_not_retryable_and_lists_its_fields(open_desk: Open) -> None:
    """Another attempt gets the same input."""

    class Order(pydantic.BaseModel):
        amount: int
        name: str

    async def take(order: Order) -> int:
        return order.amount

    desk = open_desk(body_of(take, input_type=Order))
    error = error_of(await desk.outcome(work("take", {"amount": "many"})))
    assert (error.code, error.retryable, len(error.attributes["issues"])) == ("invalid_input", False, 2)
    assert await desk.outcome(work("take", {"amount": 1, "name": "n"}, path="b")) == Succeeded(output=1)


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), asyncio.CancelledError(), StopIteration()])
@pytest.mark.parametrize("is_async", [True, False])
async def test_nothing_a_body_raises_ends_the_worker(open_desk: Open, error: BaseException, is_async: bool) -> None:
    """`sys.exit` in a step fails that step, and the worker goes on."""

    async def leave(_: Any) -> None:
        raise error

    def leave_thread(_: Any) -> None:
        raise error

    async def fine(_: Any) -> str:
        return "here"

    body = body_of(leave if is_async else leave_thread)
    desk = open_desk(body, body_of(fine))
    assert isinstance(await desk.outcome(work(body.key)), Failed)
    assert await desk.outcome(work("fine")) == Succeeded(output="here")


async def test_output_that_cannot_travel_fails_its_own_attempt_only(open_desk: Open) -> None:
    """A value that is no JSON, and an integer beyond 64 bits, are told as this body's failure."""

    async def give(what: str) -> Any:
        return {"object": object(), "big": 2**80, "fine": 1}[what]

    desk = open_desk(body_of(give))
    outcomes = {
        report.path: report.outcome
        for report in await desk.finish(*(work("give", what, path=what) for what in ("object", "big", "fine")))
    }
    assert isinstance(outcomes["object"], Failed)
    assert isinstance(outcomes["big"], Failed)
    assert outcomes["fine"] == Succeeded(output=1)


async def test_unknown_code_fails_the_attempt_and_names_it(open_desk: Open) -> None:
    """A plan that does not fit the code is told, and not repeated."""
    error = error_of(await open_desk().outcome(work("gone")))
    assert "gone" in error.message
    assert not error.retryable


async def test_chunks_come_before_the_outcome_in_order(open_desk: Open) -> None:
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


async def test_an_answered_call_is_not_made_again(open_desk: Open) -> None:
    """A body that runs again after its child has ended gets the child's result, error, or parking at once."""

    async def ask(_: Any, ctx: StepContext) -> Any:
        return await ctx.agent("writer").generate("hello")

    desk = open_desk(body_of(ask, takes_context=True))
    known = {"writer": Answer(status="ok", output="text")}
    assert await desk.outcome(work("ask", calls=known)) == Succeeded(output="text")
    parked = {"writer": Answer(status="parked")}
    assert await desk.outcome(work("ask", path="b", calls=parked)) == Parked()
    error = Answer(status="error", error=NotFound("no agent", {"id": "writer"}).to_json())
    assert error_of(await desk.outcome(work("ask", path="c", calls={"writer": error}))).code == "not_found"


async def test_binary_and_large_values_stand_as_references(open_desk: Open) -> None:
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


async def test_an_arrow_table_passes_between_bodies(open_desk: Open) -> None:
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


async def test_without_a_blob_store_a_binary_value_is_refused(open_desk: Open) -> None:
    """The failure says what is missing."""

    async def make(_: Any) -> bytes:
        return b"x"

    assert error_of(await open_desk(body_of(make)).outcome(work("make"))).code == "storage_error"
