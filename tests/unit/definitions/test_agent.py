"""Agents as values and as plans."""

import dataclasses
from typing import Any

import pytest
from pydantic import BaseModel, field_validator

from greenroom import (
    Agent,
    App,
    DefinitionError,
    DuplicateName,
    Memory,
    Recall,
    ToolContext,
    Workflow,
    WorkingMemory,
    step,
    tool,
)
from greenroom.runtime.contracts.plan import AgentPlan


class Finding(BaseModel):
    text: str


class Profile(BaseModel):
    name: str = ""


class Checked(BaseModel):
    text: str

    @field_validator("text")
    @classmethod
    def _is_short(cls, text: str) -> str:
        return text


def plan_of(**options: Any) -> AgentPlan:
    given: dict[str, Any] = {"id": "a", "model": "openai/x"} | options
    agent = Agent(**given)
    return App(agents=[agent]).plan.agents["a"]


def test_tools_functions_agents_and_workflows_become_references() -> None:
    """Agents are delegates with one argument, workflows are calls with their input's schema."""

    @tool
    def search(query: str) -> str:
        """Search."""
        return query

    def add(first: int) -> int:
        """Add."""
        return first

    delegate = Agent(id="writer", model="openai/y", description="Writes.")
    call = Workflow("report", input=Finding, description="Reports.").then(lambda value: value)
    refs = plan_of(tools=[search, add, delegate, call]).tools
    assert [(ref.name, ref.kind, ref.target, ref.description) for ref in refs] == [
        ("search", "tool", "search", "Search."),
        ("add", "tool", "add", "Add."),
        ("writer", "agent", "writer", "Writes."),
        ("report", "workflow", "report", "Reports."),
    ]
    assert refs[2].input_schema["required"] == ["prompt"]
    assert list(refs[3].input_schema["properties"]) == ["text"]


def test_names_that_providers_refuse_are_changed() -> None:
    """Only letters, digits, `_` and `-` reach the model."""
    ref = plan_of(tools=[Agent(id="gpt.5", model="openai/x")]).tools[0]
    assert (ref.name, ref.target) == ("gpt_5", "gpt.5")


def test_two_tools_of_one_name_are_refused() -> None:
    """The model could not tell them apart."""
    with pytest.raises(DuplicateName, match=r"agent 'a'.*'b'"):
        plan_of(tools=[Agent(id="b", model="openai/x"), Workflow("b").then(lambda value: value)])


def test_a_step_is_not_a_tool() -> None:
    """The error says what an agent calls."""
    with pytest.raises(DefinitionError, match=r"agent 'a'.*step"):
        plan_of(tools=[step(lambda value: value)])


def test_fallback_models_keep_their_order() -> None:
    """The first is tried first."""
    assert plan_of(model=["openai/a", "local/b"]).models == ("openai/a", "local/b")


@pytest.mark.parametrize("model", ["", [], "gpt-5", "/x", "openai/", ["openai/a", "b"], [3]])
def test_a_model_says_its_provider(model: Any) -> None:
    """A model that could not be routed is refused at once."""
    with pytest.raises(DefinitionError, match="model"):
        Agent(id="a", model=model)


@pytest.mark.parametrize(
    "options",
    [
        {"max_steps": 0},
        {"output_retries": -1},
        {"instructions": 3},
        {"memory": {"last_messages": 3}},
        {"id": "a/b"},
        {"input_guards": [3]},
        {"timeout_s": -1},
    ],
)
def test_wrong_values_are_refused(options: dict[str, Any]) -> None:
    """Each with its own message."""
    with pytest.raises(DefinitionError):
        plan_of(**options)


def test_computed_instructions_are_code() -> None:
    """A callable gets the context, on a worker."""
    app = App(agents=[Agent(id="a", model="openai/x", instructions=lambda context: f"Help {context.resource_id}.")])
    assert app.plan.agents["a"].instructions_code == "agent/a.instructions"
    body = app.code["agent/a.instructions"]
    assert (body.takes_value, body.takes_context) == (False, True)


def test_output_has_a_schema_and_a_check_only_where_the_model_checks_more() -> None:
    """A model's own validators are the user's code."""
    plain, checked = plan_of(output=Finding), plan_of(output=Checked)
    assert plain.output_schema is not None
    assert (plain.output_code, checked.output_code) == (None, "agent/a.output")


def test_memory_is_data() -> None:
    """Only what is set is in the plan."""
    assert plan_of().memory is None
    memory = Memory(last_messages=3, recall=Recall(top_k=2), working=WorkingMemory(schema=Profile, scope="thread"))
    plan: Any = plan_of(memory=memory).memory
    assert plan["last_messages"] == 3
    assert plan["recall"] == {"top_k": 2, "message_range": 1, "scope": "resource"}
    assert (plan["working"]["scope"], list(plan["working"]["schema"]["properties"])) == ("thread", ["name"])


@pytest.mark.parametrize(
    "make",
    [
        lambda: Memory(last_messages=-1),
        lambda: Recall(top_k=0),
        lambda: Recall(scope="world"),  # type: ignore[arg-type]
        lambda: WorkingMemory(schema=Profile, template="x"),
    ],
)
def test_memory_that_cannot_be_is_refused(make: Any) -> None:
    """At once, not at the first message."""
    with pytest.raises(DefinitionError):
        make()


def test_an_agent_is_frozen_and_keeps_its_own_lists() -> None:
    """What a caller does with a list later changes no agent."""
    tools: list[Any] = []
    agent = Agent(id="a", model="openai/x", tools=tools)
    tools.append(print)
    assert agent.tools == ()
    with pytest.raises(dataclasses.FrozenInstanceError):
        agent.id = "b"  # type: ignore[misc]


def test_settings_and_resources_reach_the_plan() -> None:
    """Sampling parameters as they are; resources as options."""
    plan = plan_of(settings={"temperature": 0}, num_gpus=1, retries=2, max_steps=3)
    assert (plan.settings, plan.options.num_gpus, plan.options.retries, plan.max_steps) == ({"temperature": 0}, 1, 2, 3)


def test_guards_are_code() -> None:
    """Each guard has a key of its own."""

    async def clean(text: str, ctx: ToolContext) -> str:
        return text + ctx.run_id

    plan = plan_of(input_guards=[clean, clean], output_guards=[clean])
    assert plan.input_guards == ("agent/a.input_guards[0]", "agent/a.input_guards[1]")
    assert plan.output_guards == ("agent/a.output_guards[0]",)
