"""The other ports of the host: time, ids, workers.

Each has a fake for tests; the real ones are made in `greenroom.app`.
"""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from greenroom.runtime.contracts.plan import BundleSource
from greenroom.runtime.contracts.values import Json


class Clock(Protocol):
    """Time as an argument."""

    def now(self) -> float:
        """Return epoch seconds (UTC)."""
        ...

    async def sleep_until(self, at: float) -> None:
        """Return at or after this time; at once when it is past."""
        ...


class Ids(Protocol):
    """Fresh ids as an argument."""

    def run_id(self) -> str:
        """Return a new run id, sortable by time."""
        ...

    def trace_id(self) -> str:
        """Return a W3C trace id, 32 hex digits."""
        ...


class WorkerSpec(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A worker to be had.

    Attributes:
        pool: `steps`, `agents`, or `tool-<id>` for a stateful tool.
        bundle: Whose code it runs.
        number: Position in its pool, from 0.
        models: Providers by name, for agents: base URL, key variable, headers, prices.
        max_threads: Most synchronous bodies at once.
    """

    pool: str
    bundle: str
    number: int
    source: BundleSource = BundleSource()
    models: dict[str, Json] = {}
    max_threads: int = 16


class WorkerLost(Exception):
    """The worker is dead, and made sure of: nothing it had running can still report."""


class WorkerLink(Protocol):
    """One living worker, as the runtime sees it."""

    @property
    def name(self) -> str:
        """Unique name, also across restarts of the runtime."""
        ...

    @property
    def pool(self) -> str:
        """The pool it belongs to."""
        ...

    @property
    def bundle(self) -> str:
        """The bundle whose code it runs."""
        ...

    async def attach(self, epoch: int) -> bytes:
        """Take the worker over: it obeys this epoch from now on. Returns `Attached` as msgpack.

        Raises:
            WorkerLost: It is dead.
        """
        ...

    async def exchange(self, payload: bytes) -> bytes:
        """Hand over an `Exchange` (msgpack), wait until there is something to tell, return `Reports` (msgpack).

        Answers with empty reports after some time (below a minute) when nothing happens.

        Raises:
            WorkerLost: It is dead.
        """
        ...

    async def stop(self) -> None:
        """End the worker; what it was running is gone."""
        ...


class Spawner(Protocol):
    """Makes and finds workers."""

    async def adopt(self) -> Sequence[WorkerLink]:
        """Return the living workers of earlier incarnations of this runtime."""
        ...

    async def spawn(self, spec: WorkerSpec) -> WorkerLink:
        """Start a worker and return when it answers.

        Raises:
            BundleUnavailable: Its code cannot be loaded; the message says what is missing.
            WorkerLost: It died while starting.
        """
        ...


class BundleUnavailable(Exception):
    """A bundle's code cannot be loaded by workers."""
