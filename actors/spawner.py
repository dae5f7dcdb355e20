"""Makes workers and finds those of an earlier runtime.

Workers are named and detached: ordinary children of the runtime would die with it, and with them what they have in
hand. Their names say whose they are; what they are they tell themselves.
"""

import asyncio
import logging
import uuid
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec
import ray
from ray.exceptions import RayError
from ray.util import list_named_actors

from greenroom.actors.agent_actor import AgentActor
from greenroom.actors.blob_actor import BLOBS_NAME, NAMESPACE, BlobSource
from greenroom.actors.bundle_code import find_source, keep_source
from greenroom.actors.tool_actor import ToolActor
from greenroom.actors.worker import StepWorker, WorkerCard, WorkerOrder
from greenroom.actors.worker_link import RayWorkerLink, make_dead
from greenroom.runtime.contracts.plan import BundleSource
from greenroom.runtime.contracts.ports import BundleUnavailable, WorkerLink, WorkerLost, WorkerSpec

PREFIX: Final = "greenroom-worker-"
START_LIMIT_S: Final = 120.0
"""Longest time a worker may take to come up; loading user code is part of it."""

ADOPT_LIMIT_S: Final = 10.0
MAX_CALLS: Final = 1000
_log = logging.getLogger("greenroom.runtime")


class RaySpawner:
    """Implements `Spawner` on Ray.

    Args:
        blobs: How workers open the blob store; None leaves them without one.
        fresh: Gives suffixes that make names unique.
    """

    def __init__(
        self, blobs: BlobSource | None = None, fresh: Callable[[], str] = lambda: uuid.uuid4().hex[:8]
    ) -> None:
        self._blobs = blobs
        self._fresh = fresh

    async def adopt(self) -> Sequence[WorkerLink]:
        """Return the living workers of earlier incarnations; one that does not answer is killed."""
        names = await asyncio.to_thread(_worker_names)
        found = await asyncio.gather(*(self._adopt(name) for name in names))
        return [link for link in found if link is not None]

    async def spawn(self, spec: WorkerSpec) -> WorkerLink:
        """Start a worker and return when it answers.

        Raises:
            BundleUnavailable: Its code cannot be loaded; the message says what is missing.
            WorkerLost: It died while starting.
        """
        if spec.source != BundleSource():
            await keep_source(spec.bundle, spec.source)
        elif await asyncio.to_thread(find_source, spec.bundle) is None:
            raise BundleUnavailable(
                f"Nobody has told this cluster where the code of bundle {spec.bundle} is; connect with its app again."
            )
        name = f"{PREFIX}{spec.pool}-{spec.bundle}-{spec.number}-{self._fresh()}"
        handle = await asyncio.to_thread(_make, name, spec.pool)
        # The source went its own way: bytes of an app by value are not repeated to each worker.
        order = WorkerOrder(spec=msgspec.structs.replace(spec, source=BundleSource()), blobs=self._blobs)
        try:
            problem = await asyncio.wait_for(
                _settled(handle.start.remote(msgspec.msgpack.encode(order))), START_LIMIT_S
            )
        except (RayError, TimeoutError) as error:
            await make_dead(handle)
            raise WorkerLost(f"Worker {name} died while starting: {error}") from error
        if problem is not None:
            await make_dead(handle)
            raise BundleUnavailable(problem)
        return RayWorkerLink(name=name, pool=spec.pool, bundle=spec.bundle, handle=handle)

    async def _adopt(self, name: str) -> WorkerLink | None:
        try:
            handle: Any = await asyncio.to_thread(ray.get_actor, name, NAMESPACE)
        except ValueError:
            return None
        try:
            raw = await asyncio.wait_for(_settled(handle.describe.remote()), ADOPT_LIMIT_S)
        except (RayError, TimeoutError) as error:
            _log.warning("worker %s does not answer and is killed: %s", name, error)
            await make_dead(handle)
            return None
        card = msgspec.msgpack.decode(raw, type=WorkerCard)
        if not card.is_ready:
            await make_dead(handle)
            return None
        return RayWorkerLink(name=name, pool=card.pool, bundle=card.bundle, handle=handle)


async def kill_everything() -> None:
    """Kill every worker and the blob actor, for a shutdown of the whole; what they had in hand is run again later."""
    names = await asyncio.to_thread(_worker_names)
    for name in (*names, BLOBS_NAME):
        try:
            handle = await asyncio.to_thread(ray.get_actor, name, NAMESPACE)
        except ValueError:
            continue
        ray.kill(handle, no_restart=True)


def _worker_names() -> list[str]:
    actors: Any = list_named_actors(all_namespaces=True)
    return sorted(
        actor["name"] for actor in actors if actor["namespace"] == NAMESPACE and actor["name"].startswith(PREFIX)
    )


def _make(name: str, pool: str) -> Any:
    kind: type[StepWorker] = StepWorker
    if pool.startswith("agents"):
        kind = AgentActor
    elif pool.startswith("tool-"):
        kind = ToolActor
    return (
        ray.remote(kind)
        .options(
            name=name,
            namespace=NAMESPACE,
            lifetime="detached",
            num_cpus=0,
            max_restarts=0,
            max_task_retries=0,
            max_concurrency=MAX_CALLS,
            enable_task_events=False,
            scheduling_strategy="SPREAD",
        )
        .remote()
    )


async def _settled(reference: Any) -> Any:
    return await reference
