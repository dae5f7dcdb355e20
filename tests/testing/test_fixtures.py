"""The fixtures, used as a user does. Each test is one that an application could have."""

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from greenroom import Agent, App, StepContext, ToolContext, Workflow, step, tool
from greenroom.runtime.client.runtime import RuntimeClient
from greenroom.testing import FakeClock, FakeRuntime, ScriptedModel, tool_call

Start = Callable[..., Any]


@step
async def ask(value: int, ctx: StepContext) -> int:
    answer: int = await ctx.suspend({"about": value})
    return value + answer


@step
def double(value: int) -> int:
    return value * 2


@pytest.fixture
def calls() -> Counter[str]:
    return Counter()


@pytest.fixture
def app(calls: Counter[str]) -> App:
    """Three steps, a sleep of an hour and a question to a person."""

    @step
    async def first(value: int, ctx: StepContext) -> int:
        calls["first"] += 1
        return value + 1

    return App(workflows=[Workflow("w", input=int).then(first).sleep(3600).then(double).then(ask)])


async def test_the_handle_is_that_of_a_real_runtime(fake_runtime: Start, clock: FakeClock, app: App) -> None:
    """`await fake_runtime(app)` gives what `connect` gives; time passes when it is told to, and only then."""
    runtime = await fake_runtime(app)
    assert isinstance(runtime, RuntimeClient)
    run = await runtime.workflow("w").start(1)
    await clock.advance(3599)
    assert await run.status() == "waiting"
    await clock.advance(timedelta(seconds=1))
    assert await run.status() == "suspended"
    await run.resume("ask", 10)
    assert (await run.result()).output == 14


async def test_what_was_due_first_happens_first(fake_runtime: Start, clock: FakeClock) -> None:
    """A long `advance` goes from one due time to the next: two sleeps of an hour in a row are over after two hours."""
    flow = Workflow("w").sleep(3600).map(lambda value, ctx: "one").sleep(3600)
    run = await (await fake_runtime(App(workflows=[flow]))).workflow("w").start(0)
    await clock.advance(timedelta(hours=2))
    assert (await run.get()).output == "one"


async def test_a_runtime_that_dies_at_a_commit_comes_back(
    fake_runtime: Start, crash_at: Callable[..., None], clock: FakeClock, app: App, calls: Counter[str]
) -> None:
    """`crash_at(n)` kills it at its n-th commit: nothing acknowledged is lost and no finished body runs again."""
    crash_at(1, 2, 4)
    run = await (await fake_runtime(app)).workflow("w").start(1)
    await clock.advance(3600)
    await run.resume("ask", 10)
    assert (await run.result()).output == 14
    assert calls == {"first": 1}


async def test_a_commit_may_be_lost_with_the_runtime(fake_runtime: Start, crash_at: Callable[..., None]) -> None:
    """With `moment="before"` nothing is kept: the start is sent again and begins the one run there is."""
    crash_at(1, moment="before")
    runtime = await fake_runtime(App(workflows=[Workflow("w").then(double)]))
    assert (await (await runtime.workflow("w").start(2, run_id="mine")).result()).output == 4
    assert [summary.run_id for summary in await runtime.runs()] == ["mine"]


@pytest.mark.usefixtures("always_suspend")
async def test_runs_are_reloaded_at_every_commit(
    fake_runtime: Start, clock: FakeClock, app: App, calls: Counter[str]
) -> None:
    """With `always_suspend` a run that depends on nothing but its journal ends as ever."""
    run = await (await fake_runtime(app)).workflow("w").start(1)
    await clock.advance(3600)
    await run.resume("ask", 10)
    assert (await run.result()).output == 14
    assert calls == {"first": 1}


async def test_a_runtime_is_thrown_away_at_every_commit() -> None:
    """What `always_suspend` switches on: as many lives as there are commits."""
    async with FakeRuntime(App(workflows=[Workflow("w").then(double).then(double)]), evicts=True) as fake:
        assert (await fake.client.workflow("w").run(1)).output == 4
        await fake.settle()
        assert fake.deaths == fake.commits.count == 3


