"""Where a store is: its files, its journal, and the folder that is locked while it is open on this host."""

from pathlib import Path
from typing import NamedTuple

from greenroom.storage.journal.log import FOLDER as SEGMENTS
from greenroom.storage.journal.log import Log
from greenroom.storage.journal.object_log import ObjectLog
from greenroom.storage.journal.segment import LocalLog
from greenroom.storage.objects.local import LocalObjects
from greenroom.storage.objects.objects import Objects
from greenroom.storage.objects.ops import FileOps
from greenroom.storage.parquet.reserve import Reserve


class Place(NamedTuple):
    """Where a store is.

    Attributes:
        locked: Folder on this machine to hold a lock in; None where there is none.
        journal: Files of the volume that the journal is on; None when the journal is among the store's own files.
        reserve: Space that is given up when the disk is full; None where there is no such thing.
        lost_journal: Id of a journal whose records are given up; empty for none.
    """

    objects: Objects
    log: Log
    locked: Path | None
    journal: Objects | None = None
    reserve: Reserve | None = None
    lost_journal: str = ""


def local_place(ops: FileOps, root: Path) -> Place:
    """Return the place of a store in a folder."""
    return Place(LocalObjects(ops, root), LocalLog(ops, root / SEGMENTS), root, reserve=Reserve(ops, root))


def remote_place(objects: Objects, ops: FileOps, journal: Path | None, lost_journal: str = "") -> Place:
    """Return the place of a store in a bucket.

    Args:
        journal: Folder on a local volume for the journal; None for a journal in the bucket.
    """
    if journal is None:
        return Place(objects, ObjectLog(objects), None, lost_journal=lost_journal)
    return Place(
        objects,
        LocalLog(ops, journal / SEGMENTS),
        journal,
        LocalObjects(ops, journal),
        Reserve(ops, journal),
        lost_journal,
    )
