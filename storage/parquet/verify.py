"""Looking at every byte of a store, beside a running writer and without a lock. Changes nothing.

A writer replaces files meanwhile. What counts is what the newest manifest lists at the end: damage in what is not
listed any more is none, and files that nothing lists are no damage.
"""

import errno
from collections.abc import Callable
from hashlib import sha256
from typing import Any, Final, TypeVar

from greenroom.runtime.contracts.errors import StorageCorrupt, StorageError
from greenroom.runtime.contracts.records import Table
from greenroom.runtime.contracts.storage import Damage, VerifyReport
from greenroom.storage.journal.epoch import FOLDER as EPOCHS
from greenroom.storage.journal.epoch import Owner
from greenroom.storage.objects import checked_json
from greenroom.storage.objects.failure import storage_error
from greenroom.storage.parquet import manifest as manifests
from greenroom.storage.parquet.blob_references import missing_blobs
from greenroom.storage.parquet.blobs import FOLDER as BLOBS
from greenroom.storage.parquet.blobs import key_of
from greenroom.storage.parquet.identity import NAME as IDENTITY
from greenroom.storage.parquet.identity import StoreIdentity, check_format
from greenroom.storage.parquet.journal_check import check_journal
from greenroom.storage.parquet.manifest import Manifest, PartInfo
from greenroom.storage.parquet.part_check import check_part
from greenroom.storage.parquet.place import Place

T = TypeVar("T")

Progress = Callable[[int, int], None]
"""Told how many bytes of how many were read; both may grow."""

_ROUNDS: Final = 10  # looks at what a writer changed since the last look, each much shorter than the one before


def verify(place: Place, progress: Progress | None = None) -> VerifyReport:
    """Read everything and return all damage there is, each with its file and offset.

    Identity, epochs, manifests; of the newest manifest every part, the journal and every blob. May take minutes.

    Raises:
        StorageError: There is no store there, it is of a newer format, or it cannot be read.
    """
    try:
        return _Verification(place, progress).run()
    except OSError as error:
        raise storage_error(error, "cannot verify the store", place.objects.url.removeprefix("file://")) from error


