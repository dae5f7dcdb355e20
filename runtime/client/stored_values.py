"""Values above 256 kB in what a caller gets: the journal refers to them, and whoever asks for the result wants them."""

from collections.abc import Awaitable, Callable
from typing import Final

from greenroom.runtime.contracts.errors import NotFound
from greenroom.runtime.contracts.values import BlobRef, Json, blobs_in, find_blob

MAX_WHOLE_BYTES: Final = 16 * 1024 * 1024
"""Most bytes of stored values that are put into an output; one with more keeps its references."""


async def whole(value: Json, read: Callable[[BlobRef], Awaitable[Json]]) -> Json:
    """Return the value with what is stored as JSON in place of the references to it.

    References to bytes, tables and images stay, and so do all when there are more than `MAX_WHOLE_BYTES`. What only
    looks like a reference is the user's own and stays too.
    """
    wanted = {reference.sha256: reference for reference in blobs_in(value) if reference.kind == "json"}
    if not wanted or sum(reference.bytes for reference in wanted.values()) > MAX_WHOLE_BYTES:
        return value
    found: dict[str, Json] = {}
    for sha256, reference in wanted.items():
        try:
            found[sha256] = await read(reference)
        except NotFound:
            continue
    return _filled(value, found)


def _filled(value: Json, found: dict[str, Json]) -> Json:
    reference = find_blob(value)
    if reference is not None:
        return found.get(reference.sha256, value)
    if isinstance(value, dict):
        return {name: _filled(inner, found) for name, inner in value.items()}
    if isinstance(value, list):
        return [_filled(inner, found) for inner in value]
    return value
