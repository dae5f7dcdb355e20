"""Definitions as lists and details show them."""

import json
from collections.abc import Mapping

from greenroom.runtime.contracts.values import Json
from greenroom.serve.wire.agent_record import agent_record, tool_record
from greenroom.serve.wire.workflow_record import graph_entries, workflow_record

STEP: dict[str, Json] = {"type": "step", "name": "a", "code": "k", "input_schema": {"type": "integer"}}
INNER: Mapping[str, Json] = {"id": "inner", "nodes": [{"type": "step", "name": "ask", "code": "k"}]}


def test_schemas_of_a_workflow_are_text_in_a_wrapper() -> None:
    """The client unwraps `{"json": schema}`."""
    record = workflow_record({"id": "w", "nodes": [STEP], "input_schema": {"type": "string"}}, {})
    assert json.loads(record["inputSchema"]) == {"json": {"type": "string"}}
    assert json.loads(record["steps"]["a"]["inputSchema"]) == {"json": {"type": "integer"}}
    assert "outputSchema" not in record
    assert "inputSchema" not in workflow_record({"id": "w", "nodes": [STEP]}, {}, is_partial=True)["steps"]["a"]


def test_nested_steps_are_listed_under_dotted_ids_and_recursion_ends() -> None:
    """AllSteps goes into nested workflows; one that holds itself is not followed."""
    nested = {"type": "workflow", "name": "inner", "workflow": "inner"}
    outer = {"id": "outer", "nodes": [nested, {"type": "workflow", "name": "me", "workflow": "outer"}]}
    record = workflow_record(outer, {"inner": INNER, "outer": outer})
    assert [*record["steps"]] == ["inner", "me"]
    assert [*record["allSteps"]] == ["inner", "inner.ask", "me"]
    assert record["steps"]["inner"]["isWorkflow"]


def test_every_part_of_a_graph_has_its_entry() -> None:
    """Blocks, loops, waits and steps in the wire's types."""
    nodes: list[dict[str, Json]] = [
        STEP,
        {"type": "parallel", "name": "~1", "members": [STEP]},
        {"type": "branch", "name": "~2", "members": [STEP], "conditions": ["c"], "condition_names": ["is_big"]},
        {"type": "loop", "name": "l", "body": STEP, "code": "c", "until": True},
        {"type": "foreach", "name": "f", "body": STEP, "concurrency": 3},
        {"type": "sleep", "name": "s", "seconds": 1.5},
        {"type": "sleep", "name": "u", "until": "2030-01-01T00:00:00+00:00", "is_until": True},
        {"type": "signal", "name": "p", "signal": "paid"},
    ]
    entries = graph_entries(nodes)
    assert [entry["type"] for entry in entries] == [
        "step",
        "parallel",
        "conditional",
        "loop",
        "foreach",
        "sleep",
        "sleepUntil",
        "step",
    ]
    assert entries[2]["serializedConditions"] == [{"id": "condition-0", "fn": "is_big"}]
    assert entries[3]["loopType"] == "dountil"
    assert (entries[4]["opts"], entries[5]["duration"]) == ({"concurrency": 3}, 1500)


def test_an_agent_names_its_model_and_what_it_may_call() -> None:
    """Tools, delegates and workflows are apart; provider and model are split."""
    plan = {
        "id": "writer",
        "models": ["rehearsal/any", "openai/other"],
        "instructions": "write",
        "memory": {"last_messages": 3},
        "tools": [
            {"name": "search", "kind": "tool", "target": "search", "input_schema": {"type": "object"}},
            {"name": "helper", "kind": "agent", "target": "helper"},
            {"name": "flow", "kind": "workflow", "target": "flow"},
        ],
    }
    record = agent_record(plan, {"search": {"id": "search", "requires_approval": True}})
    assert (record["provider"], record["modelId"], record["supportsMemory"]) == ("rehearsal", "any", True)
    assert record["tools"]["search"]["requireApproval"] is True
    assert ([*record["agents"]], [*record["workflows"]]) == (["helper"], ["flow"])


def test_a_tool_always_has_an_input_schema() -> None:
    """A tool without parameters takes an empty object."""
    record = tool_record({"id": "t", "code": "k"})
    assert json.loads(record["inputSchema"]) == {"json": {"type": "object", "properties": {}}}
    assert record["requireApproval"] is False
