"""Reads stored values that the core must look into, off its path: a list of a foreach, a long prompt of an agent."""

import asyncio
import contextvars
import logging
from collections.abc import Awaitable, Callable

import msgspec

from greenroom.runtime.contracts.entries import Entry, Fetched, RunStarted
from greenroom.runtime.contracts.errors import GreenroomError, RunNotFound, StorageCorrupt, StorageError
from greenroom.runtime.contracts.storage import Storage
from greenroom.runtime.contracts.values import Json, blobs_in

log = logging.getLogger("greenroom.fetching")

Take = Callable[[str, str, str, Json, str | None], Awaitable[None]]
"""Called with run, path, digest, the value, and why it could not be read."""


class Fetching:
    """Reads in the background and hands over what was read."""

    def __init__(self, storage: Storage, take: Take) -> None:
        self._storage = storage
        self._take = take
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self, run_id: str, path: str, sha256: str) -> None:
        """Read a value for a node."""
        # A context of its own: work begun inside a request would be cancelled with that request.
        task = asyncio.get_running_loop().create_task(self._fetch(run_id, path, sha256), context=contextvars.Context())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        """Read no more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _fetch(self, run_id: str, path: str, sha256: str) -> None:
        value: Json = None
        problem: str | None = None
        try:
            value = await read_value(self._storage, sha256)
        except GreenroomError as error:
            problem = error.message
        try:
            await self._take(run_id, path, sha256, value, problem)
        except RunNotFound:
            return  # it was deleted
        except StorageError:
            log.warning("run %s could not take its stored value; the runtime starts over", run_id)


async def read_value(storage: Storage, sha256: str) -> Json:
    """Return a stored JSON value.

    Raises:
        NotFound: The store does not have it.
        StorageCorrupt: It is damaged.
    """
    data = await storage.get_blob(sha256)
    try:
        return msgspec.json.decode(data)
    except msgspec.DecodeError as error:
        message = f"stored value {sha256} is not JSON: {error}"
        raise StorageCorrupt(message, {"sha256": sha256}) from None


async def read_values(storage: Storage, groups: list[list[Entry]]) -> dict[str, Json]:
    """Return the values that a run's journal says were read, for its replay."""
    wanted = {
        entry.sha256 for group in groups for entry in group if isinstance(entry, Fetched) and entry.problem is None
    }
    for group in groups:
        first = group[0]
        if isinstance(first, RunStarted) and first.fork is not None:
            wanted.update(blob.sha256 for item in first.fork.taken for blob in blobs_in(item.reference))
    return {sha256: await read_value(storage, sha256) for sha256 in wanted}
