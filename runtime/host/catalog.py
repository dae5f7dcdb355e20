"""The definitions a runtime knows: bundles, newest first, and where their code comes from."""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TypeAlias

import msgspec

from greenroom.runtime.contracts.errors import DefinitionError, InvalidInput, NotFound, RequestError
from greenroom.runtime.contracts.plan import (
    AgentPlan,
    BundlePlan,
    BundleSource,
    Schema,
    StepNode,
    ToolPlan,
    WorkflowPlan,
)
from greenroom.runtime.contracts.records import BundleRow, Record, Table
from greenroom.runtime.contracts.requests import Register
from greenroom.runtime.contracts.storage import Query
from greenroom.runtime.contracts.values import Json
from greenroom.runtime.core.plans import walk
from greenroom.runtime.host.engine import Engine

_plans = msgspec.msgpack.Decoder(BundlePlan)

Plan = WorkflowPlan | AgentPlan | ToolPlan


def refuse_unsupported(plan: BundlePlan) -> None:
    """Refuse what can be defined and is not carried out by this version.

    Raises:
        DefinitionError: It names everything that was found.
    """
    found: list[str] = []
    for agent in plan.agents.values():
        memory = agent.memory or {}
        found += [f"agent {agent.id!r}: input_guards"] * bool(agent.input_guards)
        found += [f"agent {agent.id!r}: output_guards"] * bool(agent.output_guards)
        found += [f"agent {agent.id!r}: memory.{name}" for name in ("recall", "working") if memory.get(name)]
    if found:
        message = f"this version does not carry out {'; '.join(found)}; leave it out"
        raise DefinitionError(message, {"unsupported": found})


def refuse_unlimited(plan: BundlePlan, known: set[str]) -> None:
    """Refuse definitions that name a limit which is nowhere set: they would run without one.

    Raises:
        DefinitionError: It names who asks for which limit.
    """
    asked = {f"agent {agent.id!r}": agent.options.limits for agent in plan.agents.values()}
    asked |= {f"tool {tool.id!r}": tool.options.limits for tool in plan.tools.values()}
    for workflow in plan.workflows.values():
        for node in walk(workflow.nodes):
            if isinstance(node, StepNode):
                asked[f"step {node.name!r} of workflow {workflow.id!r}"] = node.options.limits
    missing = {f"{who}: {name!r}" for who, names in asked.items() for name in names if name not in known}
    if missing:
        message = (
            f"no such limit: {'; '.join(sorted(missing))}; give App(limits={{…}}) or a section [limits.NAME] in the "
            f"configuration (there are: {', '.join(sorted(known)) or 'none'})"
        )
        raise DefinitionError(message, {"missing": sorted(missing), "known": sorted(known)})


Beside: TypeAlias = Callable[[BundlePlan, str], AbstractAsyncContextManager[Sequence[Record]]]
"""What is appended with a bundle, given it and the workspace that it was registered from."""


@asynccontextmanager
async def _nothing(_plan: BundlePlan, _workspace: str) -> AsyncGenerator[Sequence[Record], None]:
    yield ()


