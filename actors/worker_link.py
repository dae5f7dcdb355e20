"""One living worker as the runtime sees it, over Ray.

Any trouble on the line means that the worker is lost, and lost means dead: it is killed and seen to be dead before
`WorkerLost` is raised, so that nothing it had running can still report.
"""

import asyncio
import logging
from typing import Any, Final

import ray
from ray.exceptions import ActorDiedError, RayError

from greenroom.runtime.contracts.ports import WorkerLost

STOP_LIMIT_S: Final = 10.0
ATTACH_LIMIT_S: Final = 10.0
SILENT_LIMIT_S: Final = 90.0
"""Longest time a worker may leave an exchange unanswered; one with nothing to tell answers within a minute.

A process that stands still (stopped, swapped out, a native call that keeps the interpreter's lock) is alive for Ray.
"""

FENCE_LIMIT_S: Final = 30.0
FENCE_POLL_S: Final = 2.0
_log = logging.getLogger("greenroom.runtime")


class RayWorkerLink:
    """Implements `WorkerLink` over a named, detached actor."""

    def __init__(
        self, *, name: str, pool: str, bundle: str, handle: Any, silent_limit_s: float = SILENT_LIMIT_S
    ) -> None:
        self._name = name
        self._pool = pool
        self._bundle = bundle
        self._handle = handle
        self._silent_limit_s = silent_limit_s

    @property
    def name(self) -> str:
        """Unique name, also across restarts of the runtime."""
        return self._name

    @property
    def pool(self) -> str:
        """The pool it belongs to."""
        return self._pool

    @property
    def bundle(self) -> str:
        """The bundle whose code it runs."""
        return self._bundle

    async def attach(self, epoch: int) -> bytes:
        """Take the worker over: it obeys this epoch from now on. Returns `Attached` as msgpack.

        Raises:
            WorkerLost: It is dead.
        """
        return await self._call("attach", epoch, ATTACH_LIMIT_S)

    async def exchange(self, payload: bytes) -> bytes:
        """Hand over an `Exchange` and return `Reports` as soon as there are any (both msgpack).

        Raises:
            WorkerLost: It is dead.
        """
        return await self._call("exchange", payload, self._silent_limit_s)

    async def stop(self) -> None:
        """End the worker; what it was running is gone."""
        try:
            await asyncio.wait_for(_settled(self._handle.stop.remote()), STOP_LIMIT_S)
        except (RayError, TimeoutError) as error:
            _log.info("worker %s did not stop by itself: %s", self._name, error)
        await make_dead(self._handle)

    async def _call(self, method: str, argument: Any, limit_s: float) -> bytes:
        try:
            async with asyncio.timeout(limit_s):
                answer: bytes = await getattr(self._handle, method).remote(argument)
        except (RayError, TimeoutError) as error:
            what = f"it left {method} unanswered for {limit_s:g} s" if isinstance(error, TimeoutError) else str(error)
            _log.warning("worker %s is lost: %s", self._name, what.partition("\n")[0])
            await make_dead(self._handle)
            raise WorkerLost(f"Worker {self._name} is dead.") from error
        return answer


async def make_dead(handle: Any) -> None:
    """Kill an actor for good and return when Ray agrees that it is dead, or after `FENCE_LIMIT_S`.

    Past the limit (a node that cannot be reached) the number of the attempt still keeps its results out.
    """
    ray.kill(handle, no_restart=True)
    loop = asyncio.get_running_loop()
    deadline = loop.time() + FENCE_LIMIT_S
    while loop.time() < deadline:
        try:
            await asyncio.wait_for(_settled(handle.__ray_ready__.remote()), FENCE_POLL_S)
        except ActorDiedError:
            return
        except (RayError, TimeoutError):
            continue


async def _settled(reference: Any) -> Any:
    return await reference
