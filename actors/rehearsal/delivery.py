"""Delivery: sends an answer as fast, as slowly or as badly as it should be.

A thin shell over ASGI's `send`. A delivery ends when everything is sent, when the client goes away, or when the server
stops, whichever comes first; a response without its last part makes the server close the connection, which is how a
break shows to the client.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, assert_never

from starlette.types import Receive, Scope, Send

from greenroom.actors.rehearsal.performance import Pace
from greenroom.actors.rehearsal.script import Fault, FaultKind
from greenroom.actors.rehearsal.seen import Outcome
from greenroom.actors.rehearsal.wire import Frame

Sleep = Callable[[float], Awaitable[None]]

EVENT_STREAM: Final = ((b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-cache"))
JSON_BODY: Final = ((b"content-type", b"application/json"),)


class Delivery:
    """One answer on its way; an ASGI application that a route can return.

    Args:
        parts: the body, in the order of sending.
        is_stream: whether the parts are events of a stream or one JSON body.
        pace: how long it takes.
        fault: what goes wrong on the way, if anything.
        sleep: waits; injected, so that tests need not.
        closing: set when the server stops.
        on_end: told how it ended; only the first word counts.
    """

    def __init__(
        self,
        parts: Sequence[Frame],
        *,
        is_stream: bool,
        pace: Pace,
        fault: Fault | None,
        sleep: Sleep,
        closing: asyncio.Event,
        on_end: Callable[[Outcome], None],
    ) -> None:
        self._parts = parts
        self._is_stream = is_stream
        self._pace = pace
        self._fault = fault
        self._sleep = sleep
        self._closing = closing
        self._on_end = on_end

    @property
    def _ending(self) -> Outcome:
        return Outcome.FAULTED if self._fault else Outcome.ANSWERED

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Delivers."""
        del scope  # says nothing that is not known already
        sending = asyncio.create_task(self._deliver(send))
        leaving = asyncio.create_task(_wait_for_disconnect(receive))
        closing = asyncio.create_task(self._closing.wait())
        tasks = (sending, leaving, closing)
        outcome = Outcome.CLIENT_GONE
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if sending.done():
                outcome = self._ending
        finally:
            for task in tasks:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
            self._on_end(outcome)
        if isinstance(ended[0], Exception):
            raise ended[0]

    async def _deliver(self, send: Send) -> None:
        match self._fault.kind if self._fault else None:
            case FaultKind.STALL:
                await self._send_some(send)
                await asyncio.Event().wait()
            case FaultKind.BREAK:
                await self._send_some(send)
            case None | FaultKind.SLOW | FaultKind.MALFORMED_ARGUMENTS | FaultKind.STATUS:
                await self._send_all(send)
            case _ as never:
                assert_never(never)

    async def _send_all(self, send: Send) -> None:
        if self._is_stream:
            await self._start(send)
            await self._send_parts(send, self._parts)
            await self._finish(send, b"")
        else:
            delay_s = self._pace.first_token_s + self._pace.per_token_s * sum(part.tokens for part in self._parts)
            await self._wait(delay_s)
            body = b"".join(part.data for part in self._parts)
            await self._start(send, size=len(body))
            await self._finish(send, body)

    async def _finish(self, send: Send, data: bytes) -> None:
        """Sends the last part; noted as ended before, so that a client that has it all finds it so in the log."""
        self._on_end(self._ending)
        await send({"type": "http.response.body", "body": data, "more_body": False})

    async def _send_some(self, send: Send) -> None:
        """Sends what comes before a stall or a break."""
        fault = self._fault
        if fault is None:
            return
        if self._is_stream:
            await self._start(send)
            await self._send_parts(send, self._parts[: fault.after_chunks])
        elif fault.kind is FaultKind.BREAK:
            body = b"".join(part.data for part in self._parts)
            await self._start(send, size=len(body))
            await _send_body(send, body[: len(body) // 2])

    async def _send_parts(self, send: Send, parts: Sequence[Frame]) -> None:
        is_first = True
        for part in parts:
            delay_s = self._pace.per_token_s * part.tokens
            if part.tokens and is_first:
                delay_s += self._pace.first_token_s
                is_first = False
            await self._wait(delay_s)
            await _send_body(send, part.data)

    async def _wait(self, delay_s: float) -> None:
        if delay_s > 0:
            await self._sleep(delay_s)

    async def _start(self, send: Send, size: int | None = None) -> None:
        headers = list(EVENT_STREAM if self._is_stream else JSON_BODY)
        if size is not None:
            headers.append((b"content-length", str(size).encode()))
        await send({"type": "http.response.start", "status": 200, "headers": headers})


async def _send_body(send: Send, data: bytes) -> None:
    await send({"type": "http.response.body", "body": data, "more_body": True})


async def _wait_for_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        continue
