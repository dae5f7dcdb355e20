"""Limits, shares and the refusal of too much, in a whole runtime. See docs/limits.md."""

import asyncio
from typing import Any

import pytest

from greenroom import (
    Agent,
    AlreadyClaimed,
    App,
    DefinitionError,
    Limit,
    RateLimited,
    StepContext,
    ToolContext,
    Workflow,
    every,
    step,
    tool,
)
from greenroom.runtime.contracts.entries import Fact
from greenroom.runtime.contracts.plan import LimitPlan
from greenroom.runtime.contracts.work import AttemptId
from greenroom.runtime.host.batch import Batch
from greenroom.runtime.host.book import RunEntry
from tests.host.harness import Harness, calm
from tests.host.scripted_turns import ScriptedTurns, called, said

ONE = {"one": Limit(concurrency=1)}


class Gate:
    """Bodies that stay until they are let go, in the order in which they began."""

    def __init__(self) -> None:
        self.began: list[Any] = []
        self.most = 0
        self.attempts: list[tuple[int, bool]] = []
        self._open: dict[int, asyncio.Event] = {}

    async def body(self, value: Any, ctx: StepContext) -> Any:
        event = self._open[len(self.began)] = asyncio.Event()
        self.began.append(value)
        self.attempts.append((ctx.attempt, ctx.restarted))
        self.most = max(self.most, sum(not event.is_set() for event in self._open.values()))
        await event.wait()
        return value

    def step(self, name: str = "s", **options: Any) -> Any:
        return step(id=name, **options)(self.body)

    async def let_go(self, number: int) -> None:
        self._open[number].set()
        await calm()


def held(gate: Gate, limits: dict[str, Limit] | None = None, **options: Any) -> App:
    """Return an app whose workflow `w` is one gated step under the limit `one`."""
    return App(workflows=[Workflow("w").then(gate.step(limits="one", **options))], limits=limits or ONE)


async def test_no_more_run_at_once_than_the_limit_says() -> None:
    """Over all runs and workers; who waits begins as soon as there is room."""
    gate = Gate()
    app = App(
        workflows=[Workflow("w", input=list[int]).foreach(gate.step(limits="three"), concurrency=8)],
        limits={"three": Limit(concurrency=3)},
    )
    async with Harness(app) as harness:
        runs = [await harness.client.workflow("w").start([1, 2, 3]) for _ in range(4)]
        for number in range(12):
            await calm()
            assert len(gate.began) == min(12, number + 3)
            await gate.let_go(number)
        assert [(await run.result(timeout_s=5)).output for run in runs] == [[1, 2, 3]] * 4
    assert gate.most == 3


async def test_no_more_begin_in_a_time_than_the_rate_says() -> None:
    """Within any window of the length, whatever ends meanwhile."""
    times: list[float] = []

    async def note(value: int) -> int:
        times.append(harness.clock.now())
        return value

    flow = Workflow("w", input=list[int]).foreach(step(limits="slow")(note), concurrency=20)
    async with Harness(App(workflows=[flow], limits={"slow": Limit(rate=5, per_s=60.0)})) as harness:
        run = await harness.client.workflow("w").start(list(range(12)))
        await calm()
        await harness.clock.advance(59.0)
        assert len(times) == 5
        await harness.clock.advance(1.0)
        assert len(times) == 10
        await harness.clock.advance(60.0)
        assert (await run.result(timeout_s=5)).status == "success"
    assert len(times) == 12


async def test_workspaces_share_a_limit_fairly() -> None:
    """A workspace with many runs waiting does not delay another's few."""
    gate = Gate()
    async with Harness(held(gate), weights={"b": 1.0}) as harness:
        for number in range(10):
            await harness.of_workspace("a").workflow("w").start(f"a{number}")
        for number in range(2):
            await harness.of_workspace("b").workflow("w").start(f"b{number}")
        for number in range(5):
            await calm()
            await gate.let_go(number)
    assert sorted(gate.began[1:5]) == ["a1", "a2", "b0", "b1"]


