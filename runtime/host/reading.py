"""Reading runs: as they stand, when they come to rest, in lists, and as a stream. Only what is durable is shown."""

import asyncio
import base64
import json

from greenroom.runtime.contracts.errors import InvalidInput, NotFound
from greenroom.runtime.contracts.records import Key, RunHead, Table
from greenroom.runtime.contracts.requests import Get, ListRuns, Poll, ReadValue, Wait
from greenroom.runtime.contracts.statuses import RunStatus
from greenroom.runtime.contracts.storage import Query
from greenroom.runtime.contracts.values import Json
from greenroom.runtime.core.view import child_status, run_view
from greenroom.runtime.host.book import no_run
from greenroom.runtime.host.engine import Engine

MAX_WAIT_S = 60.0
MAX_LIST = 500


class Reading:
    """Answers questions about runs."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def get(self, request: Get) -> dict[str, Json]:
        """Return a run as it stands."""
        entry, prefix = await self._engine.book.resolve(request.run_id, request.workspace)
        await entry.settled()
        view = run_view(entry.state, prefix)
        problem = self._engine.pools.problems.get(entry.state.bundle.id)
        if problem is not None and not entry.state.status.is_final:
            view["problem"] = problem  # it waits for its code: say so
        return view

    async def read_value(self, request: ReadValue) -> dict[str, Json]:
        """Return the bytes of a stored value.

        Raises:
            NotFound: The run does not refer to it: whoever only knows a digest gets nothing.
        """
        entry, _ = await self._engine.book.resolve(request.run_id, request.workspace)
        if request.sha256 not in entry.blobs:
            message = f"run {request.run_id} refers to no stored value {request.sha256!r}"
            raise NotFound(message, {"run_id": request.run_id, "sha256": request.sha256})
        return {"data": await self._engine.storage.get_blob(request.sha256)}

    async def wait(self, request: Wait) -> dict[str, Json] | None:
        """Return a run once it is finished or parked; None when the time is over.

        Raises:
            RunNotFound: There is none, or it was deleted meanwhile.
        """
        entry, prefix = await self._engine.book.resolve(request.run_id, request.workspace)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + min(request.timeout_s, MAX_WAIT_S)
        entry.readers += 1
        try:
            while True:
                if entry.is_deleted:
                    raise no_run(request.run_id, request.workspace)
                status = entry.state.status if not prefix else child_status(entry.state.nodes[prefix])
                if status.is_final or status.is_parked:
                    await entry.settled()
                    return run_view(entry.state, prefix)
                left = deadline - loop.time()
                if left <= 0:
                    return None
                await entry.stream.wait(left, for_rest=not prefix)
        finally:
            entry.readers -= 1

    async def poll(self, request: Poll) -> dict[str, Json]:
        """Return events behind a cursor; `is_ended` when no more will come."""
        entry, prefix = await self._engine.book.resolve(request.run_id, request.workspace)
        stream = entry.stream
        loop = asyncio.get_running_loop()
        deadline = loop.time() + min(request.timeout_s, MAX_WAIT_S)
        entry.readers += 1
        try:
            while True:
                events, cursor = stream.read(request.cursor, request.after)
                left = deadline - loop.time()
                if events or stream.is_ended or left <= 0:
                    break
                await stream.wait(left)
        finally:
            entry.readers -= 1
        if prefix:
            events = [event for event in events if event.path == prefix or event.path.startswith(prefix + "/")]
        cut = len(prefix) + 1 if prefix else 0
        shown = [
            {"seq": event.seq, "type": event.type, "path": event.path[cut:], "at": event.at, "data": event.data}
            for event in events
        ]
        status = entry.state.status if not prefix else child_status(entry.state.nodes[prefix])
        rest, _ = stream.read(cursor, 0)
        return {
            "events": shown,
            "cursor": cursor,
            "is_ended": (stream.is_ended or (bool(prefix) and status.is_final)) and not rest,
            "status": status.value,
        }

    async def list_runs(self, request: ListRuns) -> dict[str, Json]:
        """Return a page of runs, newest first, and the cursor of the next.

        Raises:
            InvalidInput: The status, the limit or the cursor is not one.
        """
        where: dict[str, tuple[Json, ...]] = {}
        if request.workflow is not None:
            where["target"] = (request.workflow,)
        if request.kind is not None:
            where["kind"] = (request.kind,)
        if request.resource_id is not None:
            where["resource_id"] = (request.resource_id,)
        if request.roots:
            where["parent_id"] = (None,)
        if request.status is not None:
            if request.status not in set(RunStatus):
                message = f"there is no status {request.status!r}; there are: {', '.join(RunStatus)}"
                raise InvalidInput(message, {"issues": [{"field": "status", "message": "unknown"}]})
            where["status"] = (request.status,)
        limit = max(1, min(request.limit, MAX_LIST))
        query = Query(
            workspace=request.workspace,
            where=where,
            after=_decode_cursor(request.cursor),
            reverse=True,
            limit=limit + 1,
        )
        found: list[RunHead] = []
        async for page in self._engine.storage.scan(Table.RUNS, query):
            found.extend(row for row in page if isinstance(row, RunHead))
        items = found[:limit]
        return {
            "items": [_head_view(head) for head in items],
            "next_cursor": _encode_cursor(items[-1].order) if len(found) > limit else None,
        }


def _encode_cursor(order: Key) -> str:
    return base64.urlsafe_b64encode(json.dumps(order).encode()).decode().rstrip("=")


def _decode_cursor(cursor: str | None) -> Key | None:
    if not cursor:
        return None
    try:
        decoded = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        return (float(decoded[0]), str(decoded[1]))
    except (ValueError, TypeError, IndexError, KeyError):
        message = f"{cursor!r} is not a cursor that a list of runs gave"
        raise InvalidInput(message, {"issues": [{"field": "cursor", "message": "not a cursor"}]}) from None


def _head_view(head: RunHead) -> dict[str, Json]:
    return {
        "run_id": head.run_id,
        "kind": head.kind,
        "target": head.target,
        "workspace": head.workspace,
        "status": head.status,
        "created_at": head.created_at,
        "updated_at": head.updated_at,
        "finished_at": head.finished_at,
        "wake_at": head.wake_at,
        "resource_id": head.resource_id,
        "thread_id": head.thread_id,
        "parent_id": head.parent_id,
        "trace_id": head.trace_id,
        "bundle": head.bundle,
        "forked_from": head.forked_from,
        "error": {"type": head.error_type, "message": head.error} if head.error_type else None,
        "cost_micros": head.cost_micros,
        "total_tokens": head.input_tokens + head.output_tokens,
    }
