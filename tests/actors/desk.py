"""The runtime's side of an exchange, for tests: sends work to an executor and reads what comes back."""

import asyncio
import hashlib
import inspect
from collections.abc import Callable
from typing import Any, TypeAlias

import msgspec

from greenroom.actors.executor import Executor
from greenroom.runtime.contracts.entries import ErrorInfo, Failed, Outcome
from greenroom.runtime.contracts.plan import StepOptions
from greenroom.runtime.contracts.work import (
    Attached,
    AttemptId,
    CallAnswer,
    Exchange,
    Finished,
    Report,
    Reports,
    Scope,
    WorkItem,
)
from greenroom.runtime.definitions.body import Body
from greenroom.runtime.definitions.context import StepContext

LIMIT_S = 10.0
OpenDesk: TypeAlias = Callable[..., "Desk"]


def body_of(function: Any, **options: Any) -> Body:
    found: dict[str, Any] = {"is_async": inspect.iscoroutinefunction(function), **options}
    return Body(key=function.__name__, function=function, **found)


def work(code: str, input: Any = None, *, path: str | None = None, attempt: int = 1, **fields: Any) -> WorkItem:
    found: dict[str, Any] = {"kind": "step", "bundle": "b1", "key": f"run-1:{path or code}", **fields}
    return WorkItem(**found, path=path or code, attempt=attempt, code=code, input=input)


def quick() -> StepOptions:
    return StepOptions(timeout_s=5.0)


class Desk:
    """Talks to one executor as one incarnation of the runtime."""

    def __init__(self, executor: Executor, epoch: int = 1, **scope: Any) -> None:
        self.executor = executor
        self.epoch = epoch
        found: dict[str, Any] = {"run_id": "run-1", "workspace": "w1", "workflow_id": "flow", **scope}
        self.scope = Scope(**found)
        self.acked = 0
        self.reports: list[Report] = []

    def attach(self) -> Attached:
        return msgspec.msgpack.decode(self.executor.attach(self.epoch), type=Attached)

    async def exchange(
        self,
        *items: WorkItem,
        cancels: tuple[AttemptId, ...] = (),
        answers: tuple[CallAnswer, ...] = (),
        acked: int | None = None,
    ) -> Reports:
        request = Exchange(
            epoch=self.epoch,
            acked=self.acked if acked is None else acked,
            scopes=(self.scope,),
            items=items,
            cancels=cancels,
            answers=answers,
        )
        raw = await asyncio.wait_for(self.executor.exchange(msgspec.msgpack.encode(request)), LIMIT_S)
        reply = msgspec.msgpack.decode(raw, type=Reports)
        self.reports.extend(reply.reports)
        return reply

    async def finish(self, *items: WorkItem, **more: Any) -> list[Finished]:
        """Send items and exchange until each has its outcome."""
        reply = await self.exchange(*items, **more)
        found = [report for report in reply.reports if isinstance(report, Finished)]
        while len(found) < len(items):
            reply = await self.exchange()
            found += [report for report in reply.reports if isinstance(report, Finished)]
        return found

    async def outcome(self, item: WorkItem) -> Outcome:
        return (await self.finish(item))[0].outcome


class Gate:
    """A body that waits until it is let through, and counts its calls."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.calls = 0
        self.was_cancelled = False
        self.contexts: list[StepContext] = []

    async def wait(self, value: Any, ctx: StepContext) -> Any:
        self.calls += 1
        self.contexts.append(ctx)
        try:
            await self.open.wait()
        except asyncio.CancelledError:
            self.was_cancelled = True
            raise
        return value

    def body(self) -> Body:
        return Body(key="wait", function=self.wait, is_async=True, takes_context=True)


async def echo(value: Any) -> Any:
    return value


def at(path: str, attempt: int = 1) -> AttemptId:
    return AttemptId(run_id="run-1", path=path, attempt=attempt)


def error_of(outcome: Outcome) -> ErrorInfo:
    assert isinstance(outcome, Failed)
    return outcome.error


class MemoryBlobs:
    """A blob store in a dict."""

    def __init__(self) -> None:
        self.stored: dict[str, bytes] = {}

    async def put(self, sha256: str, data: bytes) -> None:
        assert hashlib.sha256(data).hexdigest() == sha256
        self.stored[sha256] = data

    async def get(self, sha256: str) -> bytes:
        return self.stored[sha256]


async def turns(count: int = 5) -> None:
    """Let everything that is ready on the loop run."""
    for _ in range(count):
        await asyncio.sleep(0)
