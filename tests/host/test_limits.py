"""Limits and shares, in a whole runtime. See docs/limits.md."""

import pytest

from greenroom import (
    Agent,
    App,
    DefinitionError,
    Limit,
    Workflow,
    step,
    tool,
)
from greenroom.runtime.contracts.plan import LimitPlan
from tests.host.gate import ONE, Gate, held
from tests.host.harness import Harness, calm
from tests.host.scripted_turns import ScriptedTurns, called, said


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
