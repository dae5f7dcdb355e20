"""A workflow's parts as the nodes of its plan: named, checked, with the code they call in the code book."""

# Checks what users wrote, which may be anything, and reads JSON Schemas, which are dicts of anything.
# pyright: reportUnknownArgumentType=false, reportUnknownMemberType=false, reportUnknownVariableType=false

import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from greenroom.runtime.contracts.errors import DuplicateName, InvalidGraph
from greenroom.runtime.contracts.plan import (
    AgentNode,
    BranchNode,
    ForeachNode,
    LoopNode,
    MapNode,
    Node,
    ParallelNode,
    Schema,
    SignalNode,
    SleepNode,
    Source,
    StepNode,
    WorkflowNode,
)
from greenroom.runtime.definitions.agent import Agent
from greenroom.runtime.definitions.codebook import CodeBook
from greenroom.runtime.definitions.naming import name_of
from greenroom.runtime.definitions.parts import (
    MISSING,
    Branch,
    Foreach,
    Loop,
    Map,
    Parallel,
    Part,
    Signal,
    Sleep,
    Then,
    is_pair,
)
from greenroom.runtime.definitions.registry import AnyStep, member_of, place
from greenroom.runtime.definitions.schema import has_validators, input_schema, output_schema
from greenroom.runtime.definitions.step import Step
from greenroom.runtime.definitions.tool import Tool
from greenroom.runtime.definitions.values import dump
from greenroom.runtime.definitions.workflow import Workflow

_OBJECT: Final[Schema] = {"type": "object"}
_LIST: Final[Schema] = {"type": "array"}
_TEXT: Final[Schema] = {"type": "string"}


