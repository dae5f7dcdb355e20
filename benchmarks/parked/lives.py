"""The runtime that is measured: its process, its store, and its death."""

import os
import signal
import time
from pathlib import Path
from typing import Any

from benchmarks.memory import sizes
from greenroom.runtime.client.link import ACTOR_NAME, NAMESPACE
from greenroom.runtime.client.runtime import RuntimeClient


class Lives:
    """One runtime and the lives it has.

    Args:
        client: A handle of it.
        store: The folder of its store.
    """

    def __init__(self, client: RuntimeClient, store: Path) -> None:
        self.client = client
        self._store = store

    async def pid(self) -> int:
        """Return the runtime's process."""
        return int(await _runtime().begin.remote())

    async def empty_call_s(self) -> float:
        """Return how long a call of the runtime takes in which it does nothing."""
        runtime = _runtime()
        begin = time.perf_counter()
        await runtime.begin.remote()
        return time.perf_counter() - begin

    async def resident_bytes(self) -> int:
        """Return the runtime's memory, as the kernel counts it."""
        return sizes(await self.pid())[1]

    async def stored_bytes(self) -> int:
        """Return what the store takes on the disk once it is compacted.

        Without what every store has: the reserve for a full disk, and the journal, whose segments are made in advance.
        """
        await self.client.compact()
        files = (file for file in self._store.rglob("*") if file.is_file())
        counted = (file for file in files if file.parent.name != "wal" and file.name != "RESERVE")
        return sum(file.stat().st_blocks * 512 for file in counted)

    async def restart_s(self, run_id: str) -> float:
        """Kill the runtime, and return how long it takes until its successor shows this run."""
        dead = await self.pid()
        begin = time.perf_counter()
        os.kill(dead, signal.SIGKILL)
        await (await self.client.run(run_id)).get()
        seconds = time.perf_counter() - begin
        if await self.pid() == dead:
            message = f"process {dead} was killed and answers"
            raise RuntimeError(message)
        return seconds


def _runtime() -> Any:
    import ray  # noqa: PLC0415 - after the configuration, which says what Ray reads from the environment

    return ray.get_actor(ACTOR_NAME, NAMESPACE)
