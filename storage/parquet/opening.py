"""Opening a store: lock, identity, epoch, recovery. Blocking."""

import time
from typing import NamedTuple

from greenroom.storage.deletions import Deletions
from greenroom.storage.journal.epoch import Epoch
from greenroom.storage.objects.failure import corrupt, storage_error
from greenroom.storage.objects.objects import Objects
from greenroom.storage.parquet import manifest as manifests
from greenroom.storage.parquet.identity import load_identity
from greenroom.storage.parquet.journals import check_journal, load_journal
from greenroom.storage.parquet.lock import StoreLock
from greenroom.storage.parquet.manifest import Manifest
from greenroom.storage.parquet.options import StoreOptions
from greenroom.storage.parquet.part_writer import FOLDER as DATA
from greenroom.storage.parquet.pending import pending_deletions
from greenroom.storage.parquet.place import Place
from greenroom.storage.parquet.recovery import Recovery, replay
from greenroom.storage.parquet.sweeping import Sweeper
from greenroom.storage.parquet.upkeep import Upkeep


class OpenStore(NamedTuple):
    """A store that is this writer's."""

    place: Place
    lock: StoreLock | None
    epoch: Epoch
    manifest: Manifest
    recovery: Recovery
    upkeep: Upkeep
    sweeper: Sweeper
    deletions: Deletions


def open_place(place: Place, options: StoreOptions) -> OpenStore:
    """Take the store at this place, made now if there is none, and read back its journal.

    Raises:
        StorageCorrupt: Something in it is damaged; nothing was changed.
        StorageError: It is open elsewhere, of a newer format, or the place cannot be written.
    """
    try:
        lock = StoreLock.acquire(place.locked) if place.locked is not None else None
        try:
            return _take(place, options, lock)
        except BaseException:
            if lock is not None:
                lock.release()
            raise
    except OSError as error:
        raise storage_error(error, "cannot open the store", place.objects.url.removeprefix("file://")) from error


def _take(place: Place, options: StoreOptions, lock: StoreLock | None) -> OpenStore:
    objects = place.objects
    identity = load_identity(objects, now=time.time())
    journal = load_journal(place, identity.store_id, now=time.time())
    check_journal(place, journal, manifests.read_newest(objects))  # who is refused fences nobody
    epoch = Epoch.take(objects, now=time.time(), near=place.journal)
    while True:
        before = _newest(objects)
        check_journal(place, journal, before)
        recovery = replay(place.log, objects, before)
        manifest = Manifest(
            version=before.version + 1,
            epoch=epoch.number,
            written_at=time.time(),
            floor_seq=before.floor_seq,
            floor_checksum=before.floor_checksum,
            sealed={name: size for name, size in recovery.sealed.items() if size},
            tables=before.tables,
            removed=before.removed,
            erased_seq=before.erased_seq,
            journal=journal,
        )
        # Before anything is accepted: what an earlier writer adds to its segments from here on is never read.
        if manifests.write(objects, manifest):
            break
        epoch.check()  # an earlier writer was quicker by one flush: read again
    epoch.check()
    sweeper = Sweeper(place=place, epoch=epoch, options=options)
    sweeper.sweep(manifest, frozenset())
    sweeper.sweep_orphans(manifest)
    if place.reserve is not None:
        place.reserve.hold(options.reserve_bytes)
    upkeep = Upkeep(place=place, epoch=epoch, options=options)
    return OpenStore(place, lock, epoch, manifest, recovery, upkeep, sweeper, pending_deletions(objects, manifest))


def _newest(objects: Objects) -> Manifest:
    found = manifests.read_newest(objects)
    if found is None:
        if objects.list(DATA):
            raise corrupt(objects.address(manifests.FOLDER), 0, "there are parts and no manifest that lists them")
        return Manifest(version=0, epoch=0, written_at=0.0)
    sizes = objects.sizes(DATA)
    for parts in found.tables.values():
        for info in parts.parts:
            size = sizes.get(info.path, 0)
            if size != info.bytes:
                raise corrupt(objects.address(info.path), size, f"it has {size} of {info.bytes} bytes")
    return found
