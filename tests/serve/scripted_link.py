"""A link whose answers are written down, for what a healthy runtime never says."""

import asyncio
from collections.abc import Callable
from typing import Any

import httpx

from greenroom.runtime.client.plain import plain_client
from greenroom.runtime.contracts import requests
from greenroom.runtime.contracts.config import ServeSection
from greenroom.runtime.contracts.values import Json
from greenroom.serve.api import create_api
from tests.serve.events import view


class ScriptedLink:
    """Answers each kind of request with a value, an error, or what a function makes of it.

    Attributes:
        requests: Everything that was asked, in order.
    """

    def __init__(self, **answers: Any) -> None:
        self.answers = answers
        self.requests: list[requests.Request] = []

    async def call(self, request: requests.Request) -> Json:
        """Answer."""
        self.requests.append(request)
        answer = self.answers[type(request).__name__.lower()]
        if isinstance(answer, BaseException):
            raise answer
        if callable(answer):
            answer = answer(request)
        return await answer if asyncio.iscoroutine(answer) else answer

    def asked(self, kind: type[requests.Request]) -> list[Any]:
        """Return the requests of one kind."""
        return [request for request in self.requests if isinstance(request, kind)]


def api_of(link: Any, *, heartbeat_s: float = 15.0, **settings: Any) -> Any:
    """Return the application over a link."""
    client = plain_client(link)
    return create_api(lambda _workspace: client, ServeSection(**settings), heartbeat_s=heartbeat_s)


def http_of(link: Any, **settings: Any) -> httpx.AsyncClient:
    """Return an HTTP client of the application over a link."""
    transport = httpx.ASGITransport(api_of(link, **settings))
    return httpx.AsyncClient(transport=transport, base_url="http://stage")


def polled(*pages: list[dict[str, Json]], is_ended: bool = True) -> Callable[[requests.Request], Any]:
    """Return an answer to polls: page after page, then nothing for ever, or the end."""
    left = list(pages)

    async def poll(_request: requests.Request) -> Json:
        if not left:
            await asyncio.get_running_loop().create_future()
        events = left.pop(0)
        return {"events": events, "cursor": "c", "is_ended": is_ended and not left, "status": "running"}

    return poll


def event(seq: int, type: str, path: str = "", **data: Json) -> dict[str, Json]:
    """Return an event as the runtime's answer has it."""
    return {"seq": seq, "type": type, "path": path, "at": float(seq), "data": data}


STARTED = {"run_id": "r", "trace_id": "t" * 32, "status": "running", "is_new": True}
MOVING = view(status="running")
