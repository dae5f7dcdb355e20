"""Opening a store: lock, identity, epoch, recovery. Blocking."""

import time
from pathlib import Path
from typing import NamedTuple

from greenroom.storage.journal.epoch import FOLDER as EPOCHS
from greenroom.storage.journal.epoch import Epoch
from greenroom.storage.journal.segment import FOLDER as SEGMENTS
from greenroom.storage.objects.durable import make_dirs
from greenroom.storage.objects.failure import corrupt, storage_error
from greenroom.storage.objects.ops import FileOps
from greenroom.storage.parquet import manifest as manifests
from greenroom.storage.parquet.blobs import FOLDER as BLOBS
from greenroom.storage.parquet.identity import load_identity
from greenroom.storage.parquet.lock import StoreLock
from greenroom.storage.parquet.manifest import Manifest
from greenroom.storage.parquet.options import StoreOptions
from greenroom.storage.parquet.part_writer import FOLDER as DATA
from greenroom.storage.parquet.recovery import Recovery, replay
from greenroom.storage.parquet.upkeep import Upkeep


class OpenStore(NamedTuple):
    """A store that is this writer's."""

    lock: StoreLock
    epoch: Epoch
    manifest: Manifest
    recovery: Recovery
    upkeep: Upkeep


def open_files(ops: FileOps, root: Path, options: StoreOptions) -> OpenStore:
    """Take the store at `root`, made now if there is none, and read back its journal.

    Raises:
        StorageCorrupt: Something in it is damaged; nothing was changed.
        StorageError: It is open elsewhere, of a newer format, or the folder cannot be written.
    """
    try:
        make_dirs(ops, root)
        lock = StoreLock.acquire(root)
        try:
            return _take(ops, root, options, lock)
        except BaseException:
            lock.release()
            raise
    except OSError as error:
        raise storage_error(error, "cannot open the store", root) from error


def _take(ops: FileOps, root: Path, options: StoreOptions, lock: StoreLock) -> OpenStore:
    load_identity(ops, root, now=time.time())
    for folder in (EPOCHS, SEGMENTS, manifests.FOLDER, DATA, BLOBS):
        make_dirs(ops, root / folder)
    epoch = Epoch.take(ops, root, now=time.time())
    while True:
        before = _newest(ops, root)
        recovery = replay(ops, root, before)
        manifest = Manifest(
            version=before.version + 1,
            epoch=epoch.number,
            written_at=time.time(),
            floor_seq=before.floor_seq,
            floor_checksum=before.floor_checksum,
            sealed={name: size for name, size in recovery.sealed.items() if size},
            tables=before.tables,
            removed=before.removed,
        )
        # Before anything is accepted: what an earlier writer adds to its segments from here on is never read.
        if manifests.write(ops, root, manifest):
            break
        epoch.check()  # an earlier writer was quicker by one flush: read again
    epoch.check()
    upkeep = Upkeep(ops=ops, root=root, epoch=epoch, options=options)
    upkeep.sweep(manifest, frozenset())
    upkeep.sweep_orphans(manifest)
    return OpenStore(lock, epoch, manifest, recovery, upkeep)


def _newest(ops: FileOps, root: Path) -> Manifest:
    found = manifests.read_newest(ops, root)
    if found is None:
        if any((root / DATA).rglob("*.parquet")):
            raise corrupt(root / manifests.FOLDER, 0, "there are parts and no manifest that lists them")
        return Manifest(version=0, epoch=0, written_at=0.0)
    for parts in found.manifest.tables.values():
        for info in parts.parts:
            path = root / info.path
            size = path.stat().st_size if ops.exists(path) else 0
            if size != info.bytes:
                raise corrupt(path, size, f"it has {size} of {info.bytes} bytes")
    return found.manifest