async def test_a_workspace_can_be_limited_to_so_many_bodies() -> None:
    """The limit `workspace` holds for all bodies of each, and the others have theirs."""
    gate = Gate()
    flow = Workflow("w").parallel(gate.step("x"), gate.step("y"), gate.step("z"))
    limits = {"workspace": LimitPlan(concurrency=2, each="workspace")}
    async with Harness(App(workflows=[flow]), limits=limits) as harness:
        await harness.of_workspace("a").workflow("w").start("a")
        await harness.of_workspace("b").workflow("w").start("b")
        await calm()
        assert sorted(gate.began) == ["a", "a", "b", "b"]


async def test_the_higher_priority_begins_first() -> None:
    """That of the step, that of the start, or both."""
    gate = Gate()
    urgent = Workflow("urgent").then(gate.step("u", limits="one", priority=5))
    app = App(workflows=[Workflow("w").then(gate.step(limits="one")), urgent], limits=ONE)
    async with Harness(app) as harness:
        client = harness.client
        await client.workflow("w").start("first")
        await calm()
        await client.workflow("w").start("plain")
        await client.workflow("urgent").start("by step")
        await client.workflow("w").start("by start", priority=7)
        for number in range(4):
            await calm()
            await gate.let_go(number)
    assert gate.began == ["first", "by start", "by step", "plain"]


async def test_who_waits_is_shown_and_can_be_canceled() -> None:
    """The step waits, the run is running; a canceled one never begins, and the next has its place."""
    gate = Gate()
    async with Harness(held(gate)) as harness:
        client = harness.client
        first = await client.workflow("w").start(1)
        await calm()
        second, third = [await client.workflow("w").start(number) for number in (2, 3)]
        await calm()
        shown = await second.get()
        assert (shown.status, shown.steps["s"].status) == ("running", "waiting")
        status = harness.host.status()
        assert (status["limits"]["one"]["running"], status["limits"]["one"]["waiting"]) == (1, 2)
        assert await second.cancel()
        await calm()
        await gate.let_go(0)
        await gate.let_go(1)
        assert [(await run.result(timeout_s=5)).status for run in (first, second, third)] == [
            "success",
            "canceled",
            "success",
        ]
        assert (
            harness.host.status()["limits"]["one"]["running"] == harness.host.status()["limits"]["one"]["waiting"] == 0
        )
    assert gate.began == [1, 3]


async def test_waiting_is_no_attempt_and_survives_any_number_of_restarts() -> None:
    """What waits when the runtime dies begins later as if nothing had been, also with effect once."""
    gate = Gate()
    async with Harness(held(gate, effect="once")) as harness:
        first = await harness.client.workflow("w").start(1)
        await calm()
        second = await harness.client.workflow("w").start(2)
        for _ in range(25):
            await calm()
            await harness.crash()
        await calm()
        assert gate.began == [1]
        await gate.let_go(0)
        await gate.let_go(1)
        assert [(await run.result(timeout_s=5)).output for run in (first, second)] == [1, 2]
    assert gate.attempts == [(1, False), (1, False)]


async def test_a_living_attempt_keeps_its_room_when_the_runtime_dies() -> None:
    """The next runtime counts what workers have in hand before it lets anybody begin."""
    gate = Gate()
    async with Harness(held(gate)) as harness:
        await harness.client.workflow("w").start(1)
        await calm()
        await harness.crash()
        await harness.client.workflow("w").start(2)
        await calm()
        assert gate.began == [1]
        await gate.let_go(0)
        assert gate.began == [1, 2]


