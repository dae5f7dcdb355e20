"""Bodies that ask for resources: Ray tasks, submitted and awaited by a worker.

The worker owns them, not the runtime, so they outlive a runtime's crash. A task talks to its run through its worker.
"""

import asyncio
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import msgspec
import ray
from ray.exceptions import (
    NodeDiedError,
    ObjectLostError,
    OutOfMemoryError,
    RayTaskError,
    TaskCancelledError,
    WorkerCrashedError,
)

from greenroom.actors.attempt import Attempt, Room, perform
from greenroom.actors.blob_actor import BlobSource, RayBlobLink
from greenroom.actors.bundle_code import load_code
from greenroom.actors.channel import read_answer
from greenroom.actors.executor import AttemptLostError
from greenroom.actors.values import Binaries, Values
from greenroom.runtime.contracts.entries import Outcome, TargetKind
from greenroom.runtime.contracts.plan import StepOptions
from greenroom.runtime.contracts.values import Json
from greenroom.runtime.contracts.work import Answer, AttemptId, Call, Scope, WorkItem
from greenroom.runtime.definitions.context import Channel

CANCEL_GRACE_S: Final = 5.0
"""How long a cancelled task may tidy up before its process is killed."""

_encoder = msgspec.msgpack.Encoder()
_LOST = (WorkerCrashedError, OutOfMemoryError, NodeDiedError, ObjectLostError, TaskCancelledError)


