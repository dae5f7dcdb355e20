"""The blob side of a store, opened by itself: for the actor that moves large values past the runtime.

Blobs are written once and named by their digest, so this needs no lock and no fence.
"""

import asyncio

from greenroom.storage import blob
from greenroom.storage.objects.bucket import Bucket
from greenroom.storage.objects.local import LocalObjects
from greenroom.storage.objects.ops import OsFiles
from greenroom.storage.open import bucket_objects, is_bucket, path_of
from greenroom.storage.parquet.blobs import StoredBlobs


class MemoryBlobs:
    """Blobs of a memory store; they end with the process that holds them."""

    def __init__(self) -> None:
        self._blobs: dict[str, bytes] = {}

    def put(self, sha256: str, data: bytes) -> None:
        """Keep bytes under their digest."""
        blob.check_new(sha256, data)
        self._blobs.setdefault(sha256, bytes(data))

    def get(self, sha256: str) -> bytes:
        """Return bytes.

        Raises:
            NotFound: There are none under this digest.
        """
        if sha256 not in self._blobs:
            raise blob.missing(sha256)
        return self._blobs[sha256]


class SharedBlobs:
    """Blobs of a store in a folder or a bucket, read and written off the event loop."""

    def __init__(self, files: StoredBlobs) -> None:
        self._files = files

    async def put(self, sha256: str, data: bytes) -> None:
        """Store bytes under their digest, durable on return."""
        await asyncio.to_thread(self._files.put, sha256, data)

    async def get(self, sha256: str) -> bytes:
        """Return stored bytes."""
        return await asyncio.to_thread(self._files.get, sha256)


def open_blobs(url: str) -> MemoryBlobs | SharedBlobs:
    """Return the blobs of the store that a URL names."""
    if url == "memory://":
        return MemoryBlobs()
    if is_bucket(url):
        return SharedBlobs(StoredBlobs(bucket_objects(Bucket.parse(url))))
    return SharedBlobs(StoredBlobs(LocalObjects(OsFiles(), path_of(url))))
