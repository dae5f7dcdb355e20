"""The runtime actor: a thin shell around the host, named, detached and restarted by Ray.

The constructor does nothing that can fail: an exception in it, on a restart, would end the actor for good. The host
opens the store in the background and takes requests as soon as it has recovered.
"""

import asyncio
import contextvars
import importlib
import logging
import os

from greenroom.runtime.host.edge import answer
from greenroom.runtime.host.host import Host

log = logging.getLogger("greenroom.actor")


class RuntimeActor:
    """One runtime of a cluster.

    Args:
        compose: `module:function` that makes the host from the configuration.
        config: The configuration, as JSON.
    """

    def __init__(self, compose: str, config: str) -> None:
        self._compose = compose
        self._config = config
        self._host: Host | None = None
        self._begin()

    def _begin(self) -> None:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return
        # A context of its own: work begun inside a Ray call would be cancelled with that call.
        loop.create_task(self._start(), context=contextvars.Context())  # noqa: RUF006 - the host keeps its own task

    async def _start(self) -> Host:
        if self._host is None:
            module, _, name = self._compose.partition(":")
            host: Host = getattr(importlib.import_module(module), name)(self._config)
            host.start()
            self._host = host
        return self._host

    async def call(self, payload: bytes) -> bytes:
        """Answer one encoded request."""
        return await answer(await self._start(), payload)

    async def begin(self) -> int:
        """Make sure that the host has begun; return this process's id."""
        await self._start()
        return os.getpid()