class _Verification:
    def __init__(self, place: Place, progress: Progress | None) -> None:
        self._objects = place.objects
        self._log = place.log
        self._progress = progress
        self._files = self._bytes = self._rows = self._total = 0
        self._damages: list[Damage] = []

    def run(self) -> VerifyReport:
        versions = manifests.versions(self._objects)
        if not versions and not self._objects.exists(IDENTITY):
            where = self._objects.url.removeprefix("file://")
            raise StorageError(f"there is no store at {where}; give the folder that the runtime's storage names")
        self._check_identity()
        self._check_epochs()
        manifest = self._check_manifests()
        if manifest is not None:
            manifest = self._check_parts(manifest)
            self._check_journal()
            self._check_blobs(manifest)
        return VerifyReport(
            files=self._files, bytes=self._bytes, rows=self._rows, damages=tuple(dict.fromkeys(self._damages))
        )

    # ------------------------------------------------------------------------------------------------------ small files

    def _check_identity(self) -> None:
        data = self._read(IDENTITY)
        if data is None:
            self._add(IDENTITY, 0, "the file is missing")
        elif self._decode(IDENTITY, data, dict) is not None:
            check_format(checked_json.peek(data, IDENTITY), self._objects.address(IDENTITY))
            self._decode(IDENTITY, data, StoreIdentity)

    def _check_epochs(self) -> None:
        keys = {int(name): key for key in self._objects.list(EPOCHS) if (name := key.rpartition("/")[2]).isdigit()}
        for number in range(1, max(keys, default=0) + 1):  # they are never removed, or a number could be given twice
            key = keys.get(number, f"{EPOCHS}/{number:012d}")
            data = self._read(key)
            if data is None:
                self._add(key, 0, "the file is missing")
            else:
                self._decode(key, data, Owner)

    def _check_manifests(self) -> Manifest | None:
        """Return the newest that can be read, or None."""
        found: Manifest | None = None
        for version in manifests.versions(self._objects):
            key = manifests.key_of(version)
            data = self._read(key)
            if data is None:
                continue  # an old one that was just removed
            manifest = self._decode(key, data, Manifest)
            if manifest is not None and manifest.version != version:
                self._add(key, 0, f"it says version {manifest.version}")
            elif manifest is not None:
                found = manifest
        if found is None and not self._damages:
            self._add(manifests.FOLDER, 0, "there is no manifest")
        return found

    # ------------------------------------------------------------------------------------------- what a manifest lists

    def _check_parts(self, manifest: Manifest) -> Manifest:
        """Check every listed part, and those of newer manifests meanwhile; return the manifest they end with."""
        checked: dict[str, list[Damage]] = {}
        for _ in range(_ROUNDS):
            new = [(table, info) for table, info in _listed(manifest) if info.path not in checked]
            self._total = self._bytes + sum(info.bytes for _, info in new)
            for table, info in new:
                checked[info.path] = self._check_part(table, info)
            newer = self._newest(manifest)
            if newer.version == manifest.version:
                break
            manifest = newer
        for _, info in _listed(manifest):
            self._damages += checked.get(info.path, ())
        return manifest

    def _check_part(self, table: Table, info: PartInfo) -> list[Damage]:
        try:
            found = check_part(self._objects, table, info, self._count)
        except OSError as error:
            return [self._unreadable(info.path, error)]
        self._files += 1
        self._rows += info.rows
        return found

    def _newest(self, known: Manifest) -> Manifest:
        """Return the newest manifest, or the one that is known when that is damaged: `_check_manifests` has said so."""
        for _ in range(_ROUNDS):
            try:
                return manifests.read_newest(self._objects) or known
            except FileNotFoundError:
                continue
            except StorageCorrupt as error:
                self._take(error)
                break
        return known

    def _check_journal(self) -> None:
        """Ask until two looks agree: a writer that is at work is seen in the middle of it."""
        before: list[Damage] | None = None
        for _ in range(_ROUNDS):
            try:
                manifest = manifests.read_newest(self._objects)
            except FileNotFoundError:
                continue
            except StorageCorrupt:
                return  # where the journal begins is not known
            if manifest is None:
                return
            found = check_journal(self._log, manifest)
            lasting = [damage for damage in found.damages if before is None or damage in before]
            if not lasting or before is not None:
                self._files += found.files
                self._bytes += found.bytes
                self._rows += found.records
                self._damages += lasting
                return
            before = found.damages

    def _check_blobs(self, manifest: Manifest) -> None:
        present: set[str] = set()
        keys = self._objects.list(BLOBS)
        if self._progress is not None:
            self._total = self._bytes + sum(self._objects.size(key) for key in keys if self._objects.exists(key))
        for key in keys:
            name = key.rpartition("/")[2]
            if key == key_of(name):
                present.add(name)
                self._check_blob(key, name)
        missing = missing_blobs(self._objects, manifest, present)
        if missing:  # unless a purge has just removed them with the runs that named them
            missing &= missing_blobs(self._objects, self._newest(manifest), present)
        for name in sorted(missing):
            self._add(key_of(name), 0, "the blob is missing, and a run refers to it")

    def _check_blob(self, key: str, name: str) -> None:
        digest = sha256()
        try:
            for chunk in self._objects.chunks(key):
                digest.update(chunk)
                self._count(len(chunk))
        except FileNotFoundError:
            return  # purged meanwhile
        except OSError as error:
            self._damages.append(self._unreadable(key, error))
            return
        self._files += 1
        if digest.hexdigest() != name:
            self._add(key, 0, f"its bytes have the SHA-256 {digest.hexdigest()}")

    # ---------------------------------------------------------------------------------------------------------- finding

    def _read(self, key: str) -> bytes | None:
        """Return a small file, or None when it is not there."""
        try:
            data = self._objects.read(key)
        except FileNotFoundError:
            return None
        except OSError as error:
            self._damages.append(self._unreadable(key, error))
            return b""
        self._files += 1
        self._count(len(data))
        return data

    def _decode(self, key: str, data: bytes, kind: type[T]) -> T | None:
        try:
            return checked_json.decode(data, kind, self._objects.address(key))
        except StorageCorrupt as error:
            self._take(error)
            return None

    def _take(self, error: StorageCorrupt) -> None:
        facts: dict[str, Any] = error.facts
        self._damages.append(Damage(file=str(facts["file"]), offset=int(facts["offset"]), found=str(facts["found"])))

    def _unreadable(self, key: str, error: OSError) -> Damage:
        """Return the damage that a failed read is, or raise it when it says nothing about the bytes."""
        if isinstance(error, FileNotFoundError):
            return Damage(file=self._objects.address(key), offset=0, found="the file is missing")
        if error.errno != errno.EIO:
            raise error
        return Damage(file=self._objects.address(key), offset=0, found=f"it cannot be read ({error.strerror})")

    def _add(self, key: str, offset: int, found: str) -> None:
        self._damages.append(Damage(file=self._objects.address(key), offset=offset, found=found))

    def _count(self, size: int) -> None:
        self._bytes += size
        if self._progress is not None:
            self._progress(self._bytes, max(self._bytes, self._total))


def _listed(manifest: Manifest) -> list[tuple[Table, PartInfo]]:
    return [(table, info) for table in Table for info in manifest.parts(table)]
