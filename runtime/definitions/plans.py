"""The plans of an app's definitions: each as data, its callables in the code book."""

import re
from typing import Any, Final

from greenroom.runtime.contracts.errors import DefinitionError, DuplicateName, InvalidGraph
from greenroom.runtime.contracts.plan import AgentPlan, Schema, ToolPlan, ToolRef, WorkflowPlan, empty_object_schema
from greenroom.runtime.definitions.agent import Agent
from greenroom.runtime.definitions.codebook import CodeBook
from greenroom.runtime.definitions.graph import Graph
from greenroom.runtime.definitions.naming import name_of
from greenroom.runtime.definitions.options import read_options
from greenroom.runtime.definitions.registry import AnyTool, Callee, Registry
from greenroom.runtime.definitions.schedule import plan_schedules
from greenroom.runtime.definitions.schema import input_schema, output_schema
from greenroom.runtime.definitions.tool import Tool
from greenroom.runtime.definitions.workflow import Workflow

MAX_CALL_NAME: Final = 64
"""Longest name of a function that providers take."""


def plan_tool(tool: AnyTool, book: CodeBook) -> ToolPlan:
    """Return the plan of a tool.

    Raises:
        DefinitionError: Its parameters cannot be read.
    """
    key, title = f"tool/{tool.id}", f"tool {tool.id!r}"
    book.add_tool(key, tool)
    book.add_reconcile(key, tool.options, title)
    approval: str | None = None
    if callable(tool.requires_approval):
        approval = f"{key}.approval"
        book.add_function(approval, tool.requires_approval, f"approval of {title}")
    return ToolPlan(
        id=tool.id,
        code=key,
        description=tool.description,
        input_schema=tool.input_schema(),
        output_schema=output_schema(tool.output),
        options=tool.plan_options,
        requires_approval=tool.requires_approval is True,
        approval=approval,
    )


def plan_agent(agent: Agent, registry: Registry, book: CodeBook) -> AgentPlan:
    """Return the plan of an agent.

    Raises:
        DefinitionError: A callable of it cannot be read, or two of its tools have one name.
    """
    key, title = f"agent/{agent.id}", f"agent {agent.id!r}"
    instructions, code = agent.instructions, None
    if not isinstance(instructions, str):
        code = f"{key}.instructions"
        book.add_function(code, instructions, f"instructions of {title}", context_only=True)
    return AgentPlan(
        id=agent.id,
        models=agent.models,
        instructions=instructions if isinstance(instructions, str) else "",
        instructions_code=code,
        description=agent.description,
        tools=_tool_refs(agent, registry),
        output_schema=input_schema(agent.output),
        output_code=book.add_check(f"{key}.output", agent.output, f"output of {title}"),
        output_retries=agent.output_retries,
        max_steps=agent.max_steps,
        settings=dict(agent.settings),
        memory=None if agent.memory is None else agent.memory.to_json(),
        input_guards=_guards(agent, "input_guards", book),
        output_guards=_guards(agent, "output_guards", book),
        options=read_options(
            title,
            {
                "retries": agent.retries,
                "timeout_s": agent.timeout_s,
                "num_cpus": agent.num_cpus,
                "num_gpus": agent.num_gpus,
                "resources": dict(agent.resources),
                "labels": dict(agent.labels),
                "limits": agent.limits,
                "priority": agent.priority,
            },
        ).data,
    )


def _guards(agent: Agent, which: str, book: CodeBook) -> tuple[str, ...]:
    keys: list[str] = []
    for index, guard in enumerate(getattr(agent, which)):
        if not callable(guard):
            raise DefinitionError(f"agent {agent.id!r}: {which}[{index}] is not a function: {guard!r}.")
        keys.append(f"agent/{agent.id}.{which}[{index}]")
        book.add_function(keys[-1], guard, f"guard {name_of(guard)!r} of agent {agent.id!r}")
    return tuple(keys)


def _tool_refs(agent: Agent, registry: Registry) -> tuple[ToolRef, ...]:
    found: dict[str, ToolRef] = {}
    for given in agent.tools:
        reference = _tool_ref(registry.callee_of(given))
        if reference.name in found:
            raise DuplicateName(
                f"agent {agent.id!r}: two of its tools are called {reference.name!r}; give one another id.",
                {"agent": agent.id, "name": reference.name},
            )
        found[reference.name] = reference
    return tuple(found.values())


def _tool_ref(callee: Callee) -> ToolRef:
    name = re.sub(r"[^A-Za-z0-9_-]", "_", callee.id)[:MAX_CALL_NAME]
    match callee:
        case Tool():
            return ToolRef(
                name=name,
                kind="tool",
                target=callee.id,
                description=callee.description,
                input_schema=callee.input_schema(),
            )
        case Agent():
            return ToolRef(
                name=name,
                kind="agent",
                target=callee.id,
                description=callee.description,
                input_schema=prompt_schema(),
            )
        case Workflow():
            return ToolRef(
                name=name,
                kind="workflow",
                target=callee.id,
                description=callee.description,
                input_schema=input_schema(callee.input) or empty_object_schema(),
            )


def prompt_schema() -> Schema:
    """Return the schema of a call to an agent: one text."""
    prompt = {"type": "string", "description": "What the agent shall do, with everything it needs to know."}
    return {"type": "object", "properties": {"prompt": prompt}, "required": ["prompt"], "additionalProperties": False}


def plan_workflow(workflow: Workflow, book: CodeBook) -> WorkflowPlan:
    """Return the plan of a workflow.

    Raises:
        DefinitionError: A part of it cannot run; the message names it.
    """
    title = f"workflow {workflow.id!r}"
    retries: Any = workflow.retries
    if isinstance(retries, bool) or not isinstance(retries, int) or retries < 0:
        raise InvalidGraph(f"{title}: retries is 0 or more, not {retries!r}.", {"workflow": workflow.id})
    if workflow.timeout_s is not None and workflow.timeout_s <= 0:
        raise InvalidGraph(f"{title}: timeout_s is above 0, not {workflow.timeout_s!r}.", {"workflow": workflow.id})
    try:
        return WorkflowPlan(
            id=workflow.id,
            nodes=Graph(workflow, book).nodes(),
            description=workflow.description,
            input_schema=input_schema(workflow.input),
            output_schema=output_schema(workflow.output),
            state_schema=input_schema(workflow.state),
            own_state=workflow.state is not None,
            retries=retries,
            timeout_s=workflow.timeout_s,
            validate=workflow.validate,
            checks_input=book.add_check(f"{workflow.id}.input", workflow.input, title),
            on_finish=_callback(workflow, "on_finish", book),
            on_error=_callback(workflow, "on_error", book),
            schedules=plan_schedules(workflow.schedule, workflow.input if workflow.validate else None),
        )
    except DefinitionError as error:
        if error.message.startswith(title):
            raise
        raise type(error)(f"{title}: {error.message}", {**error.facts, "workflow": workflow.id}) from None


def _callback(workflow: Workflow, which: str, book: CodeBook) -> str | None:
    function: Any = getattr(workflow, which)
    if function is None:
        return None
    if not callable(function):
        raise DefinitionError(f"{which} is not a function: {function!r}")
    key = f"{workflow.id}.{which}"
    book.add_function(key, function, f"{which} of workflow {workflow.id!r}", run_input=workflow.input)
    return key
