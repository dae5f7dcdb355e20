"""How values travel between steps. Lines 6 to 8 of the page on semantics."""

from typing import Any

import pytest
from pydantic import BaseModel

from greenroom import (
    App,
    StepContext,
    Workflow,
    constant,
    from_context,
    from_input,
    from_state,
    from_step,
    step,
)
from tests.host.harness import Harness, run_once


class Item(BaseModel):
    name: str
    count: int = 1


async def add(value: int) -> int:
    return value + 1


async def double(value: int) -> int:
    return value * 2


async def nest(value: Any) -> Any:
    return {"a": {"b": [value, 0]}}


async def is_high(value: int) -> bool:
    return value > 10


async def is_low(value: int) -> bool:
    return value <= 10


async def test_the_next_input_is_the_previous_output() -> None:
    """6. `.then` hands the output on."""
    result = await run_once(Workflow("w", input=int).then(add).then(double).then(add), 3)
    assert result.output == 9
    assert [result.steps[path].input for path in ("add", "double", "add#2")] == [3, 4, 8]


async def test_a_map_by_function_shapes_the_value() -> None:
    """6. `.map(fn)` gets the value, and the context if it asks for it."""
    result = await run_once(Workflow("w", input=int).map(lambda value, ctx: [value, ctx.path]), 3)
    assert result.output == [3, "map"]


async def test_a_declarative_map_reads_every_kind_of_source() -> None:
    """6. Steps, input, state, context and constants; `.` is the whole value."""
    flow = Workflow("w", input=int).then(nest).then(step(id="other")(nest))
    flow.map(
        {
            "part": from_step(nest, "a.b.0"),
            "whole": from_step(nest),
            "input": from_input("."),
            "state": from_state("n"),
            "context": from_context("locale"),
            "constant": constant([1, None]),
        }
    )
    result = await run_once(flow, 5, state={"n": 8}, request_context={"locale": "de"})
    assert result.output == {
        "part": 5,
        "whole": {"a": {"b": [5, 0]}},
        "input": 5,
        "state": 8,
        "context": "de",
        "constant": [1, None],
    }


async def test_a_wrong_path_fails_the_map_and_names_it() -> None:
    """6. The map step fails; the message has the key, the path and what there is."""
    result = await run_once(Workflow("w", input=int).then(nest).map({"x": from_step(nest, "a.c")}), 5)
    assert result.status == "failed"
    assert result.error is not None
    assert result.error.path == "map"
    for part in ("x", "a.c", "nest", "b"):
        assert part in result.error.message


async def test_from_step_with_several_takes_the_one_that_ran() -> None:
    """6. After a branch, `from_step([a, b])` reads the member that was chosen."""

    def flow() -> Workflow:
        made = Workflow("w", input=int).branch((is_high, add), (is_low, double))
        return made.map({"got": from_step([add, double])})

    assert (await run_once(flow(), 20)).output == {"got": 21}
    assert (await run_once(flow(), 5)).output == {"got": 10}


async def test_from_step_takes_the_nearest_earlier_use_of_a_step() -> None:
    """6. Of a step that stands several times, the one before the map; a path names another one."""
    flow = (
        Workflow("w", input=int).then(add).then(add).map({"near": from_step(add), "far": from_step("add#2")}).then(nest)
    )
    assert (await run_once(flow, 0)).output["a"]["b"][0] == {"near": 2, "far": 2}


async def test_a_step_that_did_not_run_is_named_by_the_map() -> None:
    """6. A source that has no output is an error, not a None."""
    flow = Workflow("w", input=int).branch((is_high, add), (is_low, double)).map({"got": from_step(add)})
    result = await run_once(flow, 5)
    assert result.error is not None
    assert "'add'" in result.error.message


@step(retries=3)
async def typed(item: Item) -> Item:
    return item


@step(retries=3)
async def lying(value: Any) -> Item:
    return {"name": 5, "count": "many"}  # type: ignore[return-value]


async def raw(value: Any) -> Any:
    return value


async def test_step_input_is_validated_with_defaults() -> None:
    """7. The body gets the model, with the schema's defaults."""
    result = await run_once(Workflow("w").then(typed), {"name": "x"})
    assert result.output == {"name": "x", "count": 1}


async def test_invalid_input_fails_the_step_at_once_with_all_issues() -> None:
    """7. Every wrong field is listed, and the attempt is not repeated."""
    result = await run_once(Workflow("w").then(raw).then(typed), {"count": "many"})
    assert result.status == "failed"
    assert result.error is not None
    assert (result.error.type, result.error.code, result.error.path) == ("InvalidInput", "invalid_input", "typed")
    assert {issue["field"] for issue in result.error.attributes["issues"]} == {"name", "count"}
    assert result.steps["typed"].attempts == 1


async def test_invalid_output_fails_the_step_with_all_issues() -> None:
    """7. What a body returns is held to its annotation."""
    result = await run_once(Workflow("w").then(lying), 1)
    assert result.error is not None
    assert {issue["field"] for issue in result.error.attributes["issues"]} == {"name", "count"}
    assert result.steps["lying"].attempts == 1


