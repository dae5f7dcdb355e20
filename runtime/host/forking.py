"""Executing a run again from one of its steps: as a new run (fork), or in place (rerun). Acknowledged when durable.

A fork takes the outcomes before the step over and leaves its parent as it is; a rerun keeps what it gives up in the
journal. Both need a run in which nothing moves.
"""

import asyncio
import hashlib
import json

import msgspec

from greenroom.runtime.contracts.entries import Fork, Rewound, RunStarted
from greenroom.runtime.contracts.errors import (
    AlreadyClaimed,
    InvalidInput,
    RequestError,
    RunNotFound,
    RunStillRunning,
)
from greenroom.runtime.contracts.plan import WorkflowPlan
from greenroom.runtime.contracts.records import KeyRow, Record, Table
from greenroom.runtime.contracts.requests import ForkRun, Rerun
from greenroom.runtime.contracts.statuses import RunStatus
from greenroom.runtime.contracts.values import Json
from greenroom.runtime.core.addressing import find_step
from greenroom.runtime.core.advance import start
from greenroom.runtime.core.compatible import why_incompatible
from greenroom.runtime.core.state import NodeState, RunState
from greenroom.runtime.core.step_input import checked_input
from greenroom.runtime.core.taking import stored_inputs, taken_over
from greenroom.runtime.host.batch import Batch
from greenroom.runtime.host.book import RunEntry
from greenroom.runtime.host.catalog import Catalog
from greenroom.runtime.host.doomed import workspace_name
from greenroom.runtime.host.engine import Engine
from greenroom.runtime.host.named_locks import NamedLocks


class Forking:
    """Forks and reruns."""

    def __init__(self, engine: Engine, catalog: Catalog) -> None:
        self._engine = engine
        self._catalog = catalog
        self._locks = NamedLocks()

    async def fork(self, request: ForkRun) -> dict[str, Json]:
        """Start a fork, or return the one that this key already started.

        Raises:
            RunNotFound, NotFound: There is no such run, or the step is none of it that has begun.
            RunStillRunning: Something moves in the run.
            InvalidInput: The input or the state does not fit; nothing was recorded.
            AlreadyClaimed: The key belongs to a run that was started with something else.
        """
        if request.key is None:
            return await self._find_or_fork(request)
        async with self._locks.hold(f"{request.workspace} {request.key}"):
            return await self._find_or_fork(request)

    async def _find_or_fork(self, request: ForkRun) -> dict[str, Json]:
        doomed = self._engine.book.doomed
        while True:
            count = await doomed.settled(workspace_name(request.workspace))
            try:
                found = await self._known(request)
                if found is not None:
                    return found
                entry = await self._at_rest(request)
            except RunNotFound:
                if doomed.count == count:
                    raise
                continue
            if doomed.count == count:
                return await self._begin(request, entry)

    async def rerun(self, request: Rerun) -> dict[str, Json]:
        """Let a run go back; what it had from the step on stays in its history.

        Raises:
            RunNotFound, NotFound, RunStillRunning, InvalidInput: As for a fork.
        """
        entry = await self._at_rest(request)
        run = entry.state
        if request.key is None or request.key not in run.rewind_keys:
            node = find_step(run, request.from_step)
            value = self._input(run, node, request)
            state = self._state(run, request)
            secrets = self._engine.secrets
            run.secrets.update(secrets.secret(request.request_context))
            rewound = Rewound(
                at=self._engine.clock.now(),
                path=node.path,
                has_input=request.has_input,
                input=value,
                has_state=state is not None,
                state=state or {},
                key=request.key,
                request_context=secrets.public(request.request_context),
            )
            await self._engine.record(entry, rewound)
        return {"run_id": run.run_id, "trace_id": run.started.trace_id, "status": run.status.value}

    async def _at_rest(self, request: ForkRun | Rerun) -> RunEntry:
        """Return a run in memory in which nothing moves and all of which is durable; there is no await behind that."""
        while True:
            entry, prefix = await self._engine.book.resolve(request.run_id, request.workspace)
            run = entry.state
            if prefix:
                raise _is_child(request, run.run_id, prefix)
            if isinstance(request, Rerun) and request.key is not None and request.key in run.rewind_keys:
                await _durable(entry)
                return entry
            if run.root.busy or run.status in {RunStatus.PENDING, RunStatus.RUNNING}:
                raise _still_running(request, run)
            if entry.durable is None or entry.durable.done():
                return entry
            with entry.held():
                await _durable(entry)

    async def _known(self, request: ForkRun) -> dict[str, Json] | None:
        if request.key is None:
            return None
        row = await self._engine.storage.get(Table.KEYS, (request.workspace, request.key))
        if not isinstance(row, KeyRow):
            return None
        if row.fingerprint != _fingerprint(request):
            message = f"key {request.key!r} already started run {row.run_id} with something else"
            raise AlreadyClaimed(message, {"run_id": row.run_id, "key": request.key})
        entry, _ = await self._engine.book.resolve(row.run_id, request.workspace)
        await _durable(entry)
        return _acknowledged(entry.state, is_new=False)

    async def _begin(self, request: ForkRun, parent: RunEntry) -> dict[str, Json]:
        engine, run = self._engine, parent.state
        engine.load.check(request.workspace)
        node = find_step(run, request.from_step)
        value = self._input(run, node, request)
        state = self._state(run, request)
        started = self._started(request, run, node, value, state)
        fork = started.fork
        assert fork is not None  # noqa: S101 - it was just made
        entry = engine.book.add(start(started, engine.bundles[started.bundle], engine.check))
        entry.state.stored = stored_inputs(run, fork.taken)
        entry.state.secrets.update(run.secrets | engine.secrets.secret(request.request_context))
        extra: list[Record] = []
        if request.key is not None:
            key = KeyRow(
                workspace=request.workspace,
                key=request.key,
                run_id=started.run_id,
                fingerprint=_fingerprint(request),
                at=started.at,
            )
            extra.append(key)
        batch = Batch()
        engine.collect(batch, entry, started, extra)
        entry.state.stored = {}
        await engine.commit(batch)
        return _acknowledged(entry.state, is_new=True)

    def _started(
        self, request: ForkRun, run: RunState, node: NodeState, value: Json, state: dict[str, Json] | None
    ) -> RunStarted:
        fork = Fork(
            run_id=run.run_id,
            path=node.path,
            taken=taken_over(node),
            has_input=request.has_input,
            input=value,
            has_state=state is not None,
        )
        return msgspec.structs.replace(
            run.started,
            at=self._engine.clock.now(),
            run_id=self._engine.ids.run_id(),
            bundle=self._bundle(run),
            state=state if state is not None else run.base_state,
            request_context=run.request_context | self._engine.secrets.public(request.request_context),
            key=request.key,
            trace_id=self._engine.ids.trace_id(),
            parent_span_id="",
            fork=fork,
        )

    def _bundle(self, run: RunState) -> str:
        """Return the parent's bundle; where its code cannot be loaded the newest, if the run fits it."""
        own, newest = run.bundle.id, self._catalog.newest
        if newest is None or newest == own or own not in self._engine.pools.problems:
            return own
        return own if why_incompatible(run, self._engine.bundles[newest]) else newest

    def _input(self, run: RunState, node: NodeState, request: ForkRun | Rerun) -> Json:
        if not request.has_input:
            return None
        return checked_input(run.bundle, node.node, node.path, request.input, self._engine.check)

    def _state(self, run: RunState, request: ForkRun | Rerun) -> dict[str, Json] | None:
        if request.state is None:
            return None
        plan = run.bundle.workflows.get(run.started.target) if run.started.kind == "workflow" else None
        if not isinstance(plan, WorkflowPlan):
            message = f"run {run.run_id} is one of {run.started.kind} {run.started.target!r}, which has no state"
            raise InvalidInput(message, {"issues": [{"field": "state", "message": "there is none"}]})
        checked: dict[str, Json] = self._catalog.checked(
            f"state for workflow {plan.id!r}", plan.state_schema, request.state
        )
        return checked


