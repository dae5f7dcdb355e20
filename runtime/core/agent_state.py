"""What an agent's part of a run is made of: its model turns, its tool calls, its conversation, its result.

The conversation is not stored: it is derived from the turns and the calls' outcomes, so it is the same in every
replay and costs nothing while the run waits.
"""

import hashlib
import json
from typing import Any

from greenroom.runtime.contracts.errors import InvalidInput
from greenroom.runtime.contracts.plan import AgentNode, AgentPlan, Schema, ToolRef
from greenroom.runtime.contracts.statuses import StepStatus
from greenroom.runtime.contracts.values import Json
from greenroom.runtime.core.derived_ids import child_run_id
from greenroom.runtime.core.nodes import BodyNode, TurnNode
from greenroom.runtime.core.state import Frame, NodeState, RunState

DECLINED = "Tool call was not approved by the user"
UNSAFE = str.maketrans(dict.fromkeys("/[]#?~", "-"))


def enter_agent(run: RunState, node: NodeState) -> None:
    """Give a node that stands for an agent its frame."""
    assert isinstance(node.node, AgentNode)  # noqa: S101 - the caller matched it
    outer = run.state_of(node)
    node.frame = Frame(
        plan=run.bundle.agents[node.node.agent],
        kind="agent",
        target=node.node.agent,
        run_id=child_run_id(run.run_id, node.path),
        input=node.input,
        state=outer.state,
        writers=outer.writers,
        options=node.options,
    )
    run.frames.append(node)


def plan_of(node: NodeState) -> AgentPlan:
    """Return the agent's plan."""
    assert node.frame is not None and isinstance(node.frame.plan, AgentPlan)  # noqa: S101, PT018 - agents only
    return node.frame.plan


def output_schema_of(node: NodeState) -> Schema | None:
    """Return the schema of the structured output, the caller's before the agent's own."""
    assert node.frame is not None  # noqa: S101 - agents only
    return node.frame.options.get("output_schema") or plan_of(node).output_schema


def max_steps_of(node: NodeState) -> int:
    """Return the most model turns."""
    assert node.frame is not None  # noqa: S101 - agents only
    return int(node.frame.options.get("max_steps") or plan_of(node).max_steps)


def absorb_turn(run: RunState, turn: NodeState, at: float) -> None:
    """Take a finished model turn into the agent: note its tool calls, each with its own path segment."""
    agent = turn.parent
    assert agent is not None and agent.frame is not None  # noqa: S101, PT018 - turns stand in agents
    frame = agent.frame
    number = len(frame.turns)
    frame.turns.append(turn)
    output = turn.output or {}
    tools = {tool.name: tool for tool in plan_of(agent).tools}
    for call in output.get("tool_calls") or ():
        planned = _plan_call(run, tools, call)
        base = str(planned["target"]).translate(UNSAFE)
        count = 1 + sum(1 for other in frame.calls if other["base"] == base)
        planned |= {"turn": number, "base": base, "segment": base if count == 1 else f"{base}#{count}"}
        frame.calls.append(planned)
        shown = {
            "tool_call_id": planned["id"],
            "tool": planned["tool"],
            "arguments": planned["arguments"],
            "path": f"{agent.path}/{planned['segment']}" if agent.path else planned["segment"],
        }
        run.emit("agent_tool_call", agent.path, at, shown)
    run.emit(
        "agent_step_finish",
        agent.path,
        at,
        {"turn": number, "text": output.get("text", ""), "finish_reason": output.get("finish_reason")},
    )


