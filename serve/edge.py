"""The edge of the HTTP side, as pure ASGI: bodies are bounded here, and what nobody foresaw is answered here.

A middleware of this kind sees every request before any route does, so authentication joins it here.
"""

import logging
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from greenroom.serve.answers import answer

log = logging.getLogger("greenroom.serve")

NO_BODY: Final = frozenset({"GET", "HEAD", "OPTIONS", "DELETE"})


class Edge:
    """Wraps the app.

    Args:
        max_body_bytes: Longest body that is read; a longer one gets 413.
    """

    def __init__(self, app: ASGIApp, max_body_bytes: int) -> None:
        self._app = app
        self._max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if scope["method"] not in NO_BODY:
            body = await self._read(scope, receive)
            if body is None:
                refused = {"error": "Request body too large", "code": "too_large", "maxBodyBytes": self._max_body_bytes}
                await answer(refused, status=413, headers={"connection": "close"})(scope, receive, send)
                return
            receive = _replay(body, receive)
        await self._serve(scope, receive, send)

    async def _read(self, scope: Scope, receive: Receive) -> bytes | None:
        """Return the whole body, or None if it is too long."""
        announced = dict(scope["headers"]).get(b"content-length", b"0")
        if announced.isdigit() and int(announced) > self._max_body_bytes:
            return None
        body = bytearray()
        while True:
            message = await receive()
            if message["type"] != "http.request":
                return bytes(body)
            body += message.get("body", b"")
            if len(body) > self._max_body_bytes:
                return None
            if not message.get("more_body", False):
                return bytes(body)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_begun = False

        async def sending(message: Message) -> None:
            nonlocal is_begun
            is_begun = is_begun or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, sending)
        except Exception as error:  # the border: an unknown error is told without its trace, which goes to the log
            log.exception("%s %s failed", scope["method"], scope["path"])
            if is_begun:
                raise
            failed = {"error": f"the server failed: {type(error).__name__}", "code": "internal_error"}
            await answer(failed, status=500)(scope, receive, send)


def _replay(body: bytes, receive: Receive) -> Receive:
    """Return a way to read a body that has been read; behind it come the caller's further messages."""
    is_read = False

    async def receiving() -> Message:
        nonlocal is_read
        if is_read:
            return await receive()
        is_read = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receiving