async def _durable(entry: RunEntry) -> None:
    """Return when all that was committed is durable; raises when it will not be."""
    while (durable := entry.durable) is not None:
        await asyncio.shield(durable)
        if entry.durable is durable:
            return


def _acknowledged(run: RunState, *, is_new: bool) -> dict[str, Json]:
    return {
        "run_id": run.run_id,
        "trace_id": run.started.trace_id,
        "status": run.status.value,
        "is_new": is_new,
    }


def _fingerprint(request: ForkRun) -> str:
    """Return what a key is bound to: the parent, the step, its input and the state."""
    told = ["fork", request.run_id, request.from_step, request.has_input, request.input, request.state]
    return hashlib.sha256(json.dumps(told, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _verb(request: ForkRun | Rerun) -> str:
    return "forked" if isinstance(request, ForkRun) else "rerun"


def _still_running(request: ForkRun | Rerun, run: RunState) -> RunStillRunning:
    what = "its callback still runs" if run.status.is_final else f"it is {run.status}"
    message = (
        f"run {run.run_id} cannot be {_verb(request)} now: {what}; wait until it has finished or is parked, "
        "or cancel it"
    )
    return RunStillRunning(message, {"run_id": run.run_id, "status": run.status.value})


def _is_child(request: ForkRun | Rerun, root_id: str, prefix: str) -> RequestError:
    step = f"{prefix}/{request.from_step}"
    message = (
        f"run {request.run_id} is part of run {root_id} and cannot be {_verb(request)} by itself; "
        f"take run {root_id} from step {step!r}"
    )
    return RequestError(message, {"run_id": request.run_id, "root_id": root_id, "from_step": step})