def _plan_call(run: RunState, tools: dict[str, ToolRef], call: dict[str, Json]) -> dict[str, Json]:
    name, arguments = str(call["name"]), call.get("arguments")
    planned: dict[str, Json] = {"id": call["id"], "tool": name, "arguments": arguments, "target": name}
    tool = tools.get(name)
    if tool is None:
        problem = f"there is no tool named {name!r}; there are: {', '.join(sorted(tools)) or 'none'}"
        return planned | {"kind": "refused", "problem": problem, "args_hash": ""}
    if call.get("malformed") or not isinstance(arguments, dict):
        return planned | {"kind": "refused", "problem": "the arguments are not a JSON object", "args_hash": ""}
    try:
        checked = run.check(tool.input_schema, arguments)
    except InvalidInput as error:
        return planned | {"kind": "refused", "problem": error.message.partition(": ")[2], "args_hash": ""}
    hashed = hash_arguments(checked)
    return planned | {"kind": tool.kind, "target": tool.target, "arguments": checked, "args_hash": hashed}


def hash_arguments(arguments: Json) -> str:
    """Return the hash an approval is bound to."""
    return hashlib.sha256(json.dumps(arguments, sort_keys=True, separators=(",", ":")).encode()).hexdigest()[:16]


def report_call(run: RunState, agent: NodeState, node: NodeState, at: float) -> None:
    """Publish the result of a tool call."""
    call = call_of(agent, node)
    if call is None:
        return
    data: dict[str, Json] = {"tool_call_id": call["id"], "tool": call["tool"]}
    if node.status is StepStatus.SUCCESS:
        data["result"] = node.output
    elif node.error is not None:
        data["error"] = {"type": node.error.type, "message": node.error.message}
        data["declined"] = node.status is StepStatus.SKIPPED
    run.emit("agent_tool_result", agent.path, at, data)


def call_of(agent: NodeState, node: NodeState) -> dict[str, Json] | None:
    """Return the tool call that a child of an agent is, or None if it is something else."""
    if agent.frame is None or isinstance(node.node, TurnNode | BodyNode):
        return None
    return next((call for call in agent.frame.calls if call["segment"] == node.node.name), None)


def turn_request(run: RunState, agent: NodeState) -> dict[str, Json]:
    """Return what a model turn is asked: models, messages, tools, schema, settings."""
    plan, frame = plan_of(agent), agent.frame
    assert frame is not None  # noqa: S101 - agents only
    schema = output_schema_of(agent)
    return {
        "agent": plan.id,
        "models": list(frame.options.get("models") or plan.models),
        "messages": conversation(run, agent),
        "tools": [
            {
                "type": "function",
                "function": {"name": tool.name, "description": tool.description, "parameters": tool.input_schema},
            }
            for tool in plan.tools
        ],
        "response_schema": {"name": f"{plan.id}-output".translate(UNSAFE), "schema": schema} if schema else None,
        "settings": {**plan.settings, **(frame.options.get("settings") or {})},
    }


def conversation(run: RunState, agent: NodeState) -> list[dict[str, Json]]:
    """Return the messages so far, in the form of OpenAI's chat completions."""
    frame = agent.frame
    assert frame is not None  # noqa: S101 - agents only
    prefix = f"{agent.path}/" if agent.path else ""
    computed = run.nodes.get(f"{prefix}~instructions")
    system = frame.options.get("instructions") or (computed.output if computed else plan_of(agent).instructions)
    messages: list[dict[str, Json]] = [{"role": "system", "content": system}] if system else []
    messages.extend(frame.options.get("history") or ())
    messages.extend(prompt_messages(frame.input))
    for number, turn in enumerate(frame.turns):
        messages.extend(_turn_messages(run, agent, number, turn, prefix))
    return messages