async def test_room_is_given_back_by_failures_time_limits_and_deaths() -> None:
    """However an attempt ends, the next may begin."""
    began: list[str] = []

    async def act(value: str) -> str:
        began.append(value)
        if value == "raises":
            raise ValueError(value)
        if value in {"hangs", "dies"} and began.count(value) == 1:
            await asyncio.Event().wait()
        return value

    app = App(workflows=[Workflow("w").then(step(id="s", limits="one", timeout_s=30.0)(act))], limits=ONE)
    async with Harness(app) as harness:
        runs = {}
        for value in ("raises", "hangs", "dies", "last"):
            runs[value] = await harness.client.workflow("w").start(value)
        await calm()
        await harness.clock.advance(31.0)
        assert began == ["raises", "hangs", "dies"]
        await harness.kill_workers()
        await harness.clock.advance(1.0)
        statuses = {value: (await run.result(timeout_s=5)).status.value for value, run in runs.items()}
    assert statuses == {"raises": "failed", "hangs": "failed", "dies": "success", "last": "success"}


async def test_an_attempt_in_doubt_holds_no_room() -> None:
    """A person is asked what became of it, and others go on meanwhile."""
    gate = Gate()
    async with Harness(held(gate, effect="once")) as harness:
        doubtful = await harness.client.workflow("w").start(1)
        await calm()
        await harness.client.workflow("w").start(2)
        await harness.kill_workers()
        await calm()
        assert (await doubtful.get()).status == "suspended"
        assert gate.began == [1, 2]


