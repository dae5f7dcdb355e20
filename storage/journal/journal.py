"""The journal: one thread that makes groups of appends durable, one write and one fdatasync each.

There is no timer: while one group is on its way to the disk the next gathers by itself, so a lone append is a group of
its own and a thousand at once share a few. The thread decides nothing about records; it hands every durable append to
the event loop in the order of its number, so that all else about the store happens on the loop.
"""

import asyncio
import queue
import threading
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Final, NamedTuple, TypeAlias

import msgspec

from greenroom.runtime.contracts.errors import StorageError
from greenroom.runtime.contracts.records import Record
from greenroom.storage import codec
from greenroom.storage.journal import frame
from greenroom.storage.journal.epoch import Epoch
from greenroom.storage.journal.log import Log, OpenSegment, SegmentName
from greenroom.storage.journal.loop_calls import LoopCalls
from greenroom.storage.objects.failure import again, is_passing, storage_error

MAX_GROUP_BYTES: Final = 4 * 1024 * 1024
MAX_GROUP_RECORDS: Final = 1024
_SLICE: Final = 20  # appends answered in one turn of the loop


class Append(msgspec.Struct, frozen=True, eq=False, gc=False):
    """One append on its way. `done` gets the number of its last record."""

    payload: bytes
    records: list[Record]
    done: asyncio.Future[int]


class _Group(NamedTuple):
    """Appends that become durable together.

    Attributes:
        records: How many records they have.
        size: Bytes of their payloads.
    """

    appends: list[Append]
    records: int
    size: int


class Boundary(NamedTuple):
    """A place between two frames.

    Attributes:
        seq: Number of the last record before it.
        checksum: Of the last frame before it, which the next frame names as its previous.
    """

    seq: int
    checksum: int


class _Roll(NamedTuple):
    rolled: Callable[[Boundary], None]
    done: asyncio.Future[None]


class _Stop(NamedTuple):
    done: asyncio.Future[None]


class _Told(NamedTuple):
    """Those whose group was not kept are told: from here on in line stands what was not asked for before."""


_Item: TypeAlias = Append | _Roll | _Stop | _Told


