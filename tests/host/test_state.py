"""The state of a workflow. Line 16 of the page on semantics."""

import asyncio
import itertools
from typing import Any

import pytest
from pydantic import BaseModel

from greenroom import App, InvalidInput, StepContext, Workflow, step
from tests.host.harness import Harness, calm, run_once


class State(BaseModel):
    count: int = 0
    note: str = ""


async def tell(value: Any, ctx: StepContext) -> Any:
    return ctx.state


async def test_every_step_sees_the_state_and_changes_it_per_key() -> None:
    """16. A patch is merged key by key; a body sees its own changes at once, others when it has ended."""

    async def first(value: Any, ctx: StepContext) -> Any:
        ctx.set_state({"note": "x"})
        ctx.set_state({"count": ctx.state["count"] + 1})
        return ctx.state

    result = await run_once(Workflow("w", state=State).then(first).then(tell), 1, state={"count": 4})
    assert result.steps["first"].output == {"count": 5, "note": "x"}
    assert result.output == {"count": 5, "note": "x"}
    assert result.state == {"count": 5, "note": "x"}


async def test_a_state_that_does_not_fit_is_refused_at_start() -> None:
    """16. The state given at start is validated, with defaults."""
    async with Harness(App(workflows=[Workflow("w", state=State).then(tell)])) as harness:
        with pytest.raises(InvalidInput):
            await harness.client.workflow("w").start(1, state={"count": "many"})
        assert (await harness.client.workflow("w").run(1, timeout_s=5)).output == {"count": 0, "note": ""}


@pytest.mark.parametrize("is_nested", [False, True])
async def test_a_patch_that_does_not_fit_fails_the_step_and_changes_nothing(is_nested: bool) -> None:
    """16. Validated: every wrong key is listed, the attempt is not repeated, the state stays."""

    async def spoil(value: Any, ctx: StepContext) -> Any:
        ctx.set_state({"count": "many", "note": 5})

    body = step(id="spoil", retries=2)(spoil)
    flow = Workflow("w", state=State).then(Workflow("inner").then(body) if is_nested else body)
    result = await run_once(flow, 1, state={"count": 4})
    assert result.status == "failed"
    assert result.error is not None
    assert result.error.code == "invalid_input"
    assert {issue["field"] for issue in result.error.attributes["issues"]} == {"count", "note"}
    assert result.steps["inner/spoil" if is_nested else "spoil"].attempts == 1
    assert result.state == {"count": 4, "note": ""}


async def test_a_failed_attempt_changes_nothing() -> None:
    """16. What a body set before it raised is not merged."""

    async def fail(value: Any, ctx: StepContext) -> Any:
        ctx.set_state({"count": 9})
        raise ValueError("no")

    result = await run_once(Workflow("w", state=State).then(fail), 1)
    assert result.state == {"count": 0, "note": ""}


@pytest.mark.parametrize("order", list(itertools.permutations("abc")), ids="".join)
async def test_of_parallel_writers_the_later_in_definition_order_wins(order: tuple[str, ...]) -> None:
    """16. Whatever the order in which they end; keys of different writers are all kept."""
    gates = {name: asyncio.Event() for name in "abc"}

    async def write(value: Any, ctx: StepContext) -> Any:
        await gates[ctx.path].wait()
        ctx.set_state({"both": ctx.path, ctx.path: 1})

    flow = Workflow("w").parallel(*(step(id=name)(write) for name in "abc")).then(tell)
    async with Harness(App(workflows=[flow])) as harness:
        run = await harness.client.workflow("w").start(1)
        for name in order:
            gates[name].set()
            await calm()
        result = await run.result(timeout_s=5)
        await harness.crash()
        assert (await run.get()).state == result.output
    assert result.output == {"both": "c", "a": 1, "b": 1, "c": 1}


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))), ids=str)
async def test_of_items_the_higher_index_wins(order: tuple[int, ...]) -> None:
    """16. Also when items are nested workflows that share the state."""
    gates = [asyncio.Event() for _ in range(3)]

    async def write(value: int, ctx: StepContext) -> Any:
        await gates[value].wait()
        ctx.set_state({"last": value})

    flow = Workflow("w").foreach(Workflow("inner").then(write)).then(tell)
    async with Harness(App(workflows=[flow])) as harness:
        run = await harness.client.workflow("w").start([0, 1, 2])
        for index in order:
            await calm()
            gates[index].set()
        assert (await run.result(timeout_s=5)).output == {"last": 2}


async def test_a_later_step_overwrites_what_parallel_writers_left() -> None:
    """16. Order of definition decides between parallel writers only."""

    async def write(value: Any, ctx: StepContext) -> Any:
        ctx.set_state({"by": ctx.path})

    flow = Workflow("w").parallel(step(id="a")(write), step(id="b")(write)).then(step(id="c")(write)).then(tell)
    assert (await run_once(flow, 1)).output == {"by": "c"}


async def test_the_last_iteration_wins() -> None:
    """16. Iterations of a loop follow one another."""

    async def write(value: int, ctx: StepContext) -> int:
        ctx.set_state({"at": ctx.iteration})
        return value + 1

    async def is_three(value: int) -> bool:
        return value == 3

    assert (await run_once(Workflow("w").do_until(write, is_three).then(tell), 0)).output == {"at": 3}


async def test_conditions_and_maps_see_the_state() -> None:
    """16. Whatever takes a context may read it."""

    async def is_set(value: Any, ctx: StepContext) -> bool:
        return bool(ctx.state["count"])

    flow = Workflow("w", state=State).branch((is_set, tell)).map(lambda value, ctx: [value, ctx.state["count"]])
    assert (await run_once(flow, 1, state={"count": 2})).output == [{"tell": {"count": 2, "note": ""}}, 2]
