"""Where a store is: its files, its journal, and the folder that is locked while it is open on this host."""

from pathlib import Path
from typing import NamedTuple

from greenroom.storage.journal.log import FOLDER as SEGMENTS
from greenroom.storage.journal.log import Log
from greenroom.storage.journal.segment import LocalLog
from greenroom.storage.objects.local import LocalObjects
from greenroom.storage.objects.objects import Objects
from greenroom.storage.objects.ops import FileOps


class Place(NamedTuple):
    """Where a store is.

    Attributes:
        locked: Folder on this machine to hold a lock in; None where there is none.
    """

    objects: Objects
    log: Log
    locked: Path | None


def local_place(ops: FileOps, root: Path) -> Place:
    """Return the place of a store in a folder."""
    return Place(LocalObjects(ops, root), LocalLog(ops, root / SEGMENTS), root)
