"""The Ray actor around an `Executor`.

A thin shell: Ray's calls in, the executor's bytes out. Its constructor only sets fields, because an exception there
kills an actor for good; user code is loaded by `start`, which tells what went wrong as a value.
"""

import asyncio
from typing import Any, Final

import msgspec
import ray

from greenroom.actors.blob_actor import BlobSource, RayBlobLink
from greenroom.actors.bundle_code import load_code
from greenroom.actors.channel import AttemptChannel
from greenroom.actors.executor import Executor
from greenroom.actors.resource_task import RayTasks, Word
from greenroom.runtime.contracts.ports import BundleUnavailable, WorkerSpec
from greenroom.runtime.contracts.work import Answer, AttemptId, Began, Call

STOP_GRACE_S: Final = 5.0
_encoder = msgspec.msgpack.Encoder()


class WorkerOrder(msgspec.Struct, frozen=True, kw_only=True):
    """What a new worker is to become."""

    spec: WorkerSpec
    blobs: BlobSource | None = None


class WorkerCard(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker says it is. `is_ready` is False while its code is not loaded."""

    pool: str = ""
    bundle: str = ""
    is_ready: bool = False


class StepWorker:
    """Executes steps, conditions, maps and plain tools of one bundle."""

    def __init__(self) -> None:
        self._card = WorkerCard()
        self._executor: Executor | None = None

    async def start(self, order: bytes) -> str | None:
        """Load the code and get ready; returns what is wrong, or None."""
        wanted = msgspec.msgpack.decode(order, type=WorkerOrder)
        spec = wanted.spec
        try:
            code = await asyncio.to_thread(load_code, spec.bundle)
        except BundleUnavailable as error:
            return str(error)
        # A task's handle of this actor, so that what it reports finds the attempt.
        tasks = RayTasks(ray.get_runtime_context().current_actor, spec.bundle, wanted.blobs)
        self._executor = Executor(
            code,
            bundles=(spec.bundle,),
            blobs=None if wanted.blobs is None else RayBlobLink(wanted.blobs),
            tasks=tasks,
            **self._own_options(spec),
        )
        self._card = WorkerCard(pool=spec.pool, bundle=spec.bundle, is_ready=True)
        return None

    async def describe(self) -> bytes:
        """Return the worker's card (msgpack)."""
        return _encoder.encode(self._card)

    async def attach(self, epoch: int) -> bytes:
        """Obey this epoch from now on; returns `Attached` (msgpack)."""
        return self._ready().attach(epoch)

    async def exchange(self, payload: bytes) -> bytes:
        """Take an `Exchange` and return `Reports` as soon as there are any (both msgpack)."""
        return await self._ready().exchange(payload)

    async def relay(self, attempt: bytes, words: bytes) -> None:
        """Report what a task has to tell (`Word`s, msgpack), in order."""
        identity, channel = self._find(attempt)
        if channel is None:
            return
        for word in msgspec.msgpack.decode(words, type=list[Word]):
            if word.event is None:
                channel.send(Began(run_id=identity.run_id, path=identity.path, attempt=identity.attempt))
            else:
                channel.publish(word.event, word.data)

    async def relay_durable(self, attempt: bytes, data: bytes) -> None:
        """Report a durable chunk of a task; returns when it is in the journal."""
        _, channel = self._find(attempt)
        if channel is not None:
            await channel.write_durably(msgspec.msgpack.decode(data))

    async def relay_call(self, attempt: bytes, call: bytes) -> bytes:
        """Make a task's `Call` through the runtime; returns its `Answer` (both msgpack)."""
        _, channel = self._find(attempt)
        if channel is None:
            return _encoder.encode(Answer(status="parked"))
        asked = msgspec.msgpack.decode(call, type=Call)
        packed = msgspec.Raw(_encoder.encode(asked.input))
        answer = await channel.ask(asked.name, asked.kind, asked.target, packed, asked.options)
        return _encoder.encode(answer)

    async def stop(self) -> None:
        """Stop everything that runs here; nothing of it is reported."""
        executor, self._executor = self._executor, None
        if executor is not None:
            await executor.close()
            await asyncio.wait_for(self._tidy_up(), STOP_GRACE_S)

    def _own_options(self, spec: WorkerSpec) -> dict[str, Any]:
        """Return what this kind of worker gives its executor."""
        return {"max_threads": spec.max_threads}

    async def _tidy_up(self) -> None:
        """Let go of what this kind of worker holds."""

    def _ready(self) -> Executor:
        if self._executor is None:
            raise RuntimeError("The worker was not started, or has stopped.")
        return self._executor

    def _find(self, attempt: bytes) -> tuple[AttemptId, AttemptChannel | None]:
        identity = msgspec.msgpack.decode(attempt, type=AttemptId)
        return identity, self._ready().channel_of(identity)