class Journal:
    """Makes appends durable in the order they are given.

    Where one is not kept, nothing is that was put in line before its caller was told: it may build on what is missing.

    Args:
        end: Where the journal ended when the store was opened.
        applied: Called on the loop with the records of durable appends, the number of their first and their bytes,
            before anybody who waits for one of these appends goes on.
    """

    def __init__(
        self,
        *,
        log: Log,
        epoch: Epoch,
        end: Boundary,
        segment_bytes: int,
        loop: asyncio.AbstractEventLoop,
        applied: Callable[[list[Record], int, int], None],
    ) -> None:
        self.error: StorageError | None = None
        self.groups = 0
        self._log = log
        self._epoch = epoch
        self._end = end
        self._segment_bytes = segment_bytes
        self._segment: OpenSegment | None = None
        self._refused: StorageError | None = None
        self._loop = loop
        self._applied = applied
        self._line: deque[_Item] = deque()
        self._bell: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._is_called = False
        self._calls = LoopCalls(loop)
        self._thread = threading.Thread(target=self._run, name="greenroom-journal", daemon=True)
        self._thread.start()

    def submit(self, payload: bytes, records: list[Record]) -> asyncio.Future[int]:
        """Put an append in line; the future gets the number of its last record once it is durable and applied."""
        done: asyncio.Future[int] = self._loop.create_future()
        self._put(Append(payload, records, done))
        return done

    async def roll(self, rolled: Callable[[Boundary], None]) -> None:
        """End the segment. `rolled` runs on the loop, after all earlier appends were applied and before any later."""
        done: asyncio.Future[None] = self._loop.create_future()
        self._put(_Roll(rolled, done))
        await done

    async def stop(self) -> None:
        """Return when everything in line is answered and the thread has ended."""
        if self._thread.is_alive():
            done: asyncio.Future[None] = self._loop.create_future()
            self._put(_Stop(done))
            await done
            self._thread.join()
            self._calls.close()

    def _put(self, item: _Item) -> None:
        # Waking a thread costs more than all else here, so the bell rings once for everything that is put in line
        # before the thread looks. It looks after it has taken `_is_called` back: nothing stays in line unseen.
        self._line.append(item)
        if not self._is_called:
            self._is_called = True
            self._bell.put(None)

    # ------------------------------------------------------------------------------------------ in the journal's thread

    def _run(self) -> None:
        while True:
            self._bell.get()
            self._is_called = False
            while self._line:
                item = self._line[0]
                if isinstance(item, Append):
                    self._commit(self._gather())
                    continue
                self._line.popleft()
                if isinstance(item, _Told):
                    self._refused = None
                    continue
                self._close_segment()
                if isinstance(item, _Stop):
                    self._on_loop(partial(_resolve, item.done))
                    return
                self._on_loop(partial(self._answer_roll, item, self._end))

    def _gather(self) -> _Group:
        """Take the appends that are first in line, as many as fit one group, and at least one."""
        appends: list[Append] = []
        size = count = 0
        while self._line and isinstance(item := self._line[0], Append):
            more, larger = count + len(item.records), size + len(item.payload)
            if appends and (larger > MAX_GROUP_BYTES or more > MAX_GROUP_RECORDS):
                break
            appends.append(item)
            count, size = more, larger
            self._line.popleft()
        return _Group(appends, count, size)

    def _commit(self, group: _Group) -> None:
        # Made before the disk is waited for: a processor that a sync has woken soon sleeps again, and to wake it for
        # the loop takes longer than all that is done here.
        answers = self._answers(group)
        refused = self._refused
        try:
            error = refused or self.error or self._write(group)
        except Exception as unforeseen:  # noqa: BLE001 - the border of the thread: every append gets its answer
            error = self._stop_writing(StorageError(f"the journal failed: {unforeseen!r}; open the store again"))
        if error is None:
            self._on_loop(*answers)
            self.groups += 1
        else:
            self._refused = error
            self._on_loop(partial(self._reject, group.appends, error, is_first=refused is None))

    def _answers(self, group: _Group) -> list[Callable[[], None]]:
        """Return the calls that answer the group once it is durable."""
        first = self._end.seq + 1
        if len(group.appends) <= _SLICE:
            return [partial(self._answer, group.appends, first)]
        answers: list[Callable[[], None]] = []
        for start in range(0, len(group.appends), _SLICE):
            part = group.appends[start : start + _SLICE]
            answers.append(partial(self._answer, part, first))
            first += sum([len(append.records) for append in part])
        return answers

    def _write(self, group: _Group) -> StorageError | None:
        """Make the group durable as one frame, or return why it is not."""
        body = codec.join([append.payload for append in group.appends], group.records)
        header, checksum = frame.pack(
            body,
            count=group.records,
            epoch=self._epoch.number,
            first_seq=self._end.seq + 1,
            previous=self._end.checksum,
        )
        end = Boundary(self._end.seq + group.records, checksum)
        size = len(header) + len(body)
        try:
            segment = self._segment_for(size)
            segment.write(header, body)
        except OSError as error:
            # No space: nothing of the group counts, and the next frame takes its place. Anything else is a broken disk.
            failure = storage_error(error, "cannot write the journal", self._log.address)
            return failure if is_passing(error) else self._stop_writing(failure)
        try:
            segment.sync(size)
            self._calls.ring()
            self._epoch.check_near()
        except OSError as error:
            # The system may have dropped the dirty pages, and a second fdatasync would say all is well: never again.
            return self._stop_writing(storage_error(error, "cannot sync the journal", segment.address))
        except StorageError as error:
            return self._stop_writing(error)
        self._end = end
        return None

    def _segment_for(self, size: int) -> OpenSegment:
        if self._segment is None or not self._segment.has_room(size):
            self._close_segment()
            name = SegmentName(self._epoch.number, self._end.seq + 1)
            self._segment = self._log.create(name, max(size, self._segment_bytes))
        return self._segment

    def _close_segment(self) -> None:
        segment, self._segment = self._segment, None
        if segment is not None:
            segment.close()

    def _stop_writing(self, error: StorageError) -> StorageError:
        self.error = error
        return error

    def _on_loop(self, *calls: Callable[[], None]) -> None:
        """Have the loop make these calls, in the order in which they come from here."""
        if not self._calls.add(*calls):  # the loop was closed under an open store: nobody is left to be told
            self.error = self.error or StorageError("the event loop of this store is closed; open the store again")

    # ---------------------------------------------------------------------------------------------------- on the loop

    def _answer(self, group: list[Append], first: int) -> None:
        if len(group) == 1:
            records, size = group[0].records, len(group[0].payload)
        else:
            records = [record for append in group for record in append.records]
            size = sum([len(append.payload) for append in group])
        last = first - 1
        for append in group:
            last += len(append.records)
            if not append.done.done():
                append.done.set_result(last)  # who waits for it goes on in the loop's next turn
        self._applied(records, first, size)

    def _reject(self, group: list[Append], error: StorageError, *, is_first: bool) -> None:
        for append in group:
            if is_first and append is group[-1]:
                self._loop.call_soon(self._put, _Told())  # just before the last of them goes on, in the next turn
            if not append.done.done():
                append.done.set_exception(again(error))

    def _answer_roll(self, item: _Roll, boundary: Boundary) -> None:
        if self.error is None:
            item.rolled(boundary)
            _resolve(item.done)
        elif not item.done.done():
            item.done.set_exception(self.error)


def _resolve(done: asyncio.Future[None]) -> None:
    if not done.done():
        done.set_result(None)
