"""What the demo says over HTTP: start a run, follow its events, look at it, resume it."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any, Final

import httpx

from greenroom.cli.failures import CommandFailed

TIMEOUT_S: Final = 30.0
RETRY_S: Final = 0.2
SILENCE_S: Final = 60.0
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
        while True:
            try:
                timeout = httpx.Timeout(TIMEOUT_S, read=SILENCE_S)
                async with self._http.stream(
                    "GET", f"/api/runs/{run_id}/events", params={"after": after}, timeout=timeout
                ) as answer:
                    async for line in answer.aiter_lines():
                        if line.startswith("data: "):
                            event = json.loads(line.removeprefix("data: "))
                            after = max(after, int(event.get("seq") or 0))
                            yield event
                            if event["type"] == "run_finished":
                                return
            except httpx.TransportError:
                pass
            await asyncio.sleep(RETRY_S)


def _read(answer: httpx.Response) -> dict[str, Any]:
    body: dict[str, Any] = answer.json()
    if answer.is_error:
        message = (
            f"{answer.request.method} {answer.request.url.path} answered {answer.status_code}: {body.get('error')}"
        )
        raise CommandFailed(message, {"status": answer.status_code})
    return body