async def test_a_model_says_what_it_was_told_to(
    fake_runtime: Start, scripted_model: Callable[..., ScriptedModel]
) -> None:
    """Texts and tool calls in turn; what it was asked can be looked at."""

    @tool
    async def search(query: str, ctx: ToolContext) -> str:
        """Search."""
        return query.upper()

    model = scripted_model([tool_call("search", query="tea"), "Found TEA."])
    agent = Agent(id="writer", instructions="Write.", model="any/thing", tools=[search])
    runtime = await fake_runtime(App(agents=[agent]))
    reply = await runtime.agent("writer").generate("Find tea.")
    assert reply.text == "Found TEA."
    assert [call["tool"] for call in reply.tool_calls] == ["search"]
    assert "TEA" in model.requests[1]["messages"][-1]["content"]


async def test_a_turn_is_asked_once_whatever_crashes(
    fake_runtime: Start, crash_at: Callable[..., None], scripted_model: Callable[..., ScriptedModel]
) -> None:
    """46. The runtime dies with the turn's outcome kept and unanswered: the turn is not asked again."""
    crash_at(2, 3)
    model = scripted_model({"writer": ["Done."]})
    runtime = await fake_runtime(App(agents=[Agent(id="writer", instructions="Write.", model="any/thing")]))
    assert (await runtime.agent("writer").generate("Go.")).text == "Done."
    assert len(model.requests) == 1


async def test_a_script_that_is_too_short_says_so(
    fake_runtime: Start, scripted_model: Callable[..., ScriptedModel]
) -> None:
    """The error names the agent and the number of turns there were."""
    scripted_model([])
    runtime = await fake_runtime(App(agents=[Agent(id="writer", instructions="Write.", model="any/thing")]))
    result = await (await runtime.agent("writer").start("Go.")).result()
    assert "the script has 0 turns for agent 'writer'" in result.error.message


async def test_time_does_not_go_back(clock: FakeClock) -> None:
    """A negative advance is a mistake in the test."""
    with pytest.raises(ValueError, match="does not go back"):
        await clock.advance(-1)


pytest_plugins = ["pytester"]


def test_pytest_finds_the_fixtures_by_itself(pytester: pytest.Pytester) -> None:
    """Installed, the plugin needs no line in a conftest; `fake_runtime` runs in the test's own event loop."""
    pytester.makepyfile("""
        from greenroom import App, Workflow, step

        @step
        async def add(value: int) -> int:
            return value + 1

        async def test_it(fake_runtime, clock):
            runtime = await fake_runtime(App(workflows=[Workflow("w", input=int).sleep(60).then(add)]))
            run = await runtime.workflow("w").start(1)
            await clock.advance(60)
            assert (await run.result()).output == 2
    """)
    pytester.makeini("[pytest]\nasyncio_mode = auto\nasyncio_default_fixture_loop_scope = function\n")
    pytester.runpytest_subprocess("-W", "error").assert_outcomes(passed=1)


def test_loading_the_plugin_loads_no_runtime(pytester: pytest.Pytester) -> None:
    """A test run that uses none of the fixtures does not pay for them."""
    pytester.makepyfile("""
        import sys

        def test_it():
            assert "greenroom.testing.plugin" in sys.modules
            assert not {"ray", "pydantic", "greenroom.runtime.host.host"} & set(sys.modules)
    """)
    pytester.runpytest_subprocess().assert_outcomes(passed=1)


def test_only_the_plugin_needs_pytest() -> None:
    """`greenroom.testing` can be used where pytest is not installed."""
    folder = Path(FakeRuntime.__module__.replace(".", "/")).parent
    modules = (Path(__file__).parents[2] / "src" / folder).glob("*.py")
    assert {module.stem for module in modules if "import pytest" in module.read_text("utf-8")} == {"plugin"}
