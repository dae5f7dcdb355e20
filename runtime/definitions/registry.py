"""Everything an app reaches, by id: what was listed, and what that uses in turn.

The same object may be met any number of times; two different ones may not share an id.
"""

import inspect
from types import TracebackType
from typing import Any, TypeAlias, TypeVar

from greenroom.runtime.contracts.errors import DefinitionError, DuplicateName, InvalidGraph
from greenroom.runtime.definitions.agent import Agent
from greenroom.runtime.definitions.parts import Branch, Foreach, Loop, Parallel, Part, Then
from greenroom.runtime.definitions.step import Step
from greenroom.runtime.definitions.tool import Tool
from greenroom.runtime.definitions.workflow import Workflow

AnyStep: TypeAlias = Step[..., Any]
AnyTool: TypeAlias = Tool[..., Any]
Member: TypeAlias = AnyStep | AnyTool | Agent | Workflow
Callee: TypeAlias = AnyTool | Agent | Workflow

_Found = TypeVar("_Found", AnyTool, Agent, Workflow)


def member_of(given: Any) -> Member:
    """Return what may stand in a workflow; a plain function becomes a step.

    Raises:
        InvalidGraph: It is none of the things a workflow is made of.
    """
    if isinstance(given, Step | Tool | Agent | Workflow):
        member: Member = given  # pyright: ignore[reportUnknownVariableType] # what it returns is its user's
        return member
    if callable(given) and not inspect.isclass(given):
        return Step(given)
    raise InvalidGraph(f"{given!r} is not a step, function, tool, agent or workflow")


def members_of(part: Part) -> tuple[Any, ...]:
    """Return the members of a part as they were given."""
    match part:
        case Then() | Loop() | Foreach():
            return (part.member,)
        case Parallel():
            return part.members
        case Branch():
            return tuple(member for _, member in part.pairs)
        case _:
            return ()


class Registry:
    """The definitions of one app, in the order they were met."""

    def __init__(self) -> None:
        self.workflows: dict[str, Workflow] = {}
        self.agents: dict[str, Agent] = {}
        self.tools: dict[str, AnyTool] = {}
        self._made: dict[int, AnyTool] = {}

    def callee_of(self, given: Any) -> Callee:
        """Return what an agent may call; a plain function becomes a tool, the same one each time.

        Raises:
            DefinitionError: It is none of the things an agent may call.
        """
        if isinstance(given, Tool | Agent | Workflow):
            callee: Callee = given  # pyright: ignore[reportUnknownVariableType] # what it returns is its user's
            return callee
        if isinstance(given, Step):
            raise DefinitionError(f"{given!r} is a step; an agent calls tools, functions, agents and workflows.")
        if not callable(given):
            raise DefinitionError(f"{given!r} is not a tool, function, agent or workflow.")
        return self._made.setdefault(id(given), Tool(given))

    def add(self, callee: Callee) -> None:
        """Add a definition and everything it uses.

        Raises:
            DuplicateName: Another definition has its id.
            InvalidGraph: A workflow nests itself.
        """
        self._add(callee, ())

    def _add(self, member: Member, above: tuple[Workflow, ...]) -> None:
        match member:
            case Step():
                pass
            case Tool():
                _put("tool", self.tools, member)
            case Agent():
                if _put("agent", self.agents, member):
                    for given in member.tools:
                        self._add_callee(member, given)
            case Workflow():
                self._add_workflow(member, above)

    def _add_callee(self, agent: Agent, given: Any) -> None:
        try:
            callee = self.callee_of(given)
        except DefinitionError as error:
            raise type(error)(f"agent {agent.id!r}: {error.message}", error.facts) from None
        self._add(callee, ())

    def _add_workflow(self, workflow: Workflow, above: tuple[Workflow, ...]) -> None:
        if workflow in above:
            circle = " → ".join(item.id for item in (*above[above.index(workflow) :], workflow))
            raise InvalidGraph(f"workflow {workflow.id!r} nests itself: {circle}", {"workflows": [workflow.id]})
        if not _put("workflow", self.workflows, workflow):
            return
        for position, part in enumerate(workflow.parts, start=1):
            for given in members_of(part):
                with place(workflow, position, part):
                    member = member_of(given)
                self._add(member, (*above, workflow))


def _put(kind: str, known: dict[str, _Found], definition: _Found) -> bool:
    """Add a definition; False if it was there before.

    Raises:
        DuplicateName: A different one has the id.
    """
    found = known.get(definition.id)
    if found is None:
        known[definition.id] = definition
    elif found is not definition:
        raise DuplicateName(
            f"Two different {kind}s have the id {definition.id!r}; give one of them another id.",
            {"kind": kind, "id": definition.id},
        )
    return found is None


class place:  # noqa: N801 - reads as a phrase: with place(workflow, 3, part)
    """Says in which node of which workflow a definition is wrong."""

    def __init__(self, workflow: Workflow, position: int, part: Part) -> None:
        self._where = f"workflow {workflow.id!r}, node {position} ({part.kind})"
        self._facts = {"workflow": workflow.id, "node": position, "kind": part.kind}

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Raise a definition error again, with the place in front."""
        if isinstance(error, DefinitionError):
            raise type(error)(f"{self._where}: {error.message}", {**error.facts, **self._facts}) from None
