"""Those who use the runtime while parts of it are killed.

Each starts runs, drives them to their end, and notes what it was told. None of them does anything for a run that has
not suspended: going on is the runtime's business.
"""

import asyncio
import json
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from greenroom.actors.rehearsal.script import Reply
from greenroom.actors.rehearsal.server import RehearsalServer
from greenroom.runtime.client.run import RunHandle
from greenroom.runtime.client.runtime import RuntimeClient
from greenroom.runtime.contracts.errors import AlreadyClaimed, RunFinished, RunNotSuspended, RuntimeUnavailable
from tests.kills.app import has_happened
from tests.kills.notes import Notes

T = TypeVar("T")

REST_S: Final = 0.4


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """A kind of run.

    Attributes:
        share: How often it is chosen, relative to the others.
        output: What a run of it gives, by its number and the answer that was acknowledged.
    """

    share: int
    output: Callable[[int, int], Any]


SHAPES: Final[dict[str, Shape]] = {
    "sequence": Shape(share=4, output=lambda number, _: number + 4),
    "parallel": Shape(share=3, output=lambda number, _: (number + 1) * 5),
    "foreach": Shape(share=3, output=lambda number, _: 12 * number + 30),
    "asking": Shape(share=4, output=lambda number, answer: number + 2 + answer),
    "once": Shape(share=4, output=lambda number, _: number + 3),
    "doubt": Shape(share=3, output=lambda number, _: number + 3),
    "sleepy": Shape(share=2, output=lambda number, _: number + 2),
    "paid": Shape(share=2, output=lambda number, _: number * 2),
    "outer": Shape(share=2, output=lambda number, _: number + 3),
    "large": Shape(share=2, output=lambda number, _: number),
    "heavy": Shape(share=1, output=lambda number, _: number + 2),
    "written": Shape(share=2, output=lambda number, _: said(number)),
    "looked-up": Shape(share=2, output=lambda _number, _answer: None),
}
"""What a `looked-up` run says is the stand-in model's business, and not compared."""


def said(number: int) -> str:
    """Return what the model is told to say about a number."""
    return f"The number is {number}, and there is no more to it than that."


@dataclass(slots=True, kw_only=True)
class Customers:
    """A number of them, over one client.

    Attributes:
        closing: Set when no more runs are to be started.
        wrong: What they saw that must not be.
        unanswered: How often a client gave up asking and was told to ask again.
    """

    runtime: RuntimeClient
    notes: Notes
    server: RehearsalServer
    chance: random.Random
    closing: asyncio.Event = field(default_factory=asyncio.Event)
    wrong: list[str] = field(default_factory=list)
    unanswered: int = 0
    _count: int = 0

    async def serve(self, count: int) -> None:
        """Let so many customers work at the same time until they are to end, and return when their runs have."""
        await asyncio.gather(*(self._serve() for _ in range(count)))

    async def _serve(self) -> None:
        while not self.closing.is_set():
            self._count += 1
            number = self._count
            (shape,) = self.chance.choices(list(SHAPES), [shape.share for shape in SHAPES.values()])
            try:
                await self._one(shape, number)
            except Exception as error:  # noqa: BLE001 - whatever a customer is told but a result is what we look for
                self.wrong.append(f"run {number} ({shape}): {type(error).__name__}: {error}")
            await asyncio.sleep(REST_S * self.chance.random() * 2)

    async def _one(self, shape: str, number: int) -> None:
        if shape == "written":
            reply = Reply(text=said(number), user_contains=f"<{number}>", times=None, per_token_s=0.02)
            self.server.script.add(reply)
        workflow = self.runtime.workflow(shape)
        key = f"order-{number}"
        starts = 1 + (self.chance.random() < 0.2)
        handles = await asyncio.gather(*(self._insist(lambda: workflow.start(number, key=key)) for _ in range(starts)))
        run = handles[0]
        for handle in handles:
            self.notes.add("started", run_id=handle.run_id, key=key, what=shape)
        if shape == "paid":
            await self._insist(lambda: run.signal("paid", number * 2, key=f"{key}-paid"))
            self.notes.add("signaled", run_id=run.run_id, path="paid")
        result = await self._insist(run.result)
        while not result.status.is_final:
            for path, payload in result.suspend_payload.items():
                if isinstance(payload, dict) and payload.get("reason") == "in_doubt":
                    await self._settle(run, path, payload["key"])
                else:
                    await self._answer(run, path, number)
            result = await self._insist(run.result)
        await self._finished(run, result, shape, number)

    async def _insist(self, call: Callable[[], Awaitable[T]]) -> T:
        """Ask again when a client gave up: it does after a minute, in which the runtime may die many times here."""
        while True:
            try:
                return await call()
            except RuntimeUnavailable:
                self.unanswered += 1

    async def _settle(self, run: RunHandle, path: str, key: str) -> None:
        """Do as a person does whose word is asked: look whether it happened, and say so."""
        found = has_happened(key)
        happened = found["outcome"] == "done"
        word = found if happened else {"outcome": "retry"}
        await self._insist(lambda: run.resume(path, word, key=f"{run.run_id}-{path}"))
        self.notes.add("resumed", run_id=run.run_id, path=path, what="in_doubt")

    async def _answer(self, run: RunHandle, path: str, number: int) -> None:
        """Answer twice at the same time: one answer is taken."""

        async def answer(value: int) -> None:
            handle = await self._insist(lambda: self.runtime.run(run.run_id))
            try:
                await self._insist(lambda: handle.resume(path, value, key=f"{run.run_id}-{value}"))
            except (AlreadyClaimed, RunNotSuspended, RunFinished):
                self.notes.add("refused", run_id=run.run_id, path=path, what=str(value))
            else:
                self.notes.add("resumed", run_id=run.run_id, path=path, what=str(value))

        await asyncio.gather(answer(number * 10), answer(number * 100))

    async def _finished(self, run: RunHandle, result: Any, shape: str, number: int) -> None:
        numbers = await self._insist(lambda: _numbers(run))
        if numbers != list(range(1, len(numbers) + 1)):
            self.wrong.append(f"run {run.run_id} ({shape}) has events {numbers}")
        what = {
            "shape": shape,
            "number": number,
            "status": result.status.value,
            "output": result.output,
            "error": str(result.error) if result.error else None,
        }
        self.notes.add("finished", run_id=run.run_id, what=json.dumps(what))


async def _numbers(run: RunHandle) -> list[int]:
    return [event.seq async for event in run.events() if event.seq]
