"""Attempts that wait for room in their limits, and the commits that admit them.

Nothing here is truth: what waits is in the journal as queued, what runs is known from the workers, and both are told
here again after a restart.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

from greenroom.runtime.contracts.errors import RuntimeUnavailable, StorageError
from greenroom.runtime.contracts.plan import LimitPlan
from greenroom.runtime.contracts.ports import Clock
from greenroom.runtime.contracts.values import Json
from greenroom.runtime.core.admission import Admission, Place, Ticket
from greenroom.runtime.core.limits import limits_of, priority_of
from greenroom.runtime.core.state import NodeState, RunState

MAX_AT_ONCE: Final = 256
"""Most attempts that are admitted in one commit."""

log = logging.getLogger("greenroom.admitting")


class Admitting:
    """Lets attempts begin when their limits have room.

    Attributes:
        limits: Those in force, by name.

    Args:
        clock: Time.
        admitted: Called with attempts that may begin; when it returns that is durable.
        configured: Limits that the configuration names; they hold whatever an app says.
        weights: Shares of workspaces.
    """

    def __init__(
        self,
        clock: Clock,
        admitted: Callable[[Sequence[Place]], Awaitable[None]],
        *,
        configured: Mapping[str, LimitPlan],
        weights: dict[str, float],
    ) -> None:
        self.limits: dict[str, LimitPlan] = dict(configured)
        self._clock = clock
        self._admitted = admitted
        self._configured = configured
        self._admission = Admission(self.limits, weights)
        self._changed = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def know(self, limits: Mapping[str, LimitPlan]) -> None:
        """Put the limits of an app in force, over those of older apps."""
        self.limits.update(limits)
        self.limits.update(self._configured)
        self._changed.set()

    def enter(self, run: RunState, node: NodeState) -> None:
        """Let a queued attempt wait."""
        self._admission.enter(_ticket(run, node))
        self._changed.set()

    def hold(self, run: RunState, node: NodeState) -> None:
        """Count an attempt that a worker of an earlier life has."""
        ticket = _ticket(run, node)
        if ticket.needs:
            self._admission.hold(ticket)

    def see_called(self, run: RunState, caller: NodeState) -> None:
        """Count anew what a body has called, when the body has begun again or waits to: its room is theirs as well.

        Else they would wait for the limits that their caller holds, or run without the room that it has lost.
        """
        for inner in caller.walk() if caller.calls else ():
            if inner.queued_at is not None:
                self.enter(run, inner)
            elif inner.has_attempt:
                self.leave(run.run_id, inner.path)
                self.hold(run, inner)

    def leave(self, run_id: str, path: str) -> None:
        """Give back what an attempt had that has ended, or will not begin."""
        if self._admission.leave((run_id, path)):
            self._changed.set()

    def start(self, since: float | None) -> None:
        """Begin to admit; `since` is when an earlier life ended, if there was one."""
        self._admission.since = since
        self._tasks.append(asyncio.create_task(self._keep(), name="admitting"))

    async def stop(self) -> None:
        """Admit no more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def describe(self) -> dict[str, Json]:
        """Return every limit and how it is used, for people."""
        return {
            name: {
                "running": use.running,
                "waiting": use.waiting,
                "concurrency": self.limits[name].concurrency,
                "rate": self.limits[name].rate,
                "per_s": self.limits[name].per_s,
                "each": self.limits[name].each,
            }
            for name, use in sorted(self._admission.uses().items())
        }

    async def _keep(self) -> None:
        while True:
            self._changed.clear()
            try:
                while due := self._admission.admit(self._clock.now(), MAX_AT_ONCE):
                    await self._admitted([ticket.place for ticket in due])
            except (StorageError, RuntimeUnavailable):
                return  # the host starts over from the store
            except Exception:  # whatever was wrong with these, the others shall begin
                log.exception("attempts could not be scheduled")
            await self._wait()

    async def _wait(self) -> None:
        """Return when something has changed, or a rate has room again."""
        at = self._admission.next_at(self._clock.now())
        if at is None:
            await self._changed.wait()
            return
        waits = [
            asyncio.create_task(self._clock.sleep_until(at), name="next rate"),
            asyncio.create_task(self._wait_for_change(), name="limits changed"),
        ]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)

    async def _wait_for_change(self) -> None:
        await self._changed.wait()


def _ticket(run: RunState, node: NodeState) -> Ticket:
    return Ticket(
        run_id=run.run_id,
        path=node.path,
        workspace=run.started.workspace,
        needs=limits_of(run, node.path),
        priority=priority_of(run, node),
        at=node.started_at,
    )