async def test_a_run_that_cannot_go_on_keeps_nobody_from_beginning(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is wrong with it: those behind it have its room."""
    gate = Gate()
    async with Harness(held(gate)) as harness:
        await harness.client.workflow("w").start(1)
        await calm()
        broken = await harness.client.workflow("w").start(2)
        await harness.client.workflow("w").start(3)
        await calm()
        engine = harness.host._engine
        assert engine is not None
        collect = engine.collect

        def fail(batch: Batch, entry: RunEntry, fact: Fact, extra: Any = ()) -> None:
            if entry.state.run_id == broken.run_id:
                raise RuntimeError("it does not come to rest")
            collect(batch, entry, fact, extra)

        monkeypatch.setattr(engine, "collect", fail)
        await gate.let_go(0)
        assert gate.began == [1, 3]


async def test_a_retry_waits_again_and_holds_no_room_meanwhile() -> None:
    """Between two attempts others begin."""
    began: list[int] = []

    async def act(value: int) -> int:
        began.append(value)
        if began.count(1) == 1 and value == 1:
            raise ValueError(value)
        return value

    app = App(workflows=[Workflow("w").then(step(id="s", limits="one", retries=1, backoff=10.0)(act))], limits=ONE)
    async with Harness(app) as harness:
        runs = [await harness.client.workflow("w").start(number) for number in (1, 2)]
        await calm()
        assert began == [1, 2]
        await harness.clock.advance(11.0)
        assert [(await run.result(timeout_s=5)).output for run in runs] == [1, 2]


async def test_a_suspended_body_holds_no_room_and_waits_for_it_when_resumed() -> None:
    """A person may take a week; the resume stands in line like everybody."""
    gate = Gate()

    async def ask(value: int, ctx: StepContext) -> Any:
        return await ctx.suspend({"about": value})

    app = App(
        workflows=[Workflow("asks").then(step(limits="one")(ask)), Workflow("w").then(gate.step(limits="one"))],
        limits=ONE,
    )
    async with Harness(app) as harness:
        asking = await harness.client.workflow("asks").start(1)
        assert (await asking.result(timeout_s=5)).status == "suspended"
        await harness.client.workflow("w").start(2)
        await calm()
        assert gate.began == [2]
        await asking.resume("ask", "yes")
        await calm()
        assert (await asking.get()).steps["ask"].status == "waiting"
        await gate.let_go(0)
        assert (await asking.result(timeout_s=5)).output == "yes"


async def test_what_a_body_calls_runs_within_the_room_of_the_body() -> None:
    """A limit of one does not wait for itself."""

    @tool(limits="one")
    async def fetch(query: str, ctx: ToolContext) -> str:
        """Fetch."""
        return query

    async def calls_it(value: str, ctx: StepContext) -> Any:
        return await ctx.tool("fetch").execute({"query": value})

    app = App(workflows=[Workflow("w").then(step(limits="one")(calls_it))], tools=[fetch], limits=ONE)
    async with Harness(app) as harness:
        assert (await harness.client.workflow("w").run("q", timeout_s=5)).output == "q"


async def test_a_call_that_is_repeated_with_its_caller_does_not_wait_for_it() -> None:
    """Both died and wait anew for one limit: whoever has called gets it, and what it has called runs within it."""
    gate = Gate()

    async def calls_it(value: str, ctx: StepContext) -> Any:
        return await ctx.workflow("inner").run(value)

    outer = Workflow("w").then(step(limits="one")(calls_it))
    app = App(workflows=[outer, Workflow("inner").then(gate.step(limits="one"))], limits=ONE)
    async with Harness(app) as harness:
        run = await harness.client.workflow("w").start("q")
        await calm()
        assert gate.began == ["q"]
        harness.strike()
        await harness.crash()
        await calm()
        assert gate.began == ["q", "q"]
        await gate.let_go(1)
        assert (await run.result(timeout_s=5)).output == "q"


async def test_a_call_that_goes_on_without_its_caller_holds_the_callers_room() -> None:
    """The caller's worker died, and that of what it called did not: the limit counts the one that runs."""
    gate, others = Gate(), Gate()

    async def calls_it(value: str, ctx: StepContext) -> Any:
        return await ctx.tool("fetch").execute({"query": value})

    @tool(limits="one", num_cpus=1)
    async def fetch(query: str, ctx: ToolContext) -> str:
        """Fetch."""
        return str(await gate.body(query, ctx))

    outer = Workflow("w").then(step(limits="one")(calls_it))
    other = Workflow("other").then(others.step("other", limits="one"))
    async with Harness(App(workflows=[outer, other], tools=[fetch], limits=ONE)) as harness:
        run = await harness.client.workflow("w").start("q")
        await calm()
        first_in_line = await harness.client.workflow("other").start(1, priority=10)
        await calm()
        running = [worker for worker in harness.spawner.workers if worker.executor.channel_of(caller_of(run.run_id))]
        await running[0].kill()
        await calm()
        assert (gate.began, others.began) == (["q"], [])
        await gate.let_go(0)
        assert others.began == [1]
        await others.let_go(0)
        assert (await first_in_line.result(timeout_s=5)).output == 1
        assert (await run.result(timeout_s=5)).output == "q"


def caller_of(run_id: str) -> AttemptId:
    return AttemptId(run_id=run_id, path="calls_it", attempt=1)


async def test_model_turns_and_tools_are_limited_by_their_names() -> None:
    """Whoever operates the runtime needs no word of the app's."""
    running, most = 0, 0

    @tool
    async def search(query: str) -> str:
        """Search."""
        nonlocal running, most
        running += 1
        most = max(most, running)
        await calm(5)
        running -= 1
        return query

    turns = ScriptedTurns({"a": [called(("search", {"query": "x"}), ("search", {"query": "y"})), said("Done.")]})
    app = App(agents=[Agent(id="a", model="m/small", tools=[search])])
    limits = {"tool:search": LimitPlan(concurrency=1), "model:m": LimitPlan(rate=1, per_s=60.0)}
    async with Harness(app, turns=turns, limits=limits) as harness:
        run = await harness.client.start("agent", "a", "Go.")
        await calm()
        await calm()
        assert (most, len(turns.asked)) == (1, 1)
        await harness.clock.advance(60.0)
        assert (await run.result(timeout_s=5)).status == "success"
    assert (most, len(turns.asked)) == (1, 2)


async def test_the_configuration_overrides_the_app() -> None:
    """Whoever operates the runtime has the last word, without a new bundle."""
    gate = Gate()
    async with Harness(held(gate), limits={"one": LimitPlan(concurrency=2)}) as harness:
        for number in range(3):
            await harness.client.workflow("w").start(number)
        await calm()
        assert len(gate.began) == 2


async def test_a_limit_that_is_nowhere_set_is_refused() -> None:
    """A misspelt name must not run without a limit; the message names who asks for what."""
    app = App(workflows=[Workflow("w", input=list[int]).foreach(step(limits="nine")(len))], limits=ONE)
    async with Harness(App()) as harness:
        with pytest.raises(DefinitionError, match=r"no such limit: step 'len' of workflow 'w': 'nine'.*there are: one"):
            await harness.register(app)


async def test_too_many_runs_in_motion_are_refused_with_a_time_to_come_back() -> None:
    """Nothing is recorded; what was accepted goes on; parked runs do not count; a known key is answered."""
    gate = Gate()

    async def ask(value: int, ctx: StepContext) -> Any:
        return await ctx.suspend({"about": value})

    app = App(workflows=[Workflow("w").then(gate.step()), Workflow("asks").then(step(ask))])
    async with Harness(app, max_running=2, max_running_of={"small": 1}) as harness:
        client, small = harness.client, harness.of_workspace("small")
        parked = [await client.workflow("asks").start(number) for number in range(5)]
        await calm()
        await small.workflow("w").start(1, key="k")
        with pytest.raises(RateLimited, match="workspace 'small' has 1 runs in motion, and 1 are its limit"):
            await small.workflow("w").start(2)
        await client.workflow("w").start(3)
        with pytest.raises(RateLimited, match="2 runs are in motion, and 2 are the limit") as caught:
            await client.workflow("w").start(4, run_id="free")
        assert (caught.value.facts["retry_after_s"], caught.value.retryable) == (1.0, True)
        await small.workflow("w").start(1, key="k")
        await parked[0].resume("ask", "yes")
        assert (await parked[0].result(timeout_s=5)).status == "success"
        await gate.let_go(0)
        assert (await client.workflow("w").start(5, run_id="free")).run_id == "free"
        assert harness.host.status()["running"] == 2


async def test_the_count_of_runs_in_motion_survives_a_restart() -> None:
    """A runtime that comes up under load does not take twice as much."""
    gate = Gate()
    async with Harness(App(workflows=[Workflow("w").then(gate.step())]), max_running=1) as harness:
        await harness.client.workflow("w").start(1)
        await calm()
        await harness.crash()
        with pytest.raises(RateLimited):
            await harness.client.workflow("w").start(2)
        await gate.let_go(0)
        assert (await harness.client.workflow("w").start(2)).run_id


async def test_a_schedule_whose_run_is_refused_tries_again() -> None:
    """Its time is not lost at once: it starts its one run when there is room soon, or is missed as its policy says."""
    gate = Gate()
    flow = Workflow("w", schedule=every(minutes=5)).then(gate.step())
    async with Harness(App(workflows=[flow]), max_running=1) as harness:
        await harness.client.workflow("w").start(1)
        await harness.clock.advance(300.0)
        await harness.clock.advance(5.0)
        assert len(gate.began) == 1
        await gate.let_go(0)
        await harness.clock.advance(5.0)
        assert len(gate.began) == 2


async def test_a_start_that_is_refused_leaves_its_key_free() -> None:
    """The same key with another input is no conflict then."""
    gate = Gate()
    async with Harness(App(workflows=[Workflow("w").then(gate.step())]), max_running=1) as harness:
        await harness.client.workflow("w").start(1)
        with pytest.raises(RateLimited):
            await harness.client.workflow("w").start(2, key="k")
        await calm()
        await gate.let_go(0)
        await harness.client.workflow("w").start(3, key="k")
        with pytest.raises(AlreadyClaimed):
            await harness.client.workflow("w").start(2, key="k")