class Graph:
    """Compiles the parts of one workflow.

    Attributes:
        value: Schema of the value that flows at the point reached, or None where it is not known.
    """

    def __init__(self, workflow: Workflow, book: CodeBook) -> None:
        self._workflow = workflow
        self._book = book
        self._uses: dict[str, int] = {}
        self.value: Schema | None = input_schema(workflow.input)

    def nodes(self) -> tuple[Node, ...]:
        """Return the nodes of the plan.

        Raises:
            DefinitionError: A part cannot run; the message names it.
        """
        if not self._workflow.parts:
            raise InvalidGraph(
                f"workflow {self._workflow.id!r} is empty; give it a first step with .then(…).",
                {"workflow": self._workflow.id},
            )
        found: list[Node] = []
        for position, part in enumerate(self._workflow.parts, start=1):
            with place(self._workflow, position, part):
                found.append(self._node(part, position))
        return tuple(found)

    def _node(self, part: Part, position: int) -> Node:
        match part:
            case Then():
                node, self.value = self._member(part.member)
                return node
            case Parallel():
                return self._parallel(part, position)
            case Branch():
                return self._branch(part, position)
            case Loop():
                return self._loop(part)
            case Foreach():
                return self._foreach(part)
            case Map():
                return self._map(part)
            case Sleep():
                return self._sleep(part)
            case Signal():
                return self._signal(part)

    def _name(self, id: str) -> str:
        count = self._uses[id] = self._uses.get(id, 0) + 1
        return id if count == 1 else f"{id}#{count}"

    def _key(self, name: str) -> str:
        return f"{self._workflow.id}/{name}"

    def _member(self, given: Any) -> tuple[Node, Schema | None]:
        """Return the node of a member and the schema of its output."""
        member = member_of(given)
        name = self._name(member.id)
        match member:
            case Step():
                node = self._step(member, name)
                return node, node.output_schema
            case Tool():
                node = StepNode(
                    name=name,
                    id=member.id,
                    description=member.description,
                    code=f"tool/{member.id}",
                    tool=member.id,
                    options=member.plan_options,
                    input_schema=member.input_schema(),
                    output_schema=output_schema(member.output),
                )
                return node, node.output_schema
            case Agent():
                schema = _TEXT if member.output is None else input_schema(member.output)
                return AgentNode(name=name, id=member.id, description=member.description, agent=member.id), schema
            case Workflow():
                schema = output_schema(member.output)
                return WorkflowNode(name=name, id=member.id, description=member.description, workflow=member.id), schema

    def _step(self, step: AnyStep, name: str) -> StepNode:
        key = self._key(name)
        validate = step.options.data.validate and self._workflow.validate
        found = self._book.add_step(key, step, name, run_input=self._workflow.input, validate=validate)
        reconcile = self._book.add_reconcile(key, step.options, f"step {name!r}")
        return StepNode(
            name=name,
            id=step.id,
            description=step.description,
            code=key,
            options=msgspec.structs.replace(
                step.options.data,
                reconcile=reconcile,
                validate=validate,
                takes_context=found.takes_context,
                is_threaded=not found.is_async and not step.options.data.needs_task,
            ),
            input_schema=input_schema(found.input_type),
            output_schema=output_schema(found.output_type),
            resume_schema=input_schema(step.resume),
            suspend_schema=output_schema(step.suspend),
            checks_resume=has_validators(step.resume),
        )

    def _members(self, given: tuple[Any, ...]) -> tuple[Node, ...]:
        seen: set[str] = set()
        for item in given:
            id = member_of(item).id
            if id in seen:
                raise DuplicateName(f"two members have the id {id!r}; the output is keyed by id", {"id": id})
            seen.add(id)
        return tuple(self._member(item)[0] for item in given)

    def _parallel(self, part: Parallel, position: int) -> ParallelNode:
        if not part.members:
            raise InvalidGraph("it has no members")
        node = ParallelNode(name=f"~{position}", members=self._members(part.members), allow_failure=part.allow_failure)
        self.value = _OBJECT
        return node

    def _branch(self, part: Branch, position: int) -> BranchNode:
        if not part.arms:
            raise InvalidGraph("it has no members")
        if len(part.pairs) < len(part.arms):
            number, arm = next((n, arm) for n, arm in enumerate(part.arms, start=1) if not is_pair(arm))
            raise InvalidGraph(f"member {number} has no condition; write (condition, member), not {arm!r}")
        for number, (condition, _) in enumerate(part.pairs, start=1):
            if not callable(condition):
                raise InvalidGraph(f"the condition of member {number} is not a function: {condition!r}")
        members = self._members(tuple(member for _, member in part.pairs))
        name = f"~{position}"
        names = tuple(name_of(condition) for condition, _ in part.pairs)
        keys = tuple(
            self._call(f"{name}.condition[{index}]", condition, f"condition {names[index]!r}")
            for index, (condition, _) in enumerate(part.pairs)
        )
        self.value = _OBJECT
        return BranchNode(name=name, members=members, conditions=keys, condition_names=names)

    def _loop(self, part: Loop) -> LoopNode:
        _check_count("max_iterations", part.max_iterations)
        if not callable(part.condition):
            raise InvalidGraph(f"its condition is not a function: {part.condition!r}")
        body, self.value = self._member(part.member)
        key = self._call(f"{body.name}.condition", part.condition, f"condition {name_of(part.condition)!r}")
        return LoopNode(
            name=body.name, id=body.id, body=body, code=key, until=part.until, max_iterations=part.max_iterations
        )

    def _foreach(self, part: Foreach) -> ForeachNode:
        _check_count("concurrency", part.concurrency)
        if self.value is not None and is_list(self.value, self.value) is False:
            raise InvalidGraph(f"its input is not a list: the value before it is {_described(self.value)}")
        body, output = self._member(part.member)
        self.value = _LIST if output is None else {"type": "array"}
        return ForeachNode(
            name=body.name, id=body.id, body=body, concurrency=part.concurrency, allow_failure=part.allow_failure
        )

    def _map(self, part: Map) -> MapNode:
        name = self._name(part.id)
        if isinstance(part.shape, Mapping):
            shape: Mapping[Any, Any] = part.shape
            for key, source in shape.items():
                if not isinstance(key, str) or not isinstance(source, Source):
                    raise InvalidGraph(f"{key!r} does not say where it comes from; use from_step, constant(…) …")
            self.value = _OBJECT
            return MapNode(name=name, id=part.id, mapping=dict(part.shape))
        if not callable(part.shape):
            raise InvalidGraph(f"it takes a function or a dict of sources, not {part.shape!r}")
        found = self._book.add_function(
            self._key(name),
            part.shape,
            f"map {name!r}",
            run_input=self._workflow.input,
            validate=self._workflow.validate,
        )
        self.value = output_schema(found.output_type)
        return MapNode(name=name, id=part.id, code=self._key(name))

    def _sleep(self, part: Sleep) -> SleepNode:
        name = self._name(part.id)
        match part.length:
            case datetime() if part.is_until:
                if part.length.tzinfo is None:
                    raise InvalidGraph(f"its time has no zone: {part.length.isoformat()}; use datetime(…, tzinfo=UTC)")
                return SleepNode(name=name, id=part.id, until=part.length.isoformat(), is_until=True)
            case timedelta() if not part.is_until:
                return SleepNode(name=name, id=part.id, seconds=max(0.0, part.length.total_seconds()))
            case int() | float() if not part.is_until and not isinstance(part.length, bool):
                return SleepNode(name=name, id=part.id, seconds=max(0.0, float(part.length)))
            case _ if callable(part.length):
                key = self._call(name, part.length, f"{part.kind} {name!r}")
                return SleepNode(name=name, id=part.id, code=key, is_until=part.is_until)
            case _:
                wanted = "a datetime" if part.is_until else "seconds, a timedelta"
                raise InvalidGraph(f"it takes {wanted} or a function, not {part.length!r}")

    def _signal(self, part: Signal) -> SignalNode:
        if part.timeout_s is not None and part.timeout_s <= 0:
            raise InvalidGraph(f"timeout_s is above 0, not {part.timeout_s!r}")
        name = self._name(part.id)
        self.value = input_schema(part.schema)
        return SignalNode(
            name=name,
            id=part.id,
            signal=part.signal,
            schema=self.value,
            checks_payload=self._book.add_check(
                f"{self._key(name)}.payload", part.schema, f"payload of signal {part.signal!r}"
            ),
            timeout_s=part.timeout_s,
            has_default=part.default is not MISSING,
            default=None if part.default is MISSING else dump(part.default),
        )

    def _call(self, name: str, function: Callable[..., Any], title: str) -> str:
        """Add a callable whose result the engine itself reads, so that its annotation is not enforced."""
        key = self._key(name)
        self._book.add_function(key, function, title, run_input=self._workflow.input, validate=self._workflow.validate)
        return key


