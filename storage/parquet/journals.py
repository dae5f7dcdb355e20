"""Which journal holds the records that are in no part yet, when journals are apart from the parts.

A store in a bucket may have its journal on a local volume. A manifest then names the journal whose records follow it,
and no other journal may take over: not before the writer has closed with everything in parts, and named none.
"""

import uuid
from typing import Final

import msgspec
from msgspec.structs import replace

from greenroom.runtime.contracts.errors import StorageCorrupt, StorageError
from greenroom.storage.journal import epoch as epochs
from greenroom.storage.journal.object_log import ObjectLog
from greenroom.storage.objects import checked_json
from greenroom.storage.parquet import manifest as manifests
from greenroom.storage.parquet.identity import check_format
from greenroom.storage.parquet.manifest import Manifest
from greenroom.storage.parquet.place import Place
from greenroom.storage.parquet.recovery import segments

NAME: Final = "JOURNAL.json"


class JournalIdentity(msgspec.Struct, frozen=True, kw_only=True):
    """Which journal this is. Made once, in the journal's own folder, never changed.

    Attributes:
        store_id: Of the store whose records it takes.
    """

    format: int = 1
    journal_id: str
    store_id: str
    created_at: float


def load_journal(place: Place, store_id: str, *, now: float) -> str:
    """Return the id of the journal, which gets one now if it has none; empty when it is among the store's files.

    Raises:
        StorageCorrupt: The file that says it is damaged.
        StorageError: The folder holds the journal of another store.
    """
    files = place.journal
    if files is None:
        return ""
    if not files.exists(NAME):
        fresh = JournalIdentity(journal_id=uuid.uuid4().hex, store_id=store_id, created_at=now)
        files.create(NAME, checked_json.encode(fresh))
    data, path = files.read(NAME), files.address(NAME)
    check_format(checked_json.peek(data, path), path)
    found = checked_json.decode(data, JournalIdentity, path)
    if found.store_id != store_id:
        raise StorageError(
            f"{path} belongs to store {found.store_id}, and {place.objects.url} is store {store_id}; give each store "
            "a journal folder of its own",
            {"file": path, "store_id": found.store_id},
        )
    return found.journal_id


def check_journal(place: Place, journal: str, manifest: Manifest | None) -> None:
    """Pass when no other journal holds records that are in no part.

    Args:
        journal: Id of the journal that is to be used.

    Raises:
        StorageError: Another does, and they would be lost.
    """
    if manifest is None:
        return
    url = place.objects.url
    if manifest.journal not in ("", journal, place.lost_journal):
        raise StorageError(
            f"the newest records of {url} are in journal {manifest.journal}, last used {_last_use(place, manifest)}; "
            f"open the store with that journal and close it, then another may follow. If it is lost for good, "
            f"lost_journal={manifest.journal} in the URL gives up the records that only it has",
            {"journal": manifest.journal, "given": journal},
        )
    own = ObjectLog(place.objects)
    if journal and segments(own, manifest):
        raise StorageError(
            f"the newest records of {url} are in the bucket, under {own.address}; open the store once without journal= "
            "and close it, then the journal may move to a local volume",
            {"journal": journal},
        )


def release(place: Place, manifest: Manifest, *, now: float) -> Manifest:
    """Let any other journal follow: everything is in parts and nothing more will be acknowledged.

    Raises:
        OSError: The system's reason; the journal stays the one that must be used.
    """
    if not manifest.journal:
        return manifest
    last = replace(manifest, version=manifest.version + 1, written_at=now, sealed={}, journal="")
    return last if manifests.write(place.objects, last) else manifest


def _last_use(place: Place, manifest: Manifest) -> str:
    """Return who used the journal last, as far as that can be told."""
    try:
        owner = epochs.read_owner(place.objects, manifest.epoch)
    except (OSError, StorageCorrupt):
        return "by an unknown process"
    return f"by process {owner.pid} on {owner.host} as {owner.journal}"
