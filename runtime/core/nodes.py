"""Nodes that exist only inside a run, and the index that finds a plan's node by its name.

A plan says what the user drew. While it runs, more things have an address: the conditions of a branch, an agent's
model turns and tool calls, callbacks. They are nodes here, so that one kind of state serves all. Names that begin
with `~` or hold `?` are internal: they are journaled like the others and never shown as steps.
"""

from functools import lru_cache
from typing import Literal, TypeAlias

import msgspec

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
    StepNode,
    StepOptions,
    WorkflowNode,
    WorkflowPlan,
)
from greenroom.runtime.contracts.work import WorkKind

INTERNAL_OPTIONS = StepOptions(retries=0)


class BodyNode(msgspec.Struct, frozen=True, kw_only=True):
    """Code the engine itself calls: a condition, a callback, an approval rule, computed instructions, a check."""

    name: str
    code: str
    work: WorkKind
    id: str = ""
    options: StepOptions = INTERNAL_OPTIONS


class TurnNode(msgspec.Struct, frozen=True, kw_only=True):
    """One model turn of an agent."""

    name: str
    agent: str
    id: str = "turn"


class CallNode(msgspec.Struct, frozen=True, kw_only=True):
    """One tool call of an agent, or a tool called by a body. `position` is its place among the turn's calls."""

    name: str
    tool: str
    code: str
    id: str = ""
    call_id: str = ""
    options: StepOptions = StepOptions()


class RefusedNode(msgspec.Struct, frozen=True, kw_only=True):
    """A tool call that cannot be made: an unknown tool or invalid arguments."""

    name: str
    tool: str
    id: str = ""
    call_id: str = ""


RunNode: TypeAlias = Node | BodyNode | TurnNode | CallNode | RefusedNode

FrameKind: TypeAlias = Literal["workflow", "agent", "tool"]


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where a name stands in a workflow: its node, and the block around it if it is a member of one."""

    node: Node
    block: str | None
    position: int


@lru_cache(maxsize=512)
def _places(key: "_PlanKey") -> dict[str, Place]:
    found: dict[str, Place] = {}
    for position, node in enumerate(key.plan.nodes):
        found[node.name] = Place(node=node, block=None, position=position)
        if isinstance(node, ParallelNode | BranchNode):
            for index, member in enumerate(node.members):
                found[member.name] = Place(node=member, block=node.name, position=index)
    return found


class _PlanKey:
    """Lets the cache hold a plan by identity: plans hold dicts and cannot be hashed."""

    __slots__ = ("plan",)

    def __init__(self, plan: WorkflowPlan) -> None:
        self.plan = plan

    def __hash__(self) -> int:
        return id(self.plan)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _PlanKey) and other.plan is self.plan


def places_of(plan: WorkflowPlan) -> dict[str, Place]:
    """Return every name of the workflow's own sequence with where it stands."""
    return _places(_PlanKey(plan))


def work_of(node: RunNode) -> tuple[WorkKind, str, StepOptions] | None:
    """Return what kind of body the node runs, its code and its options; None for a node without a body."""
    match node:
        case StepNode():
            return ("tool" if node.tool else "step"), node.code, node.options
        case MapNode(code=str(code)):
            return "map", code, INTERNAL_OPTIONS
        case SleepNode(code=str(code)):
            return "duration", code, INTERNAL_OPTIONS
        case BodyNode():
            return node.work, node.code, node.options
        case TurnNode():
            return "turn", node.agent, INTERNAL_OPTIONS
        case CallNode():
            return "tool", node.code, node.options
        case _:
            return None


def is_internal(path: str) -> bool:
    """Tell whether a path is the engine's own and not to be shown as a step."""
    return "~" in path or "?" in path


def kind_of(node: RunNode) -> str:
    """Return the word for the kind of a node, as events and results show it."""
    match node:
        case StepNode():
            return "tool" if node.tool else "step"
        case AgentNode():
            return "agent"
        case WorkflowNode():
            return "workflow"
        case MapNode():
            return "map"
        case SleepNode():
            return "sleep"
        case SignalNode():
            return "signal"
        case ParallelNode():
            return "parallel"
        case BranchNode():
            return "branch"
        case LoopNode():
            return "loop"
        case ForeachNode():
            return "foreach"
        case BodyNode():
            return node.work
        case TurnNode():
            return "turn"
        case CallNode() | RefusedNode():
            return "tool"
