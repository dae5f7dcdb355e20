"""The port to where the journal's segments are: files that grow on a local disk, or one object for each group."""

from typing import NamedTuple, Protocol, Self


class SegmentName(NamedTuple):
    """What the name of a segment says. Sorts as the segments were written.

    Attributes:
        first_seq: Number of the first record in it.
    """

    epoch: int
    first_seq: int

    @classmethod
    def parse(cls, name: str) -> Self | None:
        """Return what the file's name says, or None for a file that is no segment."""
        epoch, dash, first_seq = name.removesuffix(ENDING).partition("-")
        if not (name.endswith(ENDING) and dash and epoch.isdigit() and first_seq.isdigit()):
            return None
        return cls(int(epoch), int(first_seq))

    def __str__(self) -> str:
        return f"{self.epoch:012d}-{self.first_seq:016d}{ENDING}"


ENDING = ".wal"
FOLDER = "wal"


class OpenSegment(Protocol):
    """The segment that is being written."""

    @property
    def address(self) -> str:
        """Path or address, for messages."""
        ...

    def has_room(self, size: int) -> bool:
        """Return whether so many bytes fit."""
        ...

    def write(self, header: bytes, body: bytes) -> None:
        """Write one frame behind the last. After an error the next frame takes the same place."""
        ...

    def sync(self, size: int) -> None:
        """Make the frame just written, of `size` bytes, durable."""
        ...

    def close(self) -> None:
        """Let go of the segment, and remove it when it holds no durable frame: the next segment has its name."""
        ...


class Log(Protocol):
    """The segments of one store. Every call may block and fails with OSError."""

    @property
    def address(self) -> str:
        """Path or address of all of them, for messages."""
        ...

    @property
    def may_be_torn(self) -> bool:
        """Whether a crash can leave half a frame at the end of a segment, or none at all."""
        ...

    def address_of(self, name: SegmentName) -> str:
        """Return the path or address of one."""
        ...

    def create(self, name: SegmentName, size: int) -> OpenSegment:
        """Make a segment of at least `size` bytes; no file is left behind when there is no space for it."""
        ...

    def names(self) -> list[SegmentName]:
        """Return the segments that are there, as they were written."""
        ...

    def read(self, name: SegmentName) -> bytes:
        """Return a whole segment; what is returned survives a loss of power."""
        ...

    def delete(self, name: SegmentName) -> None:
        """Remove a segment; none is fine."""
        ...
