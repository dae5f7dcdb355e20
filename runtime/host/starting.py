"""Starting runs: validated, deduplicated by key, acknowledged when durable."""

import asyncio
import contextlib
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from greenroom.runtime.contracts.entries import Failed, RunStarted, Succeeded
from greenroom.runtime.contracts.errors import AlreadyClaimed, InvalidInput, RunNotFound, RuntimeUnavailable
from greenroom.runtime.contracts.plan import AgentPlan, ToolPlan, WorkflowPlan
from greenroom.runtime.contracts.records import KeyRow, MessageRow, Record, Table, ThreadRow
from greenroom.runtime.contracts.requests import Start
from greenroom.runtime.contracts.storage import Query
from greenroom.runtime.contracts.values import Json
from greenroom.runtime.contracts.work import Finished, Scope, WorkItem
from greenroom.runtime.core.advance import start
from greenroom.runtime.host.batch import Batch
from greenroom.runtime.host.catalog import Catalog, Plan
from greenroom.runtime.host.doomed import workspace_name
from greenroom.runtime.host.engine import Engine
from greenroom.runtime.host.named_locks import NamedLocks

CHECK_TIMEOUT_S = 30.0


class Overtaken(Exception):
    """Something was deleted since the records that go with a start were read; read them again."""


@dataclass(frozen=True, slots=True)
class Beside:
    """Records that become durable together with a start.

    Attributes:
        count: `Doomed.count` at the moment when what they are made of was read.
        records: Returns them, given the id of the run.
    """

    count: int
    records: Callable[[str], Sequence[Record]]


