"""Values that do not fit into JSON: how they are stored once and stand in JSON as references.

Arrow tables, images, bytes and anything encoded above `MAX_INLINE_BYTES` go to the blob store under their SHA-256.
pyarrow and Pillow are imported only when such a value turns up, so that a worker that never sees one stays small.
"""

import asyncio
import hashlib
import importlib
import io
from typing import Any, Final, Protocol

import msgspec

from greenroom.runtime.contracts.errors import StorageError
from greenroom.runtime.contracts.values import BLOB_FIELD, MAX_INLINE_BYTES, BlobRef, Json, find_blob

MAX_DEPTH: Final = 4
"""How deep in lists and objects binary values and references are looked for; the value itself is depth 1."""

_SCALARS: Final = frozenset({type(None), bool, int, float, str})
_encoder = msgspec.msgpack.Encoder()


class BlobLink(Protocol):
    """Where blobs are, as a worker sees it."""

    async def put(self, sha256: str, data: bytes) -> None:
        """Store bytes under their digest, durable on return; storing the same again does nothing."""
        ...

    async def get(self, sha256: str) -> bytes:
        """Return stored bytes.

        Raises:
            NotFound: No such blob.
        """
        ...


def binary_kind(value: Any) -> str | None:
    """Return how a value is stored that is not JSON (`bytes`, `arrow`, `image`), or None for any other value."""
    kind = type(value)
    if kind in (bytes, bytearray, memoryview):
        return "bytes"
    root = kind.__module__.split(".", 1)[0]
    if root == "pyarrow" and kind.__name__ in ("Table", "RecordBatch"):
        return "arrow"
    if root == "PIL" and hasattr(value, "save"):
        return "image"
    return None


def holds_binary(value: Any, depth: int = 1) -> bool:
    """Return whether the value is binary, or a list or dict that has a binary value near its top."""
    kind = type(value)
    if kind in _SCALARS:
        return False
    if depth < MAX_DEPTH:
        if kind is dict:
            return any(holds_binary(item, depth + 1) for item in value.values())
        if kind is list or kind is tuple:
            return any(holds_binary(item, depth + 1) for item in value)
    return binary_kind(value) is not None


def holds_reference(value: Json, depth: int = 1) -> bool:
    """Return whether the JSON value is a reference, or has one near its top."""
    kind = type(value)
    if kind is dict:
        if BLOB_FIELD in value:
            return True
        return depth < MAX_DEPTH and any(holds_reference(item, depth + 1) for item in value.values())
    if kind is list:
        return depth < MAX_DEPTH and any(holds_reference(item, depth + 1) for item in value)
    return False


class Binaries:
    """The binary values of one attempt: gives their references at once and keeps their bytes until they are stored.

    A hook for `definitions.invoke`, which dumps synchronously and from any thread.
    """

    __slots__ = ("_pending",)

    def __init__(self) -> None:
        self._pending: list[tuple[str, bytes]] = []

    def __call__(self, value: Any) -> Json:
        """Return the reference of a binary value.

        Raises:
            TypeError: The value is not binary.
        """
        kind = binary_kind(value)
        if kind is None:
            raise TypeError(f"{type(value).__name__} is no bytes, table or image")
        digest, data = _encode(kind, value)
        self._pending.append((digest, data))
        return BlobRef(sha256=digest, bytes=len(data), kind=kind).to_json()

    def take(self) -> list[tuple[str, bytes]]:
        """Return digests and bytes that are not stored yet, and forget them."""
        pending, self._pending = self._pending, []
        return pending


class Values:
    """Turns what bodies return into JSON with references, and back.

    Args:
        blobs: The blob store; None refuses values that need it.
    """

    def __init__(self, blobs: BlobLink | None = None) -> None:
        self._blobs = blobs

    async def store(self, binaries: "Binaries") -> None:
        """Store what was collected; the references to it may travel then."""
        pending = binaries.take()
        if pending:
            blobs = self._store()
            for digest, data in pending:
                await blobs.put(digest, data)

    async def pack(self, value: Json) -> msgspec.Raw:
        """Return a JSON value as msgpack, or as msgpack of a reference to it when it is too large to stay inline.

        Raises:
            TypeError: The value has a part that is not JSON.
            OverflowError: It has an integer of more than 64 bits.
        """
        encoded = _encoder.encode(value)
        if len(encoded) > MAX_INLINE_BYTES:
            encoded = _encoder.encode((await self._put("json", value)).to_json())
        return msgspec.Raw(encoded)

    async def resolve(self, value: Json, depth: int = 1) -> Any:
        """Return `value` with the referenced values in place of the references near its top."""
        if type(value) is dict:
            reference = find_blob(value)
            if reference is not None:
                return await self._get(reference)
            if depth < MAX_DEPTH:
                return {key: await self.resolve(item, depth + 1) for key, item in value.items()}
        elif type(value) is list and depth < MAX_DEPTH:
            return [await self.resolve(item, depth + 1) for item in value]
        return value

    async def _put(self, kind: str, value: Any) -> BlobRef:
        blobs = self._store()
        # In a thread: encoding and hashing 100 MB takes long enough to stall every other body on this loop.
        digest, data = await asyncio.to_thread(_encode, kind, value)
        await blobs.put(digest, data)
        return BlobRef(sha256=digest, bytes=len(data), kind=kind)

    async def _get(self, reference: BlobRef) -> Any:
        data = await self._store().get(reference.sha256)
        return await asyncio.to_thread(_decode, reference.kind, data)

    def _store(self) -> BlobLink:
        if self._blobs is None:
            raise StorageError(
                "A value is binary or above 256 kB, and this worker has no blob store; give the runtime a storage URL."
            )
        return self._blobs


def _encode(kind: str, value: Any) -> tuple[str, bytes]:
    match kind:
        case "arrow":
            data = _arrow_bytes(value)
        case "image":
            buffer = io.BytesIO()
            value.save(buffer, format="PNG")
            data = buffer.getvalue()
        case "json":
            data = msgspec.json.encode(value)
        case _:
            data = bytes(value)
    return hashlib.sha256(data).hexdigest(), data


def _decode(kind: str, data: bytes) -> Any:
    match kind:
        case "arrow":
            import pyarrow as pa  # noqa: PLC0415 - see the module's docstring

            return pa.ipc.open_stream(pa.py_buffer(data)).read_all()
        case "image":
            # By name: Pillow is no dependency of the library, only of applications that handle images.
            image = importlib.import_module("PIL.Image").open(io.BytesIO(data))
            image.load()
            return image
        case "json":
            return msgspec.json.decode(data)
        case _:
            return data


def _arrow_bytes(value: Any) -> bytes:
    import pyarrow as pa  # noqa: PLC0415 - see the module's docstring

    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, value.schema) as writer:
        writer.write(value)
    encoded: bytes = sink.getvalue().to_pybytes()
    return encoded