def _check_count(name: str, count: object) -> None:
    if isinstance(count, bool) or not isinstance(count, int) or count < 1:
        raise InvalidGraph(f"{name} is 1 or more, not {count!r}")


def is_list(schema: Any, root: Schema) -> bool | None:
    """Tell whether what fits a schema is a list: True if it may be, False if it cannot be, None if nothing is said.

    >>> is_list({"type": "string"}, {}), is_list({"anyOf": [{"type": "array"}, {"type": "null"}]}, {}), is_list({}, {})
    (False, True, None)
    """
    if not isinstance(schema, dict):
        return None
    pointer = schema.get("$ref")
    if isinstance(pointer, str):
        found = re.fullmatch(r"#/\$defs/(.+)", pointer)
        return is_list(root.get("$defs", {}).get(found[1]), root) if found else None
    kind = schema.get("type")
    if kind is not None:
        return "array" in ([kind] if isinstance(kind, str) else kind)
    if "const" in schema or "enum" in schema:
        return any(isinstance(value, list) for value in schema.get("enum", [schema.get("const")]))
    arms = [is_list(arm, root) for arm in schema.get("anyOf") or schema.get("oneOf") or ()]
    if not arms or None in arms:
        return True if True in arms else None
    return any(arms)


def _described(schema: Schema) -> str:
    title = schema.get("title")
    kind = schema.get("type", "of another type")
    return f"{kind} {title!r}" if title else str(kind)
