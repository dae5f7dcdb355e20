"""The way to a runtime over its HTTP side, for commands about runs: no Ray is loaded, so they answer at once.

Speaks the routes below `/api/runs`, which show runs as the runtime does, with the wire's names and milliseconds.
"""

import asyncio
import time
from typing import Any, Final

import httpx

from greenroom.cli.event_stream import EventStream
from greenroom.cli.wire_names import run_from_wire, summary_from_wire
from greenroom.runtime.contracts import requests
from greenroom.runtime.contracts.errors import GreenroomError, RuntimeUnavailable, error_from_json
from greenroom.runtime.contracts.requests import Request
from greenroom.runtime.contracts.values import Json

TIMEOUT_S: Final = 90.0
"""Longer than a replica goes on asking a runtime that restarts."""

FIRST_LOOK_S: Final = 0.03
MAX_LOOK_S: Final = 0.5
_REST: Final = frozenset({"success", "failed", "canceled", "tripwire", "suspended", "paused"})


class HttpLink:
    """Carries requests about runs to the HTTP side.

    Args:
        base_url: Of the HTTP side.
        transport: Where requests go, in tests.
    """

    def __init__(self, base_url: str, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._base_url = base_url
        self._http = httpx.AsyncClient(base_url=base_url, timeout=TIMEOUT_S, trust_env=False, transport=transport)
        self._streams: dict[str, EventStream] = {}

    async def close(self) -> None:
        """Close every connection."""
        for stream in self._streams.values():
            await stream.close()
        self._streams.clear()
        await self._http.aclose()

    async def call(self, request: Request) -> Json:
        """Return the answer.

        Raises:
            RuntimeUnavailable: Nobody answers there.
            GreenroomError: What the request led to.
            NotImplementedError: It is about something else than runs.
        """
        try:
            return await self._call(request)
        except httpx.TransportError as error:
            reason = str(error) or type(error).__name__
            message = (
                f"the runtime at {self._base_url} cannot be reached ({reason}); is it up? `greenroom up` starts one"
            )
            raise RuntimeUnavailable(message, {"retry_after_s": 2.0}) from error

    async def _call(self, request: Request) -> Json:
        match request:
            case requests.Start(kind="workflow"):
                return await self._start(request)
            case requests.Get():
                return run_from_wire(await self._ask("GET", f"/api/runs/{request.run_id}"))
            case requests.Wait():
                return await self._wait(request)
            case requests.Poll():
                return await self._poll(request)
            case requests.ListRuns():
                return await self._list(request)
            case requests.Resume():
                body = {
                    "step": request.step,
                    "resumeData": request.data,
                    "label": request.label,
                    "forEachIndex": request.index,
                    "requestContext": request.request_context,
                    "suspension": request.suspension,
                }
                return await self._ask("POST", f"/api/runs/{request.run_id}/resume", body, key=request.key)
            case requests.Signal():
                body = {"name": request.name, "payload": request.payload}
                return await self._ask("POST", f"/api/runs/{request.run_id}/signal", body, key=request.key)
            case requests.ForkRun():
                return await self._again("fork", request)
            case requests.Rerun():
                return await self._again("rerun", request)
            case requests.Cancel():
                return await self._ask("POST", f"/api/runs/{request.run_id}/cancel", {"reason": request.reason})
            case _:
                message = f"{type(request).__name__} does not go over HTTP"
                raise NotImplementedError(message)

    async def _start(self, request: requests.Start) -> Json:
        body = {
            "inputData": request.input,
            "initialState": request.state or None,
            "requestContext": request.request_context,
            "resourceId": request.resource_id,
            "perStep": request.single_step,
        }
        query = {"runId": request.run_id} if request.run_id else {}
        path = f"/api/workflows/{request.target}/start"
        answer = await self._ask("POST", path, body, key=request.key, query=query)
        return {"run_id": answer["runId"], "trace_id": answer.get("traceId") or ""}

    async def _again(self, verb: str, request: requests.ForkRun | requests.Rerun) -> Json:
        body: dict[str, Json] = {
            "step": request.from_step,
            "state": request.state,
            "requestContext": request.request_context,
        }
        if request.has_input:
            body["inputData"] = request.input
        answer = await self._ask("POST", f"/api/runs/{request.run_id}/{verb}", body, key=request.key)
        return {"run_id": answer["runId"], "trace_id": answer.get("traceId") or ""}

    async def _wait(self, request: requests.Wait) -> Json:
        give_up_at, look_s = time.monotonic() + request.timeout_s, FIRST_LOOK_S
        while True:
            view = run_from_wire(await self._ask("GET", f"/api/runs/{request.run_id}"))
            if view["status"] in _REST:
                return view
            if time.monotonic() + look_s > give_up_at:
                return None
            await asyncio.sleep(look_s)
            look_s = min(MAX_LOOK_S, look_s * 1.5)

    async def _poll(self, request: requests.Poll) -> Json:
        stream = self._streams.get(request.run_id)
        if stream is None or not request.cursor:
            if stream is not None:
                await stream.close()
            stream = self._streams[request.run_id] = EventStream(self._http, request.run_id, request.after)
        events, is_ended = await stream.read(request.timeout_s)
        return {"events": events, "cursor": str(stream.seq), "is_ended": is_ended}

    async def _list(self, request: requests.ListRuns) -> Json:
        query = {
            "target": request.workflow,
            "kind": request.kind,
            "status": request.status,
            "resourceId": request.resource_id,
            "roots": str(request.roots).lower(),
            "limit": str(request.limit),
            "cursor": request.cursor,
        }
        answer = await self._ask("GET", "/api/runs", query={name: item for name, item in query.items() if item})
        return {"items": [summary_from_wire(run) for run in answer["runs"]], "next_cursor": answer.get("nextCursor")}

    async def _ask(
        self, method: str, path: str, body: Json = None, *, key: str | None = None, query: dict[str, Any] | None = None
    ) -> dict[str, Json]:
        headers = {"idempotency-key": key} if key else {}
        answer = await self._http.request(method, path, json=body, headers=headers, params=query or None)
        return read_answer(answer)


def read_answer(answer: httpx.Response) -> dict[str, Json]:
    """Return an answer's body, or raise the error that it is."""
    try:
        body: dict[str, Json] = answer.json()
    except ValueError:
        message = f"{answer.request.url} answered {answer.status_code} and no JSON: is it a Greenroom runtime?"
        raise RuntimeUnavailable(message) from None
    if answer.is_error:
        raise _error_of(body, answer.status_code)
    return body


def _error_of(body: dict[str, Json], status: int) -> GreenroomError:
    facts = {**(body.get("facts") or {}), **{name: body[name] for name in ("issues",) if name in body}}
    message = str(body.get("error") or f"the runtime answered {status}")
    if facts.get("issues") and message.startswith("Invalid request"):
        message += ": " + "; ".join(f"{issue['field']}: {issue['message']}" for issue in facts["issues"])
    return error_from_json({"code": body.get("code"), "message": message, "facts": facts})