async def test_validation_can_be_turned_off() -> None:
    """7. `validate=False`, on a step or on the workflow, hands values over as they are."""

    @step(validate=False)
    async def lenient(item: Item) -> Item:
        return item

    assert (await run_once(Workflow("w").then(lenient), {"count": "many"})).output == {"count": "many"}
    assert (await run_once(Workflow("w", input=Item, validate=False).then(typed), {"x": 1})).output == {"x": 1}


async def test_the_workflows_output_is_validated_with_defaults() -> None:
    """7. The output schema of a workflow holds, and its defaults are filled in."""
    flow = Workflow("w", output=Item).then(raw)
    result = await run_once(flow, {"name": "x"})
    assert result.view["output"] == {"name": "x", "count": 1}
    assert (await run_once(flow, {"count": 1})).status == "failed"


async def test_a_nested_workflow_gets_its_input_validated_with_defaults() -> None:
    """7. A nested workflow's input and output are a step's: checked, with defaults."""

    async def whole(value: Any, ctx: StepContext) -> Any:
        return [value, ctx.input]

    inner = Workflow("inner", input=Item).then(whole)
    result = await run_once(Workflow("w").then(inner), {"name": "x"})
    full = {"name": "x", "count": 1}
    assert result.output == [full, full]
    result = await run_once(Workflow("w").then(Workflow("inner", input=Item).then(raw)), {"count": 1})
    assert result.error is not None
    assert (result.error.path, result.error.attributes["issues"][0]["field"]) == ("inner", "name")


async def test_the_context_shows_the_runs_input_after_defaults() -> None:
    """8. `ctx.input` is the run's input, as the workflow's model."""

    async def tell(value: Any, ctx: StepContext) -> Any:
        return [ctx.input.name, ctx.input.count]

    assert (await run_once(Workflow("w", input=Item).then(raw).then(tell), {"name": "x"})).output == ["x", 1]


async def test_step_output_is_none_unless_the_step_succeeded() -> None:
    """8. Not run, failed and unknown steps give None; a step that succeeded gives its output."""

    async def fail(value: Any) -> Any:
        raise ValueError("no")

    async def tell(value: Any, ctx: StepContext) -> Any:
        return [ctx.step_output(name) for name in ("raw", "fail", "tell", "nowhere")]

    flow = Workflow("w").then(raw).parallel(fail, step(id="fine")(raw), allow_failure=True).then(tell)
    assert (await run_once(flow, 5)).output == [5, None, None, None]


async def test_of_several_steps_with_one_id_the_nearest_earlier_counts() -> None:
    """8. A step that stands twice is asked for by its id: the later one that has run answers."""

    async def tell(value: Any, ctx: StepContext) -> Any:
        return [value, ctx.step_output(add), ctx.step_output("add#2"), ctx.step_output("add#3")]

    flow = Workflow("w", input=int).then(add).then(add).then(tell).map(lambda value: value[0]).then(add)
    flow.then(step(id="tell2")(tell))
    result = await run_once(flow, 0)
    assert result.steps["tell"].output == [2, 2, 2, None]
    assert result.output == [3, 3, 2, 3]


async def test_a_body_in_a_loop_sees_the_iteration_before() -> None:
    """8. In a loop the nearest earlier execution of a step is the previous iteration."""

    async def grow(value: int, ctx: StepContext) -> int:
        seen.append((ctx.iteration, ctx.step_output("grow")))
        return value + 1

    async def is_done(value: int) -> bool:
        return value == 3

    seen: list[Any] = []
    await run_once(Workflow("w", input=int).do_until(grow, is_done), 0)
    assert seen == [(1, None), (2, 1), (3, 2)]


async def test_values_handed_to_a_body_are_its_own() -> None:
    """8. Mutating an input, an output asked for, the run's input or the state changes nothing elsewhere."""

    async def make(value: Any) -> Any:
        return {"list": [1]}

    async def spoil(value: Any, ctx: StepContext) -> Any:
        value["list"].append(2)
        ctx.step_output("make")["list"].append(3)
        ctx.input["n"].append(4)
        ctx.state["s"].append(5)
        ctx.request_context["c"].append(6)
        return "done"

    async def look(value: Any, ctx: StepContext) -> Any:
        return [ctx.step_output("make"), ctx.input, ctx.state["s"], ctx.request_context]

    flow = Workflow("w").then(make).parallel(spoil, step(id="spoil2")(spoil)).then(look)
    result = await run_once(flow, {"n": [0]}, state={"s": [0]}, request_context={"c": [0]})
    assert result.output == [{"list": [1]}, {"n": [0]}, [0], {"c": [0]}]
    assert result.steps["spoil2"].input == {"list": [1]}


@pytest.mark.parametrize("value", [0, "", False, None, [], {}])
async def test_falsy_values_travel_as_they_are(value: Any) -> None:
    """6. A falsy output is an output."""
    async with Harness(App(workflows=[Workflow("w").then(raw).then(step(id="again")(raw))])) as harness:
        result = await harness.client.workflow("w").run(value, timeout_s=5)
    assert result.status == "success"
    assert result.output == value
