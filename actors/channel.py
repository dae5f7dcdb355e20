"""What a body's context reaches of its worker: the stream, and calls through the runtime.

Holds the futures of one attempt's open calls. Reports of an attempt that no longer counts are dropped.
"""

import asyncio
import threading
from collections.abc import Callable

import msgspec

from greenroom.actors.values import Binaries, Values, holds_reference
from greenroom.runtime.contracts.entries import TargetKind
from greenroom.runtime.contracts.errors import error_from_json
from greenroom.runtime.contracts.values import Json
from greenroom.runtime.contracts.work import Answer, Call, Chunk, Report, WorkItem
from greenroom.runtime.definitions.context import ParkSignal

_encoder = msgspec.msgpack.Encoder()

_call_decoder = msgspec.msgpack.Decoder(Call)


async def read_answer(name: str, answer: Answer, values: Values) -> Json:
    """Return the output of a child call.

    Raises:
        GreenroomError: What the child failed with.
        ParkSignal: The child is suspended.
    """
    match answer.status:
        case "ok":
            return await values.resolve(answer.output) if holds_reference(answer.output) else answer.output
        case "error":
            raise error_from_json(answer.error if isinstance(answer.error, dict) else {"message": str(answer.error)})
        case "parked":
            raise ParkSignal(name)


class AttemptChannel:
    """The channel of one attempt, on the worker that executes it.

    Args:
        binaries: What the attempt's values refer to; stored before a reference leaves.
        report: Queues a report of this attempt; drops it when the attempt no longer counts.
        loop: The worker's loop; bodies in threads report through it.
    """

    __slots__ = ("_binaries", "_item", "_loop", "_open", "_report", "_run_id", "_thread", "_values", "_writes")

    def __init__(
        self,
        *,
        run_id: str,
        item: WorkItem,
        values: Values,
        binaries: Binaries,
        report: Callable[[Report], bool],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._run_id = run_id
        self._item = item
        self._values = values
        self._binaries = binaries
        self._report = report
        self._loop = loop
        self._thread = threading.get_ident()
        self._open: dict[str, asyncio.Future[Answer]] = {}
        self._writes: dict[int, asyncio.Future[None]] = {}

    def publish(self, type: str, data: Json) -> None:
        """Send an ephemeral chunk to the run's stream, in order. From any thread.

        Raises:
            TypeError: The data is not JSON.
        """
        item = self._item
        # Encoded here, so that data that cannot travel is the body's error and not the whole reply's.
        raw = msgspec.Raw(_encoder.encode(data))
        self.send(Chunk(run_id=self._run_id, path=item.path, attempt=item.attempt, event=type, data=raw))

    def send(self, report: Report) -> None:
        """Queue a report of this attempt. From any thread."""
        if threading.get_ident() == self._thread:
            self._report(report)
        else:
            self._loop.call_soon_threadsafe(self._report, report)

    async def write_durably(self, data: Json) -> None:
        """Send a chunk and return when it is in the journal."""
        item = self._item
        await self._values.store(self._binaries)
        raw = await self._values.pack(data)
        chunk = Chunk(
            run_id=self._run_id, path=item.path, attempt=item.attempt, event="step_output", data=raw, durable=True
        )
        written: asyncio.Future[None] = self._loop.create_future()
        self._writes[id(chunk)] = written
        if self._report(chunk):
            await written

    async def call(self, name: str, kind: TargetKind, target: str, input: Json, options: dict[str, Json]) -> Json:
        """Run a child through the runtime and return its output; a child that has its answer is not asked again.

        Raises:
            GreenroomError: What the child failed with.
            ParkSignal: The child is suspended.
        """
        await self._values.store(self._binaries)
        return await read_answer(
            name, await self.ask(name, kind, target, await self._values.pack(input), options), self._values
        )

    async def ask(
        self, name: str, kind: TargetKind, target: str, input: msgspec.Raw, options: dict[str, Json]
    ) -> Answer:
        """Report a call and return the runtime's answer; one that the dispatch brought along is returned at once.

        Args:
            input: As `Values.pack` gives it.
        """
        item = self._item
        known = item.calls.get(name)
        if known is not None:
            return known
        call = Call(
            run_id=self._run_id,
            path=item.path,
            attempt=item.attempt,
            name=name,
            kind=kind,
            target=target,
            input=input,
            options=options,
        )
        # What a body hands over here is checked as the runtime will check it, so that the error is the body's.
        _call_decoder.decode(_encoder.encode(call))
        answered: asyncio.Future[Answer] = self._loop.create_future()
        self._open[name] = answered
        try:
            self._report(call)
            return await answered
        finally:
            self._open.pop(name, None)

    def answer(self, name: str, answer: Answer) -> None:
        """Hand the runtime's answer to the body that waits for it; a second one is ignored."""
        waiting = self._open.get(name)
        if waiting is not None and not waiting.done():
            waiting.set_result(answer)

    def confirm(self, chunk: Chunk) -> None:
        """Tell the body that its durable chunk is in the journal."""
        written = self._writes.pop(id(chunk), None)
        if written is not None and not written.done():
            written.set_result(None)
