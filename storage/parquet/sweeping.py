"""Removing files that nothing needs any more. Blocking; in the thread of the upkeep, between its changes."""

import time
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet

from greenroom.runtime.contracts.records import Table
from greenroom.storage.journal.epoch import Epoch
from greenroom.storage.journal.log import SegmentName
from greenroom.storage.parquet import manifest as manifests
from greenroom.storage.parquet.manifest import Manifest, Removed
from greenroom.storage.parquet.options import StoreOptions
from greenroom.storage.parquet.part_writer import FOLDER as DATA
from greenroom.storage.parquet.part_writer import epoch_of
from greenroom.storage.parquet.place import Place
from greenroom.storage.parquet.recovery import QUARANTINE


class Sweeper:
    """Removes files.

    Args:
        now: Epoch seconds.
    """

    def __init__(
        self, *, place: Place, epoch: Epoch, options: StoreOptions, now: Callable[[], float] = time.time
    ) -> None:
        self._objects = place.objects
        self._log = place.log
        self._epoch = epoch
        self._options = options
        self._now = now

    def sweep(self, manifest: Manifest, in_use: AbstractSet[str]) -> None:
        """Remove what the manifest has made superfluous: segments, replaced parts past their grace, old manifests.

        Args:
            in_use: Paths of replaced parts that are still being read.
        """
        for name in self._superfluous(manifest):
            self._log.delete(name)
        for part in manifest.removed:
            if part.path not in in_use and self._is_past_grace(part):
                self._objects.delete(part.path)
        for version in manifests.versions(self._objects)[: -self._options.kept_manifests]:
            self._objects.delete(manifests.key_of(version))

    def sweep_orphans(self, manifest: Manifest) -> None:
        """Remove what a crash left behind: unfinished files, and parts of earlier writers that no manifest lists.

        Nothing of a newer writer, which may be at work on another host, is touched.
        """
        self._objects.sweep()
        listed = {info.path for table in Table for info in manifest.parts(table)}
        listed |= {part.path for part in manifest.removed}
        for key in self._objects.list(DATA):
            epoch = epoch_of(key.rpartition("/")[2])
            if epoch is not None and epoch < self._epoch.number and key not in listed:
                self._objects.delete(key)

    def purge(self, manifest: Manifest) -> dict[str, int]:
        """Remove at once whatever the newest manifest does not need; return what it was, and how large.

        Replaced parts, older manifests, segments and torn bytes that were set aside: all may hold what was deleted.
        Nothing of a newer writer is touched, however long this one was held up.

        Raises:
            Fenced: A newer writer has the store.
        """
        self._epoch.check()
        gone: dict[str, int] = {}
        for name in self._superfluous(manifest):
            gone[f"wal/{name}"] = len(self._log.read(name))
            self._log.delete(name)
        listed = {info.path for table in Table for info in manifest.parts(table)}
        keys = [key for key in self._objects.list(DATA) if key not in listed]
        versions = manifests.versions(self._objects)
        keys += [manifests.key_of(version) for version in versions if version < manifest.version]
        return gone | self.remove([*keys, *self._objects.list(QUARANTINE)])

    def remove(self, keys: Sequence[str]) -> dict[str, int]:
        """Remove files that may be there; return those that were, and their sizes.

        Raises:
            Fenced: A newer writer has the store.
        """
        gone: dict[str, int] = {}
        for key in keys:
            if self._objects.exists(key):
                self._epoch.check()  # what was looked up before a stall may be a newer writer's by now
                gone[key] = self._objects.size(key)
                self._objects.delete(key)
        return gone

    def _superfluous(self, manifest: Manifest) -> list[SegmentName]:
        def is_orphan(name: SegmentName) -> bool:
            return name.epoch < manifest.epoch and str(name) not in manifest.sealed

        return [name for name in self._log.names() if name.first_seq <= manifest.floor_seq or is_orphan(name)]

    def _is_past_grace(self, part: Removed) -> bool:
        return part.at + self._options.reader_grace_s <= self._now()
