"""Steering runs: resume, approve, signal, cancel, advance. Each is acknowledged when durable."""

import asyncio

from greenroom.runtime.contracts.entries import Advanced, CancelRequested, Fact, Resumed, Signaled
from greenroom.runtime.contracts.errors import (
    AlreadyClaimed,
    InvalidInput,
    NotFound,
    RunFinished,
    RunNotSuspended,
    RunStillRunning,
)
from greenroom.runtime.contracts.plan import StepNode
from greenroom.runtime.contracts.requests import Advance, Cancel, Resume, Settle, Signal
from greenroom.runtime.contracts.statuses import RunStatus, StepStatus
from greenroom.runtime.contracts.values import Json
from greenroom.runtime.core.addressing import find_resumed, find_suspended, suspension_of
from greenroom.runtime.core.agent_state import call_of
from greenroom.runtime.core.plans import signal_nodes
from greenroom.runtime.core.state import NodeState, RunState
from greenroom.runtime.core.view import child_status
from greenroom.runtime.host.batch import Batch
from greenroom.runtime.host.book import RunEntry
from greenroom.runtime.host.catalog import Catalog
from greenroom.runtime.host.engine import Engine
from greenroom.runtime.host.starting import Starter


class Steering:
    """Changes runs on request."""

    def __init__(self, engine: Engine, catalog: Catalog, starter: Starter) -> None:
        self._engine = engine
        self._catalog = catalog
        self._starter = starter

    async def resume(self, request: Resume) -> dict[str, Json]:
        """Resume a suspended step, or all suspended items of a foreach.

        Raises:
            RunNotFound, RunFinished, RunNotSuspended, AmbiguousResume: Nothing, or too much, fits the request.
            AlreadyClaimed: Somebody else resumed it first, or it is at another suspension than the one that is named.
            InvalidInput: The data does not fit the step's schema; the step stays suspended.
        """
        entry, prefix = await self._engine.book.resolve(request.run_id, request.workspace)
        run = entry.state
        if request.key is not None and _is_spent(run, request.key):
            return await self._acknowledge(entry)
        waiting = [(node, suspension_of(run, node)) for node in self._suspended(run, request, prefix)]
        with entry.held():
            data = [await self._data(run, node, request.data) for node, _ in waiting]
        if request.key is not None and _is_spent(run, request.key):
            return await self._acknowledge(entry)
        # Meanwhile another may have been first, and the step may even be at its next suspension.
        still = [(node, value) for (node, token), value in zip(waiting, data, strict=True) if _is_at(run, node, token)]
        if not still:
            raise _claimed(run, waiting[0][0])
        batch = Batch()
        run.secrets.update(self._engine.secrets.secret(request.request_context))
        for node, value in still:
            self._engine.collect(batch, entry, self._resumed(request, node, value))
        await self._engine.commit(batch)
        return {"run_id": request.run_id, "resumed": [node.path for node, _ in still], "status": run.status.value}

    def _resumed(self, request: Resume, node: NodeState, value: Json) -> Resumed:
        return Resumed(
            at=self._engine.clock.now(),
            path=node.path,
            data=value,
            key=request.key,
            request_context=self._engine.secrets.public(request.request_context),
        )

    def _suspended(self, run: RunState, request: Resume, prefix: str) -> list[NodeState]:
        try:
            return find_suspended(
                run,
                request.step,
                label=request.label,
                index=request.index,
                suspension=request.suspension,
                prefix=prefix,
            )
        except (RunNotSuspended, RunFinished):
            claimed = find_resumed(run, request.step, label=request.label, index=request.index, prefix=prefix)
            if claimed is not None:
                raise _claimed(run, claimed) from None
            raise

    async def _data(self, run: RunState, node: NodeState, data: Json) -> Json:
        """Return resume data as the step takes it, validated."""
        if node.in_doubt:
            if isinstance(data, dict) and data.get("outcome") in {"done", "retry"}:
                return data
            message = f"step {node.path} is in doubt; resume it with {{'outcome': 'done', 'output': …}} or 'retry'"
            raise InvalidInput(message, {"issues": [{"field": "outcome", "message": "must be 'done' or 'retry'"}]})
        if node.is_asked:
            if isinstance(data, dict) and isinstance(data.get("approved"), bool):
                return data
            message = f"tool call {node.path} waits for approval; resume it with {{'approved': true or false}}"
            raise InvalidInput(message, {"issues": [{"field": "approved", "message": "must be true or false"}]})
        step = node.node
        if not isinstance(step, StepNode) or not step.options.validate:
            return data
        checked = self._catalog.checked(f"resume data for step {node.path!r}", step.resume_schema, data)
        if step.checks_resume:
            bundle = run.bundle.id
            checked = await self._starter.check_on_worker(
                bundle, step.code, checked, f"resume data for step {node.path!r}"
            )
        return checked

    async def _acknowledge(self, entry: RunEntry) -> dict[str, Json]:
        if entry.durable is not None:
            await asyncio.shield(entry.durable)
        return {"run_id": entry.state.run_id, "resumed": [], "status": entry.state.status.value}

    async def settle(self, request: Settle) -> dict[str, Json]:
        """Approve or decline a tool call.

        Raises:
            NotFound: The run has no such call.
            AlreadyClaimed: It was approved or declined before.
            InvalidInput: The hash is not that of the arguments that were shown.
        """
        entry, prefix = await self._engine.book.resolve(request.run_id, request.workspace)
        run = entry.state
        node, call = self._find_call(run, request.tool_call_id, prefix)
        if node is None or node.status is not StepStatus.SUSPENDED or not node.is_asked:
            if node is not None and (node.resumed_at is not None or node.is_final):
                raise _claimed(run, node)
            message = f"tool call {request.tool_call_id!r} of run {run.run_id} does not wait for approval"
            raise RunNotSuspended(message, {"tool_call_id": request.tool_call_id})
        if request.args_hash is not None and request.args_hash != call["args_hash"]:
            message = f"the arguments of tool call {request.tool_call_id!r} are not the ones that were shown"
            raise InvalidInput(message, {"issues": [{"field": "args_hash", "message": f"is now {call['args_hash']}"}]})
        data: dict[str, Json] = {"approved": request.approved}
        if request.reason:
            data["reason"] = request.reason
        if request.arguments is not None:
            tool = run.bundle.tools[call["target"]]
            data["arguments"] = self._catalog.checked(
                f"arguments for tool {tool.id!r}", tool.input_schema, request.arguments
            )
        await self._engine.record(entry, Resumed(at=self._engine.clock.now(), path=node.path, data=data))
        return {"run_id": request.run_id, "path": node.path, "approved": request.approved}

    def _find_call(self, run: RunState, call_id: str, prefix: str) -> tuple[NodeState | None, dict[str, Json]]:
        found: list[tuple[NodeState | None, dict[str, Json]]] = []
        for agent in run.frames:
            if agent.frame is None or (prefix and not agent.path.startswith(prefix)):
                continue
            for call in agent.frame.calls:
                if call["id"] == call_id:
                    children = (child for child in agent.children.values() if call_of(agent, child) is call)
                    found.append((next(children, None), call))
        # Models use an id again: the call that waits is meant, else the newest.
        asked = [one for one in found if one[0] is not None and one[0].is_asked]
        if found:
            return (asked or found)[-1]
        message = f"run {run.run_id} has no tool call {call_id!r}"
        raise NotFound(message, {"tool_call_id": call_id})

    async def signal(self, request: Signal) -> dict[str, Json]:
        """Send a signal; it is kept until a waiter takes it.

        Raises:
            RunNotFound, RunFinished: There is nobody to send it to.
            InvalidInput: The payload does not fit the schema of those who wait for it.
        """
        entry, _ = await self._engine.book.resolve(request.run_id, request.workspace)
        run = entry.state
        if request.key is not None and request.key in run.signal_keys:
            return await self._acknowledge(entry)
        if run.status.is_final:
            message = f"run {run.run_id} has ended ({run.status}); signal {request.name!r} was not taken"
            raise RunFinished(message, {"status": run.status.value})
        with entry.held():
            payload = await self._payload(run, request)
        if request.key is not None and request.key in run.signal_keys:
            return await self._acknowledge(entry)
        fact = Signaled(at=self._engine.clock.now(), name=request.name, payload=payload, key=request.key)
        await self._engine.record(entry, fact)
        return {"run_id": request.run_id, "status": run.status.value}

    async def _payload(self, run: RunState, request: Signal) -> Json:
        """Return a signal's payload as those take it who may wait for it, validated."""
        payload, what = request.payload, f"payload of signal {request.name!r}"
        for node in signal_nodes(run.bundle, run.started.target):
            if node.signal == request.name:
                payload = self._catalog.checked(what, node.schema, payload)
                if node.checks_payload is not None:
                    payload = await self._starter.check_on_worker(run.bundle.id, node.checks_payload, payload, what)
        return payload

    async def cancel(self, request: Cancel) -> dict[str, Json]:
        """Cancel a run; `canceled` in the answer says whether it is canceled now."""
        entry, prefix = await self._engine.book.resolve(request.run_id, request.workspace)
        run = entry.state
        status = run.status if not prefix else child_status(run.nodes[prefix])
        if not status.is_final:
            fact: Fact = CancelRequested(at=self._engine.clock.now(), reason=request.reason, path=prefix)
            await self._engine.record(entry, fact)
            status = run.status if not prefix else child_status(run.nodes[prefix])
        else:
            await self._acknowledge(entry)
        return {"run_id": request.run_id, "canceled": status is RunStatus.CANCELED, "status": status.value}

    async def advance(self, request: Advance) -> dict[str, Json]:
        """Let a paused run take its next step.

        Raises:
            RunFinished: It has ended.
            RunStillRunning: It is not paused.
        """
        entry, _ = await self._engine.book.resolve(request.run_id, request.workspace)
        run = entry.state
        if run.status.is_final:
            message = f"run {run.run_id} has ended ({run.status})"
            raise RunFinished(message, {"status": run.status.value})
        if run.status is not RunStatus.PAUSED:
            message = f"run {run.run_id} is {run.status}, not paused; only a run started with single_step=True pauses"
            raise RunStillRunning(message, {"status": run.status.value})
        await self._engine.record(entry, Advanced(at=self._engine.clock.now()))
        return {"run_id": request.run_id, "status": run.status.value}


def _is_spent(run: RunState, key: str) -> bool:
    return key in run.spent_keys or any(key in node.resume_keys for node in run.nodes.values())


def _is_at(run: RunState, node: NodeState, suspension: str) -> bool:
    return node.status is StepStatus.SUSPENDED and suspension_of(run, node) == suspension


def _claimed(run: RunState, node: NodeState) -> AlreadyClaimed:
    message = f"step {node.path} of run {run.run_id} was resumed by somebody else first"
    return AlreadyClaimed(message, {"path": node.path, "run_id": run.run_id})
