"""Stateful tools: instances that live as long as their actor and hold a browser, a model or a connection.

The instance is made once, and `setup` has ended before its first call. It is no truth: a killed actor makes a new one.
"""

import asyncio
import inspect
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from greenroom.actors.attempt import in_thread
from greenroom.actors.worker import StepWorker
from greenroom.runtime.contracts.ports import WorkerSpec
from greenroom.runtime.definitions.body import Body

_log = logging.getLogger("greenroom.worker")


class ToolInstances:
    """Instances of the stateful tools of one worker.

    A tool with a plain `__call__` is made, set up, called and torn down on one and the same thread, one call at a time:
    what it holds may belong to its thread. An async one lives on the event loop.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="greenroom-tool")
        self._made: dict[str, Any] = {}
        self._bodies: dict[str, Body] = {}
        self._making = asyncio.Lock()

    @property
    def thread(self) -> ThreadPoolExecutor:
        """Where tools with a plain `__call__` live."""
        return self._thread

    async def function_of(self, body: Body) -> Callable[..., Any]:
        """Return the tool's instance, made and set up at the first call.

        Raises:
            Exception: What its constructor or `setup` raised; the next call tries again.
        """
        async with self._making:
            if body.key not in self._made:
                instance = await self._run(body, body.function)
                await self._run(body, getattr(instance, "setup", None))
                self._made[body.key] = instance
                self._bodies[body.key] = body
            found: Callable[..., Any] = self._made[body.key]
            return found

    async def close(self) -> None:
        """Tear every instance down; one that fails is logged and does not keep the others."""
        made, self._made = self._made, {}
        for key, instance in made.items():
            try:
                await self._run(self._bodies[key], getattr(instance, "teardown", None))
            except Exception:  # noqa: BLE001 - a user's teardown may raise anything
                _log.exception("the tool %s failed in its teardown", key)
        self._thread.shutdown(wait=False)

    async def _run(self, body: Body, function: Callable[[], Any] | None) -> Any:
        if function is None:
            return None
        result = function() if body.is_async else await in_thread(self._thread, function)
        return await result if inspect.isawaitable(result) else result


class ToolActor(StepWorker):
    """Executes the calls of one stateful tool."""

    def __init__(self) -> None:
        super().__init__()
        self._instances: ToolInstances | None = None

    def _own_options(self, spec: WorkerSpec) -> dict[str, Any]:
        self._instances = ToolInstances()
        return {"max_threads": spec.max_threads, "instances": self._instances}

    async def _tidy_up(self) -> None:
        if self._instances is not None:
            await self._instances.close()
