"""A caller that takes a stream piece by piece; the HTTP client in this process gives it out whole."""

import asyncio
from typing import Any


class Reader:
    """An HTTP/1.1 caller at the level of ASGI: takes what is sent, and hangs up when told."""

    def __init__(self, method: str, path: str, body: bytes = b"") -> None:
        self.scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "scheme": "http",
            "query_string": b"",
            "headers": [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))],
            "client": ("127.0.0.1", 1),
            "server": ("stage", 80),
        }
        self.body = body
        self.received: asyncio.Queue[bytes] = asyncio.Queue()
        self.gone = asyncio.Event()
        self._is_read = False

    async def receive(self) -> dict[str, Any]:
        """Give the body, then the news that the caller has gone."""
        if not self._is_read:
            self._is_read = True
            return {"type": "http.request", "body": self.body, "more_body": False}
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        """Take a piece."""
        if message["type"] == "http.response.body" and message.get("body"):
            await self.received.put(message["body"])
