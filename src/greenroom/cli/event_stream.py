"""A run's events over HTTP: one connection, read a piece at a time, taken up again where it broke off."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any, Final

import httpx

from greenroom.runtime.contracts.errors import GreenroomError, error_from_json
from greenroom.runtime.contracts.values import Json

RETRY_S: Final = 0.2
MAX_BATCH: Final = 256
_END: Final = object()


class EventStream:
    """Reads `/api/runs/{id}/events`.

    Args:
        http: A client with the base URL.
        after: The last event that is known.

    Attributes:
        seq: The last durable event that was read.
    """

    def __init__(self, http: httpx.AsyncClient, run_id: str, after: int) -> None:
        self.seq = after
        self._http = http
        self._run_id = run_id
        self._events: AsyncIterator[dict[str, Json]] | None = None
        self._next: asyncio.Task[Any] | None = None
        self._is_finished = False

    async def read(self, timeout_s: float) -> tuple[list[dict[str, Json]], bool]:
        """Return the events that are there, waiting for the first up to `timeout_s`, and whether the run has ended.

        Raises:
            GreenroomError: The stream told one, or there is no such run.
        """
        found: list[dict[str, Json]] = []
        while len(found) < MAX_BATCH:
            event = await self._take(0.0 if found else timeout_s)
            if event is None:
                break
            if event is _END:
                return found, True
            if event["type"] == "error":
                error = (event.get("data") or {}).get("error") or {}
                raise error_from_json({"code": error.get("code"), "message": error.get("message")})
            self.seq = max(self.seq, event["seq"])
            self._is_finished = self._is_finished or event["type"] == "run_finished"
            found.append(event)
        return found, False

    async def _take(self, timeout_s: float) -> Any:
        """Return the next event, None if there is none yet, or the end. A wait that is cut short loses nothing."""
        if self._next is None:
            if self._events is None:
                self._events = self._connect()
            self._next = asyncio.ensure_future(_advance(self._events))
        done, _ = await asyncio.wait({self._next}, timeout=timeout_s)
        if not done:
            return None
        finished, self._next = self._next, None
        return finished.result()

    async def _connect(self) -> AsyncIterator[dict[str, Json]]:
        from greenroom.cli.http_link import read_answer

        while True:
            with suppress(httpx.RemoteProtocolError, httpx.ReadError):  # a replica that stops: its successor goes on
                path = f"/api/runs/{self._run_id}/events"
                async with self._http.stream("GET", path, params={"after": self.seq}) as answer:
                    if answer.is_error:
                        await answer.aread()
                        read_answer(answer)
                    async for line in answer.aiter_lines():
                        if line.startswith("data: "):
                            yield _event(json.loads(line.removeprefix("data: ")))
            if self._is_finished:
                return
            await asyncio.sleep(RETRY_S)

    async def close(self) -> None:
        """Close the connection."""
        if self._next is not None:
            self._next.cancel()
            with suppress(asyncio.CancelledError, httpx.HTTPError, GreenroomError):
                await self._next
        close = getattr(self._events, "aclose", None)
        if close is not None:
            await close()


async def _advance(events: AsyncIterator[dict[str, Json]]) -> Any:
    return await anext(events, _END)


def _event(told: dict[str, Json]) -> dict[str, Json]:
    at = told.get("at") or 0
    return {
        "seq": int(told.get("seq") or 0),
        "type": told["type"],
        "path": told.get("path") or "",
        "at": at / 1000,
        "data": told.get("data"),
    }