def _turn_messages(run: RunState, agent: NodeState, number: int, turn: NodeState, prefix: str) -> list[dict[str, Json]]:
    frame = agent.frame
    assert frame is not None  # noqa: S101 - agents only
    output = turn.output or {}
    calls = [call for call in frame.calls if call["turn"] == number]
    said: dict[str, Json] = {"role": "assistant", "content": output.get("text") or None}
    if calls:
        said["tool_calls"] = [
            {
                "id": call["id"],
                "type": "function",
                "function": {"name": call["tool"], "arguments": _text(call["arguments"])},
            }
            for call in calls
        ]
    messages = [said]
    for call in calls:
        child = run.nodes.get(f"{prefix}{call['segment']}")
        messages.append({"role": "tool", "tool_call_id": call["id"], "content": _result_text(call, child)})
    if not calls and number + 1 == len(frame.turns) and (problem := output_problem(run, agent)) is not None:
        messages.append({"role": "user", "content": f"Your answer failed validation: {problem}\nAnswer again."})
    elif not calls and number + 1 < len(frame.turns):
        messages.append({"role": "user", "content": "Your answer failed validation. Answer again."})
    return messages


def _text(value: Json) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _result_text(call: dict[str, Json], child: NodeState | None) -> str:
    if child is None or not child.is_final:
        return ""
    if child.status is StepStatus.SUCCESS:
        return _text(child.output)
    if child.status is StepStatus.SKIPPED:
        return child.error.message if child.error else DECLINED
    message = child.error.message if child.error else str(call.get("problem") or child.status.value)
    return json.dumps({"error": message}, ensure_ascii=False)


def prompt_messages(value: Json) -> list[dict[str, Json]]:
    """Return an agent's input as messages: a text, `{"prompt": …}`, `{"messages": […]}`, or any JSON as text."""
    match value:
        case str():
            return [{"role": "user", "content": value}]
        case {"prompt": str(prompt)}:
            return [{"role": "user", "content": prompt}]
        case {"messages": [*messages]}:
            return [message for message in messages if isinstance(message, dict)]
        case _:
            return [{"role": "user", "content": json.dumps(value, ensure_ascii=False)}]


def structured_value(agent: NodeState) -> Any:
    """Return the last turn's text read as JSON; None if it is not JSON."""
    assert agent.frame is not None  # noqa: S101 - agents only
    text = str((agent.frame.turns[-1].output or {}).get("text") or "")
    try:
        return json.loads(_strip_fence(text))
    except ValueError:
        return None


def _strip_fence(text: str) -> str:
    text = text.strip()
    if text.startswith("```"):
        text = text.split("\n", 1)[-1].rsplit("```", 1)[0]
    return text


def output_problem(run: RunState, agent: NodeState) -> str | None:
    """Return why the last turn's text is not the structured output that was asked for, or None if it is fine."""
    schema = output_schema_of(agent)
    if schema is None:
        return None
    value = structured_value(agent)
    if value is None:
        return "it is not JSON"
    try:
        run.check(schema, value)
    except InvalidInput as error:
        return error.message.partition(": ")[2]
    assert agent.frame is not None  # noqa: S101 - agents only
    prefix = f"{agent.path}/" if agent.path else ""
    checked = run.nodes.get(f"{prefix}~check{len(agent.frame.turns) - 1}")
    if checked is not None and checked.status is StepStatus.FAILED and checked.error is not None:
        return checked.error.message
    return None


def agent_output(agent: NodeState) -> Json:
    """Return what an agent gives as a step or as a run: its structured output, else its text."""
    assert agent.frame is not None  # noqa: S101 - agents only
    if agent.frame.bail is not None:
        return agent.frame.bail[0]
    if not agent.frame.turns:
        return None
    if output_schema_of(agent) is not None:
        return structured_value(agent)
    return str((agent.frame.turns[-1].output or {}).get("text") or "")


def finish_reason(agent: NodeState) -> str:
    """Return why the agent stopped."""
    assert agent.frame is not None  # noqa: S101 - agents only
    frame = agent.frame
    if agent.status is StepStatus.CANCELED:
        return "canceled"
    if agent.status is StepStatus.FAILED:
        return "error"
    if not agent.is_final:
        return "suspended"
    if frame.calls and frame.turns and frame.calls[-1]["turn"] == len(frame.turns) - 1:
        return "max_steps"
    return str((frame.turns[-1].output or {}).get("finish_reason") or "stop") if frame.turns else "stop"
