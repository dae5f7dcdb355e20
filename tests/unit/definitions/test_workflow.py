"""Workflows as plans: names, keys, and what each builder method writes."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from pydantic import BaseModel, field_validator

from greenroom import Agent, App, Schedule, StepContext, Workflow, constant, from_context, from_step, step, tool
from greenroom.runtime.contracts.plan import (
    AgentNode,
    BranchNode,
    ForeachNode,
    LoopNode,
    MapNode,
    Node,
    ParallelNode,
    SignalNode,
    SleepNode,
    Source,
    StepNode,
    WorkflowNode,
    WorkflowPlan,
)
from greenroom.runtime.contracts.schedules import SchedulePlan


class Checked(BaseModel):
    amount: int = 1

    @field_validator("amount")
    @classmethod
    def _is_even(cls, amount: int) -> int:
        if amount % 2:
            raise ValueError("must be even")
        return amount


@step
def a(value: Any) -> Any:
    return value


@step
def b(value: Any) -> Any:
    return value


def holds(_value: Any) -> bool:
    return True


@tool
def search(query: str) -> list[str]:
    return [query]


def plan(workflow: Workflow) -> WorkflowPlan:
    return App(workflows=[workflow]).plan.workflows[workflow.id]


def nodes(build: Callable[[Workflow], object]) -> tuple[Node, ...]:
    workflow = Workflow("w")
    build(workflow)
    return plan(workflow).nodes


def test_builder_methods_change_the_workflow_and_return_it() -> None:
    """The builder is fluent and copies nothing."""
    workflow = Workflow("w")
    assert workflow.then(a) is workflow
    assert workflow.parallel(a, b) is workflow
    assert [part.kind for part in workflow.parts] == ["then", "parallel"]


def test_a_second_use_of_an_id_is_numbered_within_its_sequence() -> None:
    """Members of blocks count in their sequence; the id stays what the user called it."""
    first, block, last = nodes(lambda w: w.then(a).parallel(a, b).then(a))
    assert isinstance(block, ParallelNode)
    assert [first.name, *(member.name for member in block.members), last.name] == ["a", "a#2", "b", "a#3"]
    assert [member.id for member in block.members] == ["a", "b"]
    codes = [node.code for node in (first, *block.members, last) if isinstance(node, StepNode)]
    assert codes == ["w/a", "w/a#2", "w/b", "w/a#3"]


def test_blocks_are_named_by_their_position() -> None:
    """Their names are internal; paths of members do not show them."""
    found = nodes(lambda w: w.then(a).parallel(b).branch((holds, search)))
    assert [node.name for node in found] == ["a", "~2", "~3"]


def test_parallel_takes_members_or_one_list() -> None:
    """Both forms mean the same."""
    assert nodes(lambda w: w.parallel(a, b, allow_failure=True)) == nodes(
        lambda w: w.parallel([a, b], allow_failure=True)
    )


def test_branch_keeps_conditions_beside_members() -> None:
    """Conditions are code; their names are shown when they raise."""
    (node,) = nodes(lambda w: w.branch((holds, a), (lambda value: value > 1, b)))
    assert isinstance(node, BranchNode)
    assert node.conditions == ("w/~1.condition[0]", "w/~1.condition[1]")
    assert node.condition_names == ("holds", "lambda")


def test_loops_are_named_after_their_body() -> None:
    """One key for the body, one for the condition."""
    first, second = nodes(lambda w: w.do_until(a, holds, max_iterations=3).do_while(a, holds))
    assert isinstance(first, LoopNode)
    assert isinstance(second, LoopNode)
    assert (first.name, first.body.name, first.code, first.until, first.max_iterations) == (
        "a",
        "a",
        "w/a.condition",
        True,
        3,
    )
    assert (second.name, second.body.name, second.until, second.max_iterations) == ("a#2", "a#2", False, 1000)


def test_foreach_is_named_after_its_body() -> None:
    """Eight at a time, unless told otherwise."""
    (node,) = nodes(lambda w: w.foreach(a))
    assert isinstance(node, ForeachNode)
    assert (node.name, node.id, node.body.name, node.concurrency, node.allow_failure) == ("a", "a", "a", 8, False)


def test_a_map_is_code_or_sources() -> None:
    """Declarative maps need no worker."""
    sources = {"y": from_context("u"), "z": constant({1, 2})}
    by_code, by_sources = nodes(lambda w: w.map(lambda value: value).map(sources, id="shape"))
    assert isinstance(by_code, MapNode)
    assert isinstance(by_sources, MapNode)
    assert (by_code.name, by_code.code) == ("map", "w/map")
    assert by_sources.name == "shape"
    assert by_sources.mapping == {"y": Source(kind="context", path="u"), "z": Source(kind="constant", value=[1, 2])}


def test_sources_name_steps_by_id() -> None:
    """Steps, functions, agents, workflows and ids all do; a list keeps its order."""

    def plain(value: Any) -> Any:
        return value

    agent = Agent(id="r", model="openai/x")
    assert from_step([a, plain, agent, "w"]).steps == ("a", "plain", "r", "w")


@pytest.mark.parametrize(
    ("build", "node"),
    [
        (lambda w: w.sleep(60), SleepNode(name="sleep", id="sleep", seconds=60.0)),
        (lambda w: w.sleep(timedelta(minutes=1), id="nap"), SleepNode(name="nap", id="nap", seconds=60.0)),
        (lambda w: w.sleep(-5), SleepNode(name="sleep", id="sleep", seconds=0.0)),
        (lambda w: w.sleep(holds), SleepNode(name="sleep", id="sleep", code="w/sleep")),
        (
            lambda w: w.sleep_until(datetime(2030, 1, 1, tzinfo=UTC)),
            SleepNode(name="sleep_until", id="sleep_until", until="2030-01-01T00:00:00+00:00", is_until=True),
        ),
        (
            lambda w: w.sleep_until(datetime(2030, 1, 1, tzinfo=timezone(timedelta(hours=2)))),
            SleepNode(name="sleep_until", id="sleep_until", until="2030-01-01T00:00:00+02:00", is_until=True),
        ),
        (
            lambda w: w.sleep_until(holds),
            SleepNode(name="sleep_until", id="sleep_until", code="w/sleep_until", is_until=True),
        ),
    ],
)
def test_sleeps(build: Any, node: SleepNode) -> None:
    """A length, a time, or code that tells."""
    assert nodes(build) == (node,)


def test_a_signal_has_a_schema_a_limit_and_perhaps_a_default() -> None:
    """None is a default like any other."""
    plain, full = nodes(
        lambda w: w.wait_for_signal("paid").wait_for_signal("paid", schema=Checked, timeout_s=5, default=None)
    )
    assert plain == SignalNode(name="paid", id="paid", signal="paid")
    assert isinstance(full, SignalNode)
    assert (full.name, full.signal, full.timeout_s, full.has_default, full.default) == ("paid#2", "paid", 5, True, None)
    assert full.checks_payload == "w/paid#2.payload"


def test_agents_tools_and_workflows_stand_where_steps_do() -> None:
    """Each becomes a node of its kind and part of the app."""
    inner = Workflow("inner").then(a)
    agent = Agent(id="r", model="openai/x")
    app = App(workflows=[Workflow("w").then(search).then(agent).then(inner).foreach(inner)])
    found = app.plan.workflows["w"].nodes
    assert [type(node) for node in found] == [StepNode, AgentNode, WorkflowNode, ForeachNode]
    assert [node.name for node in found] == ["search", "r", "inner", "inner#2"]
    assert isinstance(found[0], StepNode)
    assert (found[0].code, found[0].tool) == ("tool/search", "search")
    assert (list(app.plan.workflows), list(app.plan.agents), list(app.plan.tools)) == (
        ["w", "inner"],
        ["r"],
        ["search"],
    )


def test_options_of_a_workflow_reach_its_plan() -> None:
    """Everything that is data is in the plan, callables are code."""
    found = plan(
        Workflow(
            "w",
            input=Checked,
            output=list[int],
            state=Checked,
            description="D",
            retries=2,
            timeout_s=60,
            schedule=Schedule("0 9 * * *", input={"amount": 2}),
            on_finish=lambda result, ctx: (result, ctx),
            on_error=lambda result: result,
        ).then(a)
    )
    assert (found.description, found.retries, found.timeout_s) == ("D", 2, 60)
    assert found.schedules == (SchedulePlan(cron="0 9 * * *", input={"amount": 2}),)
    assert (found.checks_input, found.on_finish, found.on_error) == ("w.input", "w.on_finish", "w.on_error")
    assert found.own_state
    assert found.state_schema is not None
    assert found.output_schema == {"type": "array", "items": {"type": "integer"}}


def test_a_workflow_without_types_takes_anything() -> None:
    """No schema is made up."""
    found = plan(Workflow("w").then(a))
    assert (found.input_schema, found.output_schema, found.state_schema, found.own_state) == (None, None, None, False)
    assert found.checks_input is None


def test_a_json_schema_does_in_place_of_a_type() -> None:
    """Schemas that come from elsewhere need no class."""
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}}
    assert plan(Workflow("w", input=schema).then(a)).input_schema == schema


def test_steps_know_the_input_of_their_own_workflow() -> None:
    """`ctx.input` is typed by the workflow around the step."""

    def body(value: Any, ctx: StepContext) -> Any:
        return value, ctx.input

    app = App(workflows=[Workflow("outer", input=int).then(Workflow("inner", input=Checked).then(body))])
    assert app.code["inner/body"].run_input_type is Checked


def test_checks_of_resume_data_stand_beside_the_step() -> None:
    """A model with validators of its own is checked on a worker."""
    checked = step(id="s", resume=Checked)(lambda value: value)
    plain = step(id="t", resume=int)(lambda value: value)
    app = App(workflows=[Workflow("w").then(checked).then(plain)])
    first, second = app.plan.workflows["w"].nodes
    assert isinstance(first, StepNode)
    assert isinstance(second, StepNode)
    assert (first.checks_resume, second.checks_resume) == (True, False)
    assert list(app.code) == ["w/s", "w/s.resume", "w/t"]