class Starter:
    """Starts runs."""

    def __init__(self, engine: Engine, catalog: Catalog) -> None:
        self._engine = engine
        self._catalog = catalog
        self._locks = NamedLocks()

    async def start(self, request: Start, beside: Beside | None = None) -> dict[str, Json]:
        """Start a run, or return the one that this key or id already started.

        Args:
            request: Where a schedule starts a run, what a worker checks was checked when the schedule was made.
            beside: What becomes durable with the start, if there is one.

        Raises:
            NotFound: There is no such definition.
            InvalidInput: The input or the state does not fit; nothing was recorded.
            AlreadyClaimed: The key or the id belongs to a run with another input.
        """
        bundle, value, state = await self.checked(request, on_worker=beside is None)
        names = [f"key {request.workspace} {request.key}"] if request.key is not None else []
        if request.run_id is not None:
            names.append(f"run {request.run_id}")
        async with contextlib.AsyncExitStack() as held:
            for name in names:
                await held.enter_async_context(self._locks.hold(name))
            return await self._find_or_begin(request, bundle, value, state, beside)

    async def checked(self, request: Start, *, on_worker: bool = True) -> tuple[str, Json, dict[str, Json]]:
        """Return the bundle that a start would take, and its input and state with defaults applied.

        Raises:
            NotFound: There is no such definition.
            InvalidInput: The input or the state does not fit.
        """
        bundle, plan = self._catalog.find(request.kind, request.target)
        value = self._input(plan, request)
        if on_worker and isinstance(plan, WorkflowPlan) and plan.checks_input is not None and plan.validate:
            value = await self.check_on_worker(bundle, plan.checks_input, value, f"input for workflow {plan.id!r}")
        state = request.state
        if isinstance(plan, WorkflowPlan) and plan.state_schema is not None:
            state = self._catalog.checked(f"state for workflow {plan.id!r}", plan.state_schema, state)
        return bundle, value, state

    async def _find_or_begin(
        self, request: Start, bundle: str, value: Json, state: dict[str, Json], beside: Beside | None
    ) -> dict[str, Json]:
        """Return the run that was started before, or start it; again, when something was deleted meanwhile.

        What was read of a run, a key or a conversation before a deletion must not come into a run after it.
        """
        doomed = self._engine.book.doomed
        is_named = request.key is not None or request.run_id is not None
        while True:
            count = await doomed.settled(workspace_name(request.workspace))
            if beside is not None and beside.count != count:
                raise Overtaken
            try:
                found = await self._known(request, fingerprint(request, value)) if is_named else None
            except RunNotFound:
                if doomed.count == count:
                    raise
                continue
            if found is not None:
                return found
            options = await self._thread(request, bundle) if request.thread_id is not None else {}
            if doomed.count == count:
                return await self._begin(request, bundle, value, state, options, beside=beside)

    def _input(self, plan: Plan, request: Start) -> Json:
        match plan:
            case WorkflowPlan():
                schema = plan.input_schema if plan.validate else None
                return self._catalog.checked(f"input for workflow {plan.id!r}", schema, request.input)
            case ToolPlan():
                return self._catalog.checked(f"arguments for tool {plan.id!r}", plan.input_schema, request.input or {})
            case AgentPlan():
                if isinstance(request.input, str) and request.input.strip():
                    return request.input
                if isinstance(request.input, dict) and (request.input.get("prompt") or request.input.get("messages")):
                    return request.input
                message = f"Invalid input for agent {plan.id!r}: give a text, {{'prompt': …}} or {{'messages': […]}}"
                raise InvalidInput(message, {"issues": [{"field": "messages", "message": "field required"}]})

    async def check_on_worker(self, bundle: str, code: str, value: Json, what: str) -> Json:
        """Return a value as a model with validators of its own takes it; those are user code and run on a worker.

        Raises:
            InvalidInput: The model refused it.
            RuntimeUnavailable: No worker could look at it in time.
        """
        check_id = f"check-{self._engine.ids.run_id()}"
        waiting: asyncio.Future[Finished] = asyncio.get_running_loop().create_future()
        self._engine.checks[check_id, ""] = waiting
        item = WorkItem(path="", attempt=1, bundle=bundle, kind="check", code=code, key=check_id, input=value)
        self._engine.pools.dispatch("steps", Scope(run_id=check_id, workspace=""), item)
        try:
            async with asyncio.timeout(CHECK_TIMEOUT_S):
                finished = await waiting
        except (TimeoutError, asyncio.CancelledError) as error:
            if isinstance(error, asyncio.CancelledError) and not waiting.cancelled():
                raise
            message = f"no worker could validate the {what}; try again"
            raise RuntimeUnavailable(message, {"retry_after_s": 1.0}) from None
        finally:
            del self._engine.checks[check_id, ""]
            self._engine.pools.forget(check_id, "")
        match finished.outcome:
            case Succeeded(output=output):
                return output
            case Failed(error=failed):
                message = f"Invalid {what}: {failed.message.partition(': ')[2] or failed.message}"
                raise InvalidInput(message, {"issues": failed.attributes.get("issues", []), **failed.attributes})
            case _:
                message = f"Invalid {what}: its validator did not return"
                raise InvalidInput(message)

    async def _known(self, request: Start, wanted: str) -> dict[str, Json] | None:
        if request.key is not None:
            row = await self._engine.storage.get(Table.KEYS, (request.workspace, request.key))
            if isinstance(row, KeyRow):
                if row.fingerprint != wanted:
                    message = f"key {request.key!r} already started run {row.run_id} with another input"
                    raise AlreadyClaimed(message, {"run_id": row.run_id, "key": request.key})
                return await self._acknowledge(row.run_id, request.workspace)
        if request.run_id is not None:
            try:
                entry, prefix = await self._engine.book.resolve(request.run_id, request.workspace)
            except RunNotFound:
                head = await self._engine.storage.get(Table.RUNS, (request.run_id,))
                if head is None:
                    return None
                message = f"run id {request.run_id!r} is taken"
                raise AlreadyClaimed(message, {"run_id": request.run_id}) from None
            started = entry.state.started
            if prefix or _fingerprint(started.kind, started.target, started.input) != wanted:
                message = f"run {request.run_id!r} exists with another input"
                raise AlreadyClaimed(message, {"run_id": request.run_id})
            return await self._acknowledge(request.run_id, request.workspace)
        return None

    async def _acknowledge(self, run_id: str, workspace: str) -> dict[str, Json]:
        entry, _ = await self._engine.book.resolve(run_id, workspace)
        if entry.durable is not None:
            await asyncio.shield(entry.durable)
        run = entry.state
        return {"run_id": run_id, "trace_id": run.started.trace_id, "status": run.status.value, "is_new": False}

    async def _begin(
        self,
        request: Start,
        bundle: str,
        value: Json,
        state: dict[str, Json],
        options: dict[str, Json],
        *,
        beside: Beside | None,
    ) -> dict[str, Json]:
        engine = self._engine
        engine.load.check(request.workspace)
        now = engine.clock.now()
        started = RunStarted(
            at=now,
            run_id=request.run_id or engine.ids.run_id(),
            workspace=request.workspace,
            kind=request.kind,
            target=request.target,
            bundle=bundle,
            input=value,
            state=state,
            request_context=engine.secrets.public(request.request_context),
            resource_id=request.resource_id,
            key=request.key,
            trace_id=request.trace_id or engine.ids.trace_id(),
            parent_span_id=request.parent_span_id,
            thread_id=request.thread_id,
            options=request.options | options,
            single_step=request.single_step,
            priority=request.priority,
        )
        entry = engine.book.add(start(started, engine.bundles[bundle], engine.check))
        entry.state.secrets.update(engine.secrets.secret(request.request_context))
        extra: list[Record] = [*beside.records(started.run_id)] if beside is not None else []
        if request.key is not None:
            extra.append(
                KeyRow(
                    workspace=request.workspace,
                    key=request.key,
                    run_id=started.run_id,
                    fingerprint=fingerprint(request, value),
                    at=now,
                )
            )
        batch = Batch()
        engine.collect(batch, entry, started, extra)
        await engine.commit(batch)
        return {
            "run_id": started.run_id,
            "trace_id": started.trace_id,
            "status": entry.state.status.value,
            "is_new": True,
        }

    async def _thread(self, request: Start, bundle: str) -> dict[str, Json]:
        """Return what an agent needs of its thread: the last messages, and where the next ones go."""
        thread_id = request.thread_id or ""
        thread = await self._engine.storage.get(Table.THREADS, (request.workspace, thread_id))
        if (
            isinstance(thread, ThreadRow)
            and not thread.deleted
            and thread.resource_id not in {None, request.resource_id}
        ):
            message = f"no thread {thread_id!r} of resource {request.resource_id!r}"
            raise RunNotFound(message, {"thread_id": thread_id})
        plan = self._engine.bundles[bundle].agents.get(request.target)
        limit = int((plan.memory or {}).get("last_messages", 0)) if plan is not None else 0
        last: list[MessageRow] = []
        await self._engine.book.find_end(request.workspace, thread_id)
        query = Query(prefix=(request.workspace, thread_id), reverse=True, limit=max(limit, 1))
        async for page in self._engine.storage.scan(Table.MESSAGES, query):
            last.extend(row for row in page if isinstance(row, MessageRow))
        history = [{"role": row.role, "content": row.content} for row in reversed(last[:limit])]
        return {
            "history": history,
            "thread_created_at": thread.created_at if isinstance(thread, ThreadRow) else None,
            "thread_title": thread.title if isinstance(thread, ThreadRow) else None,
        }


def fingerprint(request: Start, value: Json) -> str:
    """Return what a key is bound to: target and input, nothing else."""
    return _fingerprint(request.kind, request.target, value)


def _fingerprint(kind: str, target: str, value: Json) -> str:
    text = json.dumps([kind, target, value], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
