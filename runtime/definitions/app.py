"""Apps: all definitions of one application, checked as a whole, as a plan and a table of code."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

import msgspec

from greenroom.runtime.contracts.errors import DefinitionError
from greenroom.runtime.contracts.plan import BundlePlan
from greenroom.runtime.definitions.agent import Agent
from greenroom.runtime.definitions.body import Body
from greenroom.runtime.definitions.codebook import CodeBook
from greenroom.runtime.definitions.fingerprint import bundle_id
from greenroom.runtime.definitions.limit import Limit
from greenroom.runtime.definitions.plans import plan_agent, plan_tool, plan_workflow
from greenroom.runtime.definitions.references import check_references
from greenroom.runtime.definitions.registry import AnyTool, Registry
from greenroom.runtime.definitions.workflow import Workflow


class App:
    """The definitions of one application, as they are when it is made.

    What they use is part of the app too: the tools of agents, the agents and workflows that stand in workflows.

    >>> app = App(workflows=[Workflow("shout").then(str.upper)])
    >>> list(app.plan.workflows), list(app.code)
    (['shout'], ['shout/upper'])

    Args:
        agents: Agents that are called by themselves.
        workflows: Workflows.
        tools: Tools or plain functions.
        name: Shown to people.
        limits: Limits by name, for `limits=` of steps, tools and agents; the configuration may override them.

    Raises:
        DefinitionError: Something in it cannot run; the message names the place.
    """

    def __init__(
        self,
        agents: Iterable[Agent] = (),
        workflows: Iterable[Workflow] = (),
        tools: Iterable[Any] = (),
        name: str | None = None,
        limits: Mapping[str, Limit] | None = None,
    ) -> None:
        self.name = name
        self._limits = {name: limit.plan for name, limit in sorted((limits or {}).items())}
        registry = Registry()
        for kind, wanted, given in (
            ("tools", None, tools),
            ("agents", Agent, agents),
            ("workflows", Workflow, workflows),
        ):
            for item in given:
                if wanted is not None and not isinstance(item, wanted):
                    raise DefinitionError(f"App({kind}=[…]) holds {item!r}, which is not of this kind.")
                registry.add(registry.callee_of(item))
        self._registry = registry
        self._plan: BundlePlan | None = None
        self._code: dict[str, Body] | None = None
        self._build()

    @property
    def plan(self) -> BundlePlan:
        """The definitions as data."""
        assert self._plan is not None  # noqa: S101 - set by _build
        return self._plan

    @property
    def code(self) -> dict[str, Body]:
        """The callables the plan names, by key."""
        if self._code is None:
            self._build()
        assert self._code is not None  # noqa: S101 - set by _build
        return self._code

    @property
    def workflows(self) -> Mapping[str, Workflow]:
        """Every workflow, by id."""
        return MappingProxyType(self._registry.workflows)

    @property
    def agents(self) -> Mapping[str, Agent]:
        """Every agent, by id."""
        return MappingProxyType(self._registry.agents)

    @property
    def tools(self) -> Mapping[str, AnyTool]:
        """Every tool, by id."""
        return MappingProxyType(self._registry.tools)

    def _build(self) -> None:
        registry, book = self._registry, CodeBook()
        tools = {id: plan_tool(tool, book) for id, tool in registry.tools.items()}
        agents = {id: plan_agent(agent, registry, book) for id, agent in registry.agents.items()}
        workflows = {id: plan_workflow(workflow, book) for id, workflow in registry.workflows.items()}
        check_references(workflows)
        self._code = book.bodies
        if self._plan is None:  # an app that came by value keeps the plan it was sent with
            plan = BundlePlan(id="", workflows=workflows, agents=agents, tools=tools, limits=self._limits)
            self._plan = msgspec.structs.replace(plan, id=bundle_id(plan, self._code))

    def __repr__(self) -> str:
        parts = {"agents": self.agents, "workflows": self.workflows, "tools": self.tools}
        shown = "; ".join(f"{kind}: {', '.join(found)}" for kind, found in parts.items() if found)
        return f"<app {self.name!r}: {shown or 'empty'}>" if self.name else f"<app: {shown or 'empty'}>"

    def __getstate__(self) -> dict[str, Any]:
        """Leave the code table behind: it is made again from the definitions."""
        return {**self.__dict__, "_code": None}
