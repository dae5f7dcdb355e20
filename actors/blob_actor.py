"""The actor that owns the blob store, and the link workers reach it by.

Large values go worker to blob actor to store through Ray's object store and never enter the runtime. The actor holds no
truth but the store's: it may be killed at any time and is made again on the next use.
"""

import asyncio
import importlib
import inspect
from collections import OrderedDict
from typing import Any, Final

import msgspec
import ray
from ray.exceptions import ActorDiedError, ActorUnavailableError, ObjectLostError

from greenroom.runtime.contracts.errors import StorageError

NAMESPACE: Final = "greenroom"
BLOBS_NAME: Final = "greenroom-blobs"
MAX_CACHE_BYTES: Final = 64 * 1024 * 1024
RETRY_FOR_S: Final = 90.0
"""How long a call is made again: longer than it takes until a node that died is known to be dead."""

RETRY_WAIT_S: Final = 0.5


class BlobSource(msgspec.Struct, frozen=True, kw_only=True):
    """How to open the blob store.

    Attributes:
        factory: `module:function`; called with the URL it gives an object with `put(sha256, data)` and `get(sha256)`,
            plain or async, or an awaitable of one.
    """

    factory: str
    url: str


async def open_blobs(source: BlobSource) -> Any:
    """Return the store that the source describes.

    Raises:
        StorageError: The factory cannot be imported.
    """
    module, _, name = source.factory.partition(":")
    try:
        factory = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise StorageError(f"The blob store's factory {source.factory!r} cannot be imported: {error}") from error
    return await _settled(factory(source.url))


class BlobActor:
    """Puts and gets blobs for every worker. Opening is left to the first use: a constructor must not fail."""

    def __init__(self, source: bytes) -> None:
        self._source = msgspec.msgpack.decode(source, type=BlobSource)
        self._store: Any = None
        self._opening = asyncio.Lock()
        self._cache: OrderedDict[str, bytes] = OrderedDict()
        self._cached_bytes = 0

    async def put(self, sha256: str, data: bytes) -> None:
        """Store bytes under their digest; durable on return."""
        if sha256 in self._cache:
            return
        store = await self._opened()
        await _settled(store.put(sha256, data))
        self._remember(sha256, data)

    async def get(self, sha256: str) -> bytes:
        """Return stored bytes.

        Raises:
            NotFound: No such blob.
        """
        known = self._cache.get(sha256)
        if known is not None:
            self._cache.move_to_end(sha256)
            return known
        store = await self._opened()
        data: bytes = await _settled(store.get(sha256))
        self._remember(sha256, data)
        return data

    async def _opened(self) -> Any:
        async with self._opening:
            if self._store is None:
                self._store = await open_blobs(self._source)
            return self._store

    def _remember(self, sha256: str, data: bytes) -> None:
        if len(data) > MAX_CACHE_BYTES // 4 or sha256 in self._cache:
            return
        self._cache[sha256] = data
        self._cached_bytes += len(data)
        while self._cached_bytes > MAX_CACHE_BYTES:
            _, dropped = self._cache.popitem(last=False)
            self._cached_bytes -= len(dropped)


class RayBlobLink:
    """The blob store as a worker sees it: finds the actor by name, and makes it if there is none."""

    def __init__(self, source: BlobSource) -> None:
        self._source = source
        self._handle: Any = None

    async def put(self, sha256: str, data: bytes) -> None:
        """Store bytes under their digest, durable on return; storing the same again does nothing."""
        await self._call("put", sha256, data)

    async def get(self, sha256: str) -> bytes:
        """Return stored bytes.

        Raises:
            NotFound: No such blob.
        """
        data: bytes = await self._call("get", sha256)
        return data

    async def _call(self, method: str, *arguments: Any) -> Any:
        # Content-addressed, so a call that may have run already can be made again.
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + RETRY_FOR_S
        while loop.time() < give_up_at:
            if self._handle is None:
                self._handle = await asyncio.to_thread(_find_or_make, self._source)
            try:
                return await getattr(self._handle, method).remote(*arguments)
            except ActorDiedError:
                self._handle = None
            except (ActorUnavailableError, ObjectLostError):  # the bytes of an answer die with the node they are on
                pass
            await asyncio.sleep(RETRY_WAIT_S)
        raise StorageError(f"The actor {BLOBS_NAME} has not answered for {RETRY_FOR_S:g} s.")


def _find_or_make(source: BlobSource) -> Any:
    return (
        ray.remote(BlobActor)
        .options(
            name=BLOBS_NAME,
            namespace=NAMESPACE,
            lifetime="detached",
            get_if_exists=True,
            num_cpus=0,
            max_restarts=-1,
            max_task_retries=0,
            max_concurrency=1000,
            enable_task_events=False,
        )
        .remote(msgspec.msgpack.encode(source))
    )


async def _settled(value: Any) -> Any:
    return await value if inspect.isawaitable(value) else value
