"""A journal in a bucket: one object for each group, made once, whole or absent."""

import errno
from typing import Final

from greenroom.storage.journal.log import FOLDER, SegmentName
from greenroom.storage.objects.objects import Objects

_NOTHING: Final = b""


class ObjectLog:
    """See `Log`. While one group is on its way the next gathers by itself, so slow replies make large groups."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    @property
    def address(self) -> str:
        """See `Log`."""
        return self._objects.address(FOLDER)

    @property
    def may_be_torn(self) -> bool:
        """See `Log`. An object is there or it is not: what looks torn was acknowledged, and is damaged."""
        return False

    def address_of(self, name: SegmentName) -> str:
        """See `Log`."""
        return self._objects.address(_key(name))

    def create(self, name: SegmentName, size: int) -> "ObjectSegment":  # noqa: ARG002 - an object takes what it takes
        """See `Log`. Nothing is sent yet."""
        return ObjectSegment(self._objects, name)

    def names(self) -> list[SegmentName]:
        """See `Log`."""
        found = (SegmentName.parse(key.rpartition("/")[2]) for key in self._objects.list(FOLDER))
        return sorted(name for name in found if name)

    def read(self, name: SegmentName) -> bytes:
        """See `Log`."""
        return self._objects.read(_key(name))

    def delete(self, name: SegmentName) -> None:
        """See `Log`."""
        self._objects.delete(_key(name))


class ObjectSegment:
    """A segment of exactly one frame, which becomes an object when it is synced."""

    def __init__(self, objects: Objects, name: SegmentName) -> None:
        self._objects = objects
        self._key = _key(name)
        self._frame = _NOTHING
        self._is_written = False

    @property
    def address(self) -> str:
        """See `OpenSegment`."""
        return self._objects.address(self._key)

    def has_room(self, size: int) -> bool:  # noqa: ARG002 - one frame of any size
        """See `OpenSegment`."""
        return not self._is_written

    def write(self, header: bytes, body: bytes) -> None:
        """See `OpenSegment`. The frame stays in memory until `sync`."""
        self._frame = header + body

    def sync(self, size: int) -> None:  # noqa: ARG002 - the frame is whole
        """See `OpenSegment`.

        Raises:
            OSError: The store did not answer, or somebody else made an object of this name.
        """
        if not self._objects.create(self._key, self._frame):
            raise FileExistsError(errno.EEXIST, "another writer has made this object", self.address)
        self._is_written = True
        self._frame = _NOTHING

    def close(self) -> None:
        """See `OpenSegment`. What was not synced was never there."""
        self._frame = _NOTHING


def _key(name: SegmentName) -> str:
    return f"{FOLDER}/{name}"
