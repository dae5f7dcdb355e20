"""Reading the journal back after a crash (or a clean end, when there is nothing in it).

Frames are valid as long as they continue the chain. What follows the last valid frame of a segment is either nothing,
or a frame that was being written and never acknowledged, which is copied to `quarantine/` and left out; a valid frame
behind damage, or a break in the chain, means that acknowledged records are gone, and the store is refused.

A limit: damage to exactly the last acknowledged frame looks like a frame that was being written.
"""

import gc
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import zip_longest
from typing import Final, NamedTuple

import msgspec

from greenroom.runtime.contracts.records import Record
from greenroom.storage import codec
from greenroom.storage.journal import frame
from greenroom.storage.journal.journal import Boundary
from greenroom.storage.journal.log import FOLDER, Log, SegmentName
from greenroom.storage.objects.failure import corrupt
from greenroom.storage.objects.objects import Objects
from greenroom.storage.parquet.manifest import Manifest
from greenroom.storage.parquet.memtable import Memtable

QUARANTINE: Final = "quarantine"

Take = Callable[[Sequence[Record], int, int], None]
"""Called with the records of a frame, the number of the first, and the bytes they take in the journal."""


class Recovery(NamedTuple):
    """What the journal held.

    Attributes:
        memory: The records of every frame behind the manifest's floor.
        end: Where the next frame follows.
        sealed: The segments that were read, and how many of their bytes count.
        torn_bytes: Bytes behind the last frame that were set aside.
    """

    memory: Memtable
    end: Boundary
    sealed: dict[str, int]
    torn_bytes: int


def replay(log: Log, objects: Objects, manifest: Manifest) -> Recovery:
    """Read every frame behind the manifest's floor.

    Args:
        objects: Where torn bytes are set aside.

    Raises:
        StorageCorrupt: Acknowledged records are damaged or missing.
    """
    memory = Memtable()
    # Each frame's records are put away while they are still in the processor's cache.
    reader = Reader(log, objects, Boundary(manifest.floor_seq, manifest.floor_checksum), memory.put)
    names = {str(name): name for name in segments(log, manifest)}
    for missing in sorted(manifest.sealed.keys() - names.keys()):
        raise corrupt(f"{log.address}/{missing}", 0, "the file is missing")
    with _uncollected():
        for name, data in _read_ahead(log, list(names.values())):
            reader.read_segment(name, data, manifest.sealed.get(str(name)))
    return Recovery(memory, reader.end, reader.sealed, reader.torn_bytes)


@contextmanager
def _uncollected() -> Generator[None, None, None]:
    """Keep the garbage collector from counting, over and over, what is made to stay."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _read_ahead(log: Log, names: Sequence[SegmentName]) -> Iterator[tuple[SegmentName, bytes]]:
    """Give out segments with what they hold; the disk reads the next one while its predecessor is decoded."""
    with ThreadPoolExecutor(1, "greenroom-replay") as reading:
        coming = reading.submit(log.read, names[0]) if names else None
        for name, following in zip_longest(names, names[1:]):
            assert coming is not None  # noqa: S101 - there is a name
            data = coming.result()
            coming = reading.submit(log.read, following) if following is not None else None
            yield name, data


def segments(log: Log, manifest: Manifest) -> list[SegmentName]:
    """Return the segments that count, as they were written."""
    # One of an earlier epoch that was not there when that epoch ended is a fenced writer's: never acknowledged.
    return [
        name
        for name in log.names()
        if name.first_seq > manifest.floor_seq and (name.epoch >= manifest.epoch or str(name) in manifest.sealed)
    ]


class Reader:
    """Reads segments one after the other and follows the chain of their frames.

    Args:
        objects: Where torn bytes are set aside; None leaves them alone.
        floor: Where the first frame follows.
        take: Gets what each frame holds.
    """

    def __init__(self, log: Log, objects: Objects | None, floor: Boundary, take: Take) -> None:
        self.end = floor
        self.sealed: dict[str, int] = {}
        self.torn_bytes = 0
        self._log = log
        self._objects = objects
        self._take = take

    def read_segment(self, name: SegmentName, data: bytes, sealed: int | None, start: int = 0) -> None:
        """Take one segment up to its last valid frame.

        Args:
            data: What the segment holds.
            sealed: How many bytes count, when an earlier recovery has said so.
            start: Where the first frame to read begins.

        Raises:
            StorageCorrupt: Acknowledged records are damaged or missing.
        """
        path = self._log.address_of(name)
        end = len(data) if sealed is None else sealed
        if len(data) < end:
            raise corrupt(path, len(data), f"it has {len(data)} of at least {end} bytes")
        offset = start
        while offset < end and (size := self._read_frame(path, data, offset, name.epoch)) is not None:
            offset += size
        self.sealed[str(name)] = offset
        if sealed is not None:  # what stands behind was written by somebody who had lost the store, and is never read
            if offset != end:
                raise corrupt(path, min(offset, end), "a frame is damaged")
            return
        rest = data[offset:]
        if not (self._log.may_be_torn or (offset and not rest)):
            raise corrupt(path, offset, "a frame is damaged")
        torn = frame.read_header(data, offset)  # a header that arrived whole says where the next frame would stand
        behind = offset + (frame.HEADER_BYTES + torn.body_bytes if torn else 1)
        if (later := frame.find_header(data, behind, name.epoch)) is not None:
            raise corrupt(path, offset, f"a frame is damaged, and the one at {later} is not")
        if tail := rest.rstrip(b"\0"):
            self._set_aside(name, offset, tail)

    def _read_frame(self, path: str, data: bytes, offset: int, epoch: int) -> int | None:
        """Take the frame at this offset and return its size, or None when there is no valid one."""
        header = frame.read_header(data, offset)
        if header is None or header.epoch != epoch:
            return None
        body = frame.read_body(data, offset, header)
        if body is None:
            return None
        if (header.first_seq, header.previous) != (self.end.seq + 1, self.end.checksum):
            raise corrupt(path, offset, f"record {self.end.seq + 1} should follow and record {header.first_seq} does")
        try:
            records = codec.decode(body)
        except (ValueError, msgspec.MsgspecError) as error:
            raise corrupt(path, offset, f"a frame does not hold records ({error})") from error
        if len(records) != header.records:
            raise corrupt(path, offset, f"a frame holds {len(records)} of {header.records} records")
        self._take(records, header.first_seq, header.body_bytes)
        self.end = Boundary(self.end.seq + header.records, header.checksum)
        return frame.HEADER_BYTES + header.body_bytes

    def _set_aside(self, name: SegmentName, offset: int, tail: bytes) -> None:
        self.torn_bytes += len(tail)
        if self._objects is None:
            return
        reason = {
            "file": f"{FOLDER}/{name}",
            "offset": offset,
            "bytes": len(tail),
            "reason": "an append that was never acknowledged stood half written at the end of the journal",
        }
        self._objects.put(f"{QUARANTINE}/{name}.{offset}", tail)
        self._objects.put(f"{QUARANTINE}/{name}.{offset}.reason.json", msgspec.json.encode(reason))
