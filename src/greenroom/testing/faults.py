"""What goes wrong, and when: asked at every commit, every read, and on the way to and from a worker.

The base has no faults; a test says at which commits the runtime dies, the simulator draws everything from a seed.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from greenroom.runtime.core.dispatch import ALONE

Moment = Literal["before", "after"]
"""Whether what is being committed is lost, or kept without an answer."""


def family_of(pool: str) -> str:
    """Return the pool that a pool belongs to: under one step die workers of both."""
    return "steps" if pool == ALONE else pool


@dataclass(frozen=True, slots=True, kw_only=True)
class Blow:
    """Who dies now, or what else fails.

    Attributes:
        moment: What becomes of the commit at which the runtime dies.
        is_zombie: The runtime does not know that it was replaced and goes on until the store refuses it.
        is_graceful: The runtime does not die but is closed, with the store at hand until it has ended.
        fails_store: Nobody dies: the store fails, and the runtime opens it again.
        is_full: Nobody dies: the store has no space for this one commit, and the runtime opens it again.
        workers: Share of the living workers that dies too.
        down_s: How long it takes until there is another runtime.
    """

    hits_runtime: bool = True
    moment: Moment = "after"
    is_zombie: bool = False
    is_graceful: bool = False
    fails_store: bool = False
    is_full: bool = False
    workers: float = 0.0
    down_s: float = 0.0

    @property
    def loses_the_commit(self) -> bool:
        """True when the store never has what is being committed."""
        return self.hits_runtime and not self.is_graceful and (self.is_full or self.moment == "before")


class Faults:
    """No faults."""

    def at_commit(self, number: int) -> Blow | None:
        """Return who dies at this commit (from 1), if anybody does."""
        del number
        return None

    def at_read(self) -> Blow | None:
        """Return who dies while the store is read."""
        return None

    def delay_s(self) -> float:
        """Return how long the next message between the runtime, its workers and the store is under way."""
        return 0.0

    def is_repeated(self) -> bool:
        """Return whether a worker says again what it has said before."""
        return False

    def is_stillborn(self) -> bool:
        """Return whether a worker dies while it starts."""
        return False

    def told_after_s(self) -> float:
        """Return how long a worker has been dead before those that talk to it learn it."""
        return 0.0

    def turns_to_leave(self) -> int | None:
        """Return after how many turns of the loop who has asked goes away and another asks the same, or None."""
        return None

    def chosen(self, pools: Sequence[str], share: float) -> list[int]:
        """Return which workers die, by position, when a share of them does; told are the pools of the living ones."""
        return list(range(len(pools)))[: round(len(pools) * share)]


class CrashPlan(Faults):
    """The runtime dies at chosen commits, and recovers.

    Attributes:
        stops: The commits, counted from 1.
    """

    def __init__(self, stops: Iterable[int] = (), moment: Moment = "after") -> None:
        self.stops: dict[int, Moment] = dict.fromkeys(stops, moment)

    def crash_at(self, *numbers: int, moment: Moment = "after") -> None:
        """Let the runtime die at these commits too."""
        self.stops.update(dict.fromkeys(numbers, moment))

    def at_commit(self, number: int) -> Blow | None:
        """Return who dies at this commit, if anybody does."""
        moment = self.stops.get(number)
        return None if moment is None else Blow(moment=moment)
