"""What the demo says over HTTP: start a run, follow its events, look at it, resume it."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final

import httpx

from greenroom.cli.event_stream import EventStream
from greenroom.cli.failures import CommandFailed

TIMEOUT_S: Final = 30.0
RETRY_S: Final = 0.2
UNAVAILABLE: Final = 503


class Browser:
    """A caller that knows nothing but the URL.

    Args:
        base_url: Of the HTTP side.
    """

    def __init__(self, base_url: str) -> None:
        self._http = httpx.AsyncClient(base_url=base_url, timeout=TIMEOUT_S, trust_env=False)

    async def close(self) -> None:
        """Close its connections."""
        await self._http.aclose()

    async def get(self, path: str) -> dict[str, Any]:
        """Return what a path answers; a runtime that is coming back is asked again.

        Raises:
            CommandFailed: The answer is an error.
        """
        answer = await self._http.get(path)
        for _ in range(int(TIMEOUT_S / RETRY_S)):
            if answer.status_code != UNAVAILABLE:
                break
            await asyncio.sleep(RETRY_S)
            answer = await self._http.get(path)
        return _read(answer)

    async def post(self, path: str, body: dict[str, Any], *, key: str) -> dict[str, Any]:
        """Send a body and return the answer; `key` lets it be sent again without taking effect twice."""
        return _read(await self._http.post(path, json=body, headers={"idempotency-key": key}))

    async def events(self, run_id: str, after: int = 0) -> AsyncIterator[dict[str, Any]]:
        """Yield a run's events behind `after`; a connection that breaks is taken up where it was."""
        stream, is_ended = EventStream(self._http, run_id, after), False
        try:
            while not is_ended:
                found, is_ended = await stream.read(TIMEOUT_S)
                for event in found:
                    yield event
        finally:
            await stream.close()


def _read(answer: httpx.Response) -> dict[str, Any]:
    body: dict[str, Any] = answer.json()
    if answer.is_error:
        message = (
            f"{answer.request.method} {answer.request.url.path} answered {answer.status_code}: {body.get('error')}"
        )
        raise CommandFailed(message, {"status": answer.status_code})
    return body
