"""Whether the journal is whole: every frame behind the manifest's floor, and the chain that holds them together."""

from collections.abc import Sequence
from typing import NamedTuple

from greenroom.runtime.contracts.errors import StorageCorrupt
from greenroom.runtime.contracts.records import Record
from greenroom.runtime.contracts.storage import Damage
from greenroom.storage.journal import frame
from greenroom.storage.journal.journal import Boundary
from greenroom.storage.journal.log import Log, SegmentName
from greenroom.storage.parquet.manifest import Manifest
from greenroom.storage.parquet.recovery import Reader, segments


class JournalFindings(NamedTuple):
    """What a look at the journal found.

    Attributes:
        files: Segments that were read.
    """

    files: int
    bytes: int
    records: int
    damages: list[Damage]


def check_journal(log: Log, manifest: Manifest) -> JournalFindings:
    """Read every segment that counts. A frame that was never acknowledged at the end of one is no damage.

    A writer may be at work: what is found may then be a frame in the making, or a segment that was just removed. Real
    damage is found again when asked again.

    Raises:
        OSError: The system's reason why a segment cannot be read.
    """
    check = _JournalCheck(log, manifest)
    check.run()
    return JournalFindings(check.files, check.bytes, check.records, check.damages)


class _JournalCheck:
    def __init__(self, log: Log, manifest: Manifest) -> None:
        self.files = self.bytes = self.records = 0
        self.damages: list[Damage] = []
        self._log = log
        self._manifest = manifest
        self._reader = Reader(log, None, Boundary(manifest.floor_seq, manifest.floor_checksum), self._count)
        self._is_lost = False  # where the chain goes on is not known

    def run(self) -> None:
        names = {str(name): name for name in segments(self._log, self._manifest)}
        for text in sorted(self._manifest.sealed.keys() | names.keys()):
            name = names.get(text)
            if name is None:
                self._add(f"{self._log.address}/{text}", 0, "the file is missing")
                continue
            try:
                self._segment(name, self._manifest.sealed.get(text))
            except FileNotFoundError:
                self._add(self._log.address_of(name), 0, "the file is missing")

    def _segment(self, name: SegmentName, sealed: int | None) -> None:
        start = self._find_chain(name, sealed, 0) if self._is_lost else 0
        while start >= 0:
            try:
                self._reader.read_segment(name, self._log.read(name), sealed, start)
            except StorageCorrupt as error:
                offset = int(error.facts["offset"])
                self._add(str(error.facts["file"]), offset, str(error.facts["found"]))
                start = self._find_chain(name, sealed, offset)
            else:
                break
        self.files += 1
        self.bytes += len(self._log.read(name))

    def _count(self, records: Sequence[Record], _first_seq: int, _size: int) -> None:
        self.records += len(records)

    def _find_chain(self, name: SegmentName, sealed: int | None, offset: int) -> int:
        """Take the chain up again at the next frame that is whole; return where, or -1 when there is none."""
        data = self._log.read(name)[:sealed]
        place = frame.find_header(data, offset, name.epoch)
        while place is not None:
            header = frame.read_header(data, place)
            if header is not None and frame.read_body(data, place, header) is not None:
                here = Boundary(header.first_seq - 1, header.previous)
                if here != self._reader.end:  # the frame at the damage itself may be whole, and only not follow
                    self._reader.end = here
                    self._is_lost = False
                    return place
            place = frame.find_header(data, place + 1, name.epoch)
        self._is_lost = True
        return -1

    def _add(self, file: str, offset: int, found: str) -> None:
        self.damages.append(Damage(file=file, offset=offset, found=found))
        self._is_lost = True