class TaskOrder(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt for a process of its own."""

    bundle: str
    item: WorkItem
    scope: Scope
    blobs: BlobSource | None = None


class Word(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """Something a task tells: a chunk for the stream, or without an event that its body has begun."""

    event: str | None = None
    data: msgspec.Raw = msgspec.Raw(b"\xc0")


class TaskResult(msgspec.Struct, frozen=True, kw_only=True):
    """What such a process hands back."""

    outcome: Outcome
    patch: dict[str, Json] = {}


class RayTasks:
    """Runs attempts as Ray tasks.

    Args:
        worker: Handle of the worker these tasks report through.
    """

    def __init__(self, worker: Any, bundle: str, blobs: BlobSource | None) -> None:
        self._worker = worker
        self._bundle = bundle
        self._blobs = blobs
        self._function: Any = ray.remote(run_body)  # type: ignore[arg-type] # Ray's stubs know no keyword-only arguments

    async def run(
        self,
        item: WorkItem,
        scope: Scope,
        channel: Channel,  # noqa: ARG002 - the task finds the attempt's channel again through the worker's handle
        began: Callable[[], None] | None,
    ) -> tuple[Outcome, dict[str, Json]]:
        """Execute the attempt elsewhere and return its outcome and what it set in the state.

        Raises:
            AttemptLostError: The process died.
        """
        order = TaskOrder(bundle=self._bundle, item=item, scope=scope, blobs=self._blobs)
        task = self._function.options(**task_options(item.options), name=f"greenroom {item.path}")
        reference = task.remote(_encoder.encode(order), self._worker, tells_begin=began is not None)
        try:
            raw = await reference
        except asyncio.CancelledError:
            _cancel(reference)
            raise
        except RayTaskError:
            raise
        except _LOST as error:
            raise AttemptLostError(str(error)) from error
        result = msgspec.msgpack.decode(raw, type=TaskResult)
        return result.outcome, result.patch


def task_options(options: StepOptions) -> dict[str, Any]:
    """Return what a body asks for in Ray's words."""
    wanted: dict[str, Any] = {"scheduling_strategy": "SPREAD", "max_retries": 0}
    named = {
        "num_cpus": options.num_cpus,
        "num_gpus": options.num_gpus,
        "memory": options.memory_bytes,
        "resources": options.resources,
        "label_selector": options.labels,
    }
    return wanted | {name: value for name, value in named.items() if value}


def run_body(order: bytes, worker: Any, *, tells_begin: bool) -> bytes:
    """Execute one attempt in this process and return its `TaskResult` (msgpack)."""
    task = msgspec.msgpack.decode(order, type=TaskOrder)
    return asyncio.run(_run(task, load_code(task.bundle), worker, tells_begin=tells_begin))


async def _run(task: TaskOrder, code: Mapping[str, Any], worker: Any, *, tells_begin: bool) -> bytes:
    values = Values(None if task.blobs is None else RayBlobLink(task.blobs))
    binaries = Binaries()
    channel = TaskChannel(worker, task, values, binaries)
    attempt = Attempt(item=task.item, scope=task.scope, channel=channel, binaries=binaries)
    if tells_begin:
        attempt.began = channel.tell_begin
    with ThreadPoolExecutor(1, thread_name_prefix="greenroom-body") as threads:
        try:
            outcome = await perform(attempt, Room(code=code, values=values, threads=threads))
        except asyncio.CancelledError:
            if attempt.context is not None:
                attempt.context.cancelled.set()
            raise
    await channel.flush()
    return _encoder.encode(TaskResult(outcome=outcome, patch=attempt.patch))


class TaskChannel:
    """The channel of an attempt in a task: every word goes through the worker.

    One relay is under way at a time and takes what has gathered since: an async actor does not keep the order of calls.
    """

    def __init__(self, worker: Any, task: TaskOrder, values: Values, binaries: Binaries) -> None:
        self._worker = worker
        self._identity = AttemptId(run_id=task.scope.run_id, path=task.item.path, attempt=task.item.attempt)
        self._attempt = _encoder.encode(self._identity)
        self._calls = task.item.calls
        self._values = values
        self._binaries = binaries
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._words: list[Word] = []
        self._relaying: asyncio.Task[None] | None = None

    def tell_begin(self) -> None:
        """Tell that the body begins. From any thread."""
        self._tell(Word())

    def publish(self, type: str, data: Json) -> None:
        """Send an ephemeral chunk to the run's stream, in order. From any thread."""
        self._tell(Word(event=type, data=msgspec.Raw(_encoder.encode(data))))

    async def write_durably(self, data: Json) -> None:
        """Send a chunk and return when it is in the journal."""
        await self._values.store(self._binaries)
        await self.flush()
        await self._worker.relay_durable.remote(self._attempt, bytes(await self._values.pack(data)))

    async def call(self, name: str, kind: TargetKind, target: str, input: Json, options: dict[str, Json]) -> Json:
        """Run a child through the runtime and return its output.

        Raises:
            GreenroomError: What the child failed with.
            ParkSignal: The child is suspended.
        """
        known = self._calls.get(name)
        if known is None:
            await self._values.store(self._binaries)
            packed = await self._values.pack(input)
            await self.flush()
            call = Call(
                run_id=self._identity.run_id,
                path=self._identity.path,
                attempt=self._identity.attempt,
                name=name,
                kind=kind,
                target=target,
                input=packed,
                options=options,
            )
            raw = await self._worker.relay_call.remote(self._attempt, _encoder.encode(call))
            known = msgspec.msgpack.decode(raw, type=Answer)
        return await read_answer(name, known, self._values)

    async def flush(self) -> None:
        """Return when the worker has what was told: a call or the result must not overtake it."""
        while self._relaying is not None:
            await asyncio.wait({self._relaying})

    def _tell(self, word: Word) -> None:
        if threading.get_ident() == self._thread:
            self._gather(word)
        else:
            self._loop.call_soon_threadsafe(self._gather, word)

    def _gather(self, word: Word) -> None:
        self._words.append(word)
        if self._relaying is None:
            self._relaying = self._loop.create_task(self._relay())

    async def _relay(self) -> None:
        try:
            while self._words:
                words, self._words = self._words, []
                await self._worker.relay.remote(self._attempt, _encoder.encode(words))
        finally:
            self._relaying = None


def _cancel(reference: Any) -> None:
    ray.cancel(reference, force=False)
    asyncio.get_running_loop().call_later(CANCEL_GRACE_S, lambda: ray.cancel(reference, force=True))
