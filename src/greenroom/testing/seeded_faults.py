"""Faults drawn from a seed: how dense, of what kind and when, all of it decided by one number."""

import random
from collections import Counter
from collections.abc import Sequence
from typing import Final

from greenroom.testing.faults import Blow, Faults, Moment, family_of

MAX_DEAD: Final = 2
"""How often workers of one pool die, any number at once: a third death under one step is, rightly, another result."""

ZOMBIES: Final = 0.2
"""Share of the runtimes replaced without their knowing it."""

CLOSED: Final = 0.15
"""Share of the runtimes that are closed."""

FAILED: Final = 0.15
"""Share of the runtimes whose store fails."""

FULL: Final = 0.1
"""Share of the runtimes whose store has no space for a commit."""

MAX_BLOWS: Final = 14
"""A step whose attempt is lost with twenty runtimes fails, rightly too; and every schedule must come to its end."""

MAX_TURNS: Final = 30
"""Turns of the loop after which who leaves has left; a start takes some ten."""


class SeededFaults(Faults):
    """What one seed lets go wrong.

    Args:
        chance: Where everything is drawn from.

    Attributes:
        blows: Who died so far.
        dead: How often workers died so far, by pool.
        is_calm: Nothing goes wrong any more; set when the run has ended.
    """

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._at_commit = chance.choice((0.03, 0.1, 0.25, 0.5))
        self._at_read = chance.choice((0.0, 0.0, 0.02, 0.1))
        self._victims = chance.choice(("runtime", "runtime", "workers", "both", "any"))
        self._slow = chance.choice((0.0, 0.0, 0.1, 0.3))
        self._repeats = chance.choice((0.0, 0.0, 0.2))
        self._stillborn = chance.choice((0.0, 0.0, 0.3))
        self._leaving = chance.choice((0.0, 0.0, 0.0, 0.2))
        self._unknown = chance.choice((0.0, 0.5))
        self.blows: list[Blow] = []
        self.dead: Counter[str] = Counter()
        self.is_calm = False

    def at_commit(self, number: int) -> Blow | None:
        """Return who dies at this commit, if anybody does."""
        del number
        return self._blow(self._at_commit)

    def at_read(self) -> Blow | None:
        """Return who dies while the store is read."""
        return self._blow(self._at_read)

    def _blow(self, likelihood: float) -> Blow | None:
        chance = self._chance
        if self.is_calm or len(self.blows) >= MAX_BLOWS or chance.random() >= likelihood:
            return None
        victims = chance.choice(("runtime", "workers", "both")) if self._victims == "any" else self._victims
        moment: Moment = chance.choice(("before", "after"))
        kind = chance.random()
        blow = Blow(
            hits_runtime=victims != "workers",
            moment=moment,
            is_zombie=kind < ZOMBIES,
            is_graceful=kind >= 1 - CLOSED,
            fails_store=1 - CLOSED - FAILED <= kind < 1 - CLOSED,
            is_full=1 - CLOSED - FAILED - FULL <= kind < 1 - CLOSED - FAILED,
            workers=chance.choice((0.5, 1.0)) if victims != "runtime" else 0.0,
            down_s=chance.choice((0.0, 0.0, 0.5, 20.0)),
        )
        self.blows.append(blow)
        return blow

    def delay_s(self) -> float:
        """Return how long the next message is under way."""
        chance = self._chance
        if not self._slow or self.is_calm or chance.random() >= self._slow:
            return 0.0
        return chance.choice((0.001, 0.05, 1.0, 15.0))

    def is_repeated(self) -> bool:
        """Return whether a worker says again what it has said before."""
        return bool(self._repeats) and not self.is_calm and self._chance.random() < self._repeats

    def is_stillborn(self) -> bool:
        """Return whether a worker dies while it starts."""
        return bool(self._stillborn) and not self.is_calm and self._chance.random() < self._stillborn

    def told_after_s(self) -> float:
        """Return how long a worker has been dead before those that talk to it learn it."""
        if not self._unknown or self.is_calm or self._chance.random() >= self._unknown:
            return 0.0
        return self._chance.choice((0.001, 0.05, 1.0, 15.0))

    def turns_to_leave(self) -> int | None:
        """Return after how many turns of the loop who has asked goes away, or None."""
        if not self._leaving or self.is_calm or self._chance.random() >= self._leaving:
            return None
        return self._chance.randrange(MAX_TURNS)

    def chosen(self, pools: Sequence[str], share: float) -> list[int]:
        """Return which workers die."""
        families = [family_of(pool) for pool in pools]
        chosen = self._chance.sample(range(len(pools)), round(len(pools) * share))
        found = [index for index in chosen if self.dead[families[index]] < MAX_DEAD]
        self.dead.update({families[index] for index in found})
        return found
