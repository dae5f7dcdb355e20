"""The store as its newest manifest shows it, to whoever does not write it: its parts, and what is deleted in them.

No lock is taken. A writer may replace and remove what is being read; then the newest manifest is asked again.
"""

from collections.abc import Callable
from typing import Final, NamedTuple, TypeVar

from greenroom.runtime.contracts.errors import StorageError
from greenroom.runtime.contracts.records import Table
from greenroom.storage.deletions import Deletions
from greenroom.storage.objects.failure import corrupt, storage_error
from greenroom.storage.objects.objects import Objects
from greenroom.storage.parquet import manifest as manifests
from greenroom.storage.parquet.identity import NAME as IDENTITY
from greenroom.storage.parquet.identity import check_format
from greenroom.storage.parquet.manifest import Manifest, PartInfo
from greenroom.storage.parquet.pending import pending_deletions

T = TypeVar("T")

_TRIES: Final = 10  # newer manifests in a row that the files of each vanish under: no writer is so quick


class Moment(NamedTuple):
    """The store at one moment.

    Attributes:
        objects: Its files.
        deletions: Those that parts may still hold rows of.
    """

    objects: Objects
    manifest: Manifest
    deletions: Deletions

    def runs(self, table: Table) -> list[list[PartInfo]]:
        """Return the sorted runs of a table, oldest records first: in each, no key stands twice."""
        found: dict[str, list[PartInfo]] = {}
        for info in self.manifest.parts(table):
            found.setdefault(info.run, []).append(info)
        return list(found.values())

    def missing(self) -> str | None:
        """Return a listed part that is not there, or None."""
        listed = (info.path for table in Table for info in self.manifest.parts(table))
        return next((path for path in listed if not self.objects.exists(path)), None)


def newest_manifest(objects: Objects) -> Manifest:
    """Return the newest manifest.

    Raises:
        StorageError: There is no store, it is of a newer format, or it cannot be read.
        StorageCorrupt: The manifest is damaged.
    """
    place = objects.url.removeprefix("file://")
    try:
        for _ in range(_TRIES):
            try:
                found = manifests.read_newest(objects)
            except FileNotFoundError:  # swept between the listing and the reading: there is a newer one
                continue
            if found is not None:
                check_format({"format": found.format}, objects.address(manifests.key_of(found.version)))
                return found
            if objects.exists(IDENTITY):
                break
            message = f"there is no store at {place}; give the folder that the runtime's storage names"
            raise StorageError(message, {"storage": objects.url})
    except OSError as error:
        raise storage_error(error, "cannot read the store", place) from error
    raise StorageError(f"the store at {place} has nothing written yet; try again once a runtime has opened it")


def at_newest(objects: Objects, read: Callable[[Moment], T]) -> T:
    """Return what `read` makes of the store, and let it begin anew where files were replaced under it.

    Raises:
        StorageCorrupt: The newest manifest lists a part that is not there; and what `newest_manifest` raises.
    """
    version = -1
    for _ in range(_TRIES):
        manifest = newest_manifest(objects)
        moment = Moment(objects, manifest, Deletions())
        try:
            return read(moment._replace(deletions=pending_deletions(objects, manifest)))
        except Exception:
            gone = moment.missing()
            if gone is None:
                raise
            if manifest.version == version:
                raise corrupt(objects.address(gone), 0, "the file is missing") from None
            version = manifest.version
    raise StorageError("the store changes faster than it can be read; try again, with a smaller question")
