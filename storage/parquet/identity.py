"""`STORE.json`: which store this is and what format it has. Made once, never changed."""

import uuid
from typing import Final

import msgspec

from greenroom.runtime.contracts.errors import StorageError
from greenroom.storage.objects import checked_json
from greenroom.storage.objects.objects import Objects

FORMAT: Final = 1
"""The newest format this code reads and the one it writes."""

NAME: Final = "STORE.json"


class StoreIdentity(msgspec.Struct, frozen=True, kw_only=True):
    """Which store this is."""

    format: int
    store_id: str
    created_at: float


def load_identity(objects: Objects, *, now: float) -> StoreIdentity:
    """Return the identity of the store, made now if it has none.

    Raises:
        StorageCorrupt: The file is damaged.
        StorageError: The store was written in a newer format.
    """
    path = objects.address(NAME)
    if not objects.exists(NAME):
        fresh = StoreIdentity(format=FORMAT, store_id=uuid.uuid4().hex, created_at=now)
        objects.create(NAME, checked_json.encode(fresh))
    data = objects.read(NAME)
    check_format(checked_json.peek(data, path), path)
    return checked_json.decode(data, StoreIdentity, path)


def check_format(fields: dict[str, object], path: str) -> None:
    """Refuse a store of a newer format.

    Raises:
        StorageError: The format is not one this code reads.
    """
    found = fields.get("format")
    if found != FORMAT:
        raise StorageError(
            f"{path} says format {found}, and this version of greenroom reads format {FORMAT}; use the version that "
            "wrote the store, or a newer one",
            {"file": str(path), "format": found},
        )
