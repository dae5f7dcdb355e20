"""Admission: which of the attempts that wait may begin now. Pure; time is an argument.

Attempts that count against the same limits stand in one line, and the lines take turns. Whoever does not fit waits,
and nobody behind it in another line waits for it. A rate is exact: no more than `rate` attempts begin within any
`per_s` seconds. How many began before a restart is not known; then they are spread evenly over the first `per_s`.
"""

from collections import deque
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from greenroom.runtime.contracts.plan import LimitPlan
from greenroom.runtime.core.fair_queue import FairQueue

Place = tuple[str, str]
"""Run id and path."""

_Counter = tuple[str, str]  # a limit, and a workspace where each has its own


class Ticket(NamedTuple):
    """An attempt that waits, or has begun.

    Attributes:
        needs: The limits it counts against.
        at: Since when its step has begun; the earlier goes first.
    """

    run_id: str
    path: str
    workspace: str
    needs: tuple[str, ...]
    priority: int = 0
    at: float = 0.0

    @property
    def place(self) -> Place:
        """Whose attempt it is."""
        return self.run_id, self.path


class LimitUse(NamedTuple):
    """How a limit is used: attempts that have begun, and those that wait for it among others."""

    running: int
    waiting: int


class Admission:
    """Who holds room in the limits and who waits for it.

    Args:
        limits: Those in force, by name; may change at any time.
        weights: Shares of workspaces.

    Attributes:
        since: When an earlier life ended whose attempts are not known, or None.
    """

    def __init__(self, limits: Mapping[str, LimitPlan], weights: dict[str, float] | None = None) -> None:
        self._limits = limits
        self._weights = weights or {}
        self.since: float | None = None
        self._lines: dict[tuple[str, ...], FairQueue[Ticket]] = {}
        self._waiting: dict[Place, Ticket] = {}
        self._held: dict[Place, tuple[_Counter, ...]] = {}
        self._used: dict[_Counter, int] = {}
        self._begun: dict[_Counter, deque[float]] = {}
        self._stale = 0

    def __len__(self) -> int:
        """How many wait."""
        return len(self._waiting)

    def enter(self, ticket: Ticket) -> None:
        """Let an attempt wait."""
        self.leave(ticket.place)
        self._waiting[ticket.place] = ticket
        line = self._lines.setdefault(ticket.needs, FairQueue(self._weights))
        line.push(ticket, workspace=ticket.workspace, priority=ticket.priority, at=ticket.at)

    def hold(self, ticket: Ticket) -> None:
        """Count an attempt that has begun already."""
        self.leave(ticket.place)
        counters = self._held[ticket.place] = tuple(self._counters(ticket.needs, ticket.workspace))
        for counter in counters:
            self._used[counter] = self._used.get(counter, 0) + 1

    def leave(self, place: Place) -> bool:
        """Give back the room an attempt has, or its place in the line; return whether it had room."""
        if self._waiting.pop(place, None) is not None:
            self._stale += 1
            self._clear_out()
        counters = self._held.pop(place, None)
        for counter in counters or ():
            self._used[counter] -= 1
            if not self._used[counter]:
                del self._used[counter]
        return counters is not None

    def admit(self, now: float, most: int) -> list[Ticket]:
        """Return up to `most` attempts that may begin now, and count them as begun."""
        admitted: list[Ticket] = []
        lines = list(self._lines)
        while lines and len(admitted) < most:
            lines = [needs for needs in lines if len(admitted) < most and self._admit_one(needs, now, admitted)]
        if len(self._lines) > 1:  # the next call begins with another line
            first = next(iter(self._lines))
            self._lines[first] = self._lines.pop(first)
        return admitted

    def next_at(self, now: float) -> float | None:
        """Return when a rate that somebody waits for has room again, or None."""
        times = [
            self._begun[counter][0] + self._limits[counter[0]].per_s
            for needs, line in self._lines.items()
            for workspace in line.waiting()
            for counter in self._counters(needs, workspace)
            if not self._has_rate(counter, now)
        ]
        return min(times, default=None)

    def uses(self) -> dict[str, LimitUse]:
        """Return how each limit is used."""
        running: dict[str, int] = {}
        waiting: dict[str, int] = {}
        for (name, _), count in self._used.items():
            running[name] = running.get(name, 0) + count
        for ticket in self._waiting.values():
            for name in ticket.needs:
                waiting[name] = waiting.get(name, 0) + 1
        return {name: LimitUse(running.get(name, 0), waiting.get(name, 0)) for name in self._limits}

    def _admit_one(self, needs: tuple[str, ...], now: float, admitted: list[Ticket]) -> bool:
        line = self._lines[needs]
        while (ticket := line.pop(lambda workspace: self._has_room(needs, workspace, now))) is not None:
            if self._waiting.get(ticket.place) is not ticket:
                self._stale -= 1  # it left the line
                continue
            self.hold(ticket)
            for counter in self._counters(needs, ticket.workspace):
                if self._limits[counter[0]].rate is not None:
                    self._times(counter, now).append(now)
            admitted.append(ticket)
            return True
        if not len(line):
            del self._lines[needs]
        return False

    def _has_room(self, needs: tuple[str, ...], workspace: str, now: float) -> bool:
        for counter in self._counters(needs, workspace):
            most = self._limits[counter[0]].concurrency
            if most is not None and self._used.get(counter, 0) >= most:
                return False
            if not self._has_rate(counter, now):
                return False
        return True

    def _has_rate(self, counter: _Counter, now: float) -> bool:
        limit = self._limits[counter[0]]
        if limit.rate is None:
            return True
        times = self._times(counter, now)
        while times and times[0] + limit.per_s <= now:
            times.popleft()
        if not times:
            del self._begun[counter]
        return len(times) < limit.rate

    def _times(self, counter: _Counter, now: float) -> deque[float]:
        """Return when the attempts of the last `per_s` seconds began."""
        times = self._begun.get(counter)
        if times is None:
            limit = self._limits[counter[0]]
            times = self._begun[counter] = deque()
            if self.since is not None and self.since + limit.per_s > now and limit.rate is not None:
                gap = limit.per_s / limit.rate
                times.extend(self.since - limit.per_s + gap * number for number in range(1, limit.rate + 1))
        return times

    def _counters(self, needs: tuple[str, ...], workspace: str) -> Iterator[_Counter]:
        """Yield where an attempt counts: a limit of each workspace has a counter for each."""
        for name in needs:
            if (limit := self._limits.get(name)) is not None:
                yield name, workspace if limit.each == "workspace" else ""

    def _clear_out(self) -> None:
        """Forget the tickets that have left their lines, when they are many."""
        if self._stale <= len(self._waiting) + 64:
            return
        for line in self._lines.values():
            line.discard(lambda ticket: self._waiting.get(ticket.place) is not ticket)
        self._stale = 0