class Catalog:
    """Bundles by id; the newest is looked at first.

    Attributes:
        beside: What else is appended with a new bundle.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.beside: Beside = _nothing
        self._order: list[str] = []
        self._rows: dict[str, BundleRow] = {}

    async def load(self) -> None:
        """Read the bundles of the store."""
        async for page in self._engine.storage.scan(Table.BUNDLES, Query()):
            for row in page:
                assert isinstance(row, BundleRow)  # noqa: S101 - the table holds nothing else
                plan = self._engine.bundles[row.bundle] = _plans.decode(row.plan)
                self._engine.admitting.know(plan.limits)
                self._order.insert(0, row.bundle)
                self._rows[row.bundle] = row
                if row.target is not None:
                    source = BundleSource(target=row.target, search_path=row.search_path)
                    self._engine.pools.know(row.bundle, source)

    async def register(self, request: Register) -> dict[str, Json]:
        """Make a bundle the newest; the same definitions again change nothing.

        Raises:
            DefinitionError: It uses something that this runtime would not do: nothing is left out silently.
        """
        plan = _plans.decode(request.plan)
        refuse_unsupported(plan)
        refuse_unlimited(plan, {*plan.limits, *self._engine.admitting.limits})
        is_new = not self._order or self._order[0] != plan.id
        if is_new or self.is_drained(plan.id):
            row = BundleRow(
                bundle=plan.id,
                plan=request.plan,
                created_at=self._engine.clock.now(),
                target=request.source.target,
                search_path=request.source.search_path,
            )
            async with self.beside(plan, request.workspace) as rows:
                await self._engine.append([row, *rows])
            self._rows[plan.id] = row
            if plan.id in self._order:
                self._order.remove(plan.id)
            self._order.insert(0, plan.id)
        self._engine.bundles.setdefault(plan.id, plan)
        self._engine.admitting.know(plan.limits)
        self._engine.pools.know(plan.id, request.source)
        self._engine.pools.prestart(plan.id, ("steps", "agents") if plan.agents else ("steps",))
        return {"bundle": plan.id, "is_new": is_new}

    @property
    def newest(self) -> str | None:
        """Id of the newest bundle."""
        return self._order[0] if self._order else None

    def older(self) -> list[str]:
        """Return the ids of all bundles but the newest, newest first."""
        return self._order[1:]

    def is_drained(self, bundle: str) -> bool:
        """Tell whether no run is started with a bundle any more."""
        return bundle in self._rows and self._rows[bundle].is_drained

    async def set_drained(self, bundle: str, *, is_drained: bool) -> None:
        """Let a bundle take no new runs, or take them again; durable when this returns."""
        if self.is_drained(bundle) != is_drained:
            row = msgspec.structs.replace(self._rows[bundle], is_drained=is_drained)
            await self._engine.append([row])
            self._rows[bundle] = row

    def named(self, name: str) -> str:
        """Return the id of the bundle that begins like this.

        Raises:
            NotFound: None does, or several; the message lists them.
        """
        found = [bundle for bundle in self._order if bundle == name] or [
            bundle for bundle in self._order if name and bundle.startswith(name)
        ]
        if len(found) == 1:
            return found[0]
        names = ", ".join(found or self._order) or "none"
        message = f"bundle {name!r} {'fits several' if found else 'is not one of those there are'}: {names}"
        raise NotFound(message, {"bundle": name, "known": found or self._order})

    def find(self, kind: str, target: str) -> tuple[str, Plan]:
        """Return the newest bundle that has a definition and takes new runs, and its plan.

        Raises:
            NotFound: No bundle has it; the message lists what there is.
            RequestError: Those that have it are drained.
        """
        drained: list[str] = []
        for bundle_id in self._order:
            plan = self._table(bundle_id, kind).get(target)
            if plan is not None and not self.is_drained(bundle_id):
                return bundle_id, plan
            drained += [bundle_id] * (plan is not None)
        if drained:
            message = (
                f"{kind} {target!r} takes no new runs: bundle {', '.join(drained)} is drained; connect with an app "
                "that has it, or end the draining with `greenroom runs drain --undo`"
            )
            raise RequestError(message, {"kind": kind, "id": target, "drained": drained})
        known = sorted(self._table(self._order[0], kind)) if self._order else []
        message = f"there is no {kind} {target!r}; there are: {', '.join(known) or 'none'}"
        raise NotFound(message, {"kind": kind, "id": target, "known": known})

    def _table(self, bundle_id: str, kind: str) -> dict[str, Plan]:
        bundle = self._engine.bundles[bundle_id]
        tables: dict[str, dict[str, Plan]] = {
            "workflow": dict(bundle.workflows),
            "agent": dict(bundle.agents),
            "tool": dict(bundle.tools),
        }
        return tables[kind]

    def describe(self) -> dict[str, Json]:
        """Return the plans of the newest bundle as JSON."""
        if self.newest is None:
            return {"bundle": None, "workflows": {}, "agents": {}, "tools": {}}
        bundle = self._engine.bundles[self.newest]
        described: dict[str, Json] = msgspec.to_builtins(bundle)
        return {"workflows": {}, "agents": {}, "tools": {}} | described | {"bundle": bundle.id}

    def checked(self, what: str, schema: Schema | None, value: Json) -> Json:
        """Return a value with defaults applied.

        Raises:
            InvalidInput: It does not fit; every wrong field is listed.
        """
        if schema is None:
            return value
        try:
            return self._engine.check(schema, value)
        except InvalidInput as error:
            message = f"Invalid {what}: {error.message.partition(': ')[2]}"
            raise InvalidInput(message, error.facts) from None
