"""Where a check takes place: folders of its own, and processes in them."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.probe.commits import Boundary
from benchmarks.probe.effects import Effects
from benchmarks.probe.hand import Hand, Orders


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """How much is tried.

    Attributes:
        callers: Numbers of processes that resume at once.
        rounds: Suspensions for each of these numbers.
        flips: Bits that are flipped, one at a time. `cuts` likewise: files that are cut short.
        every: Of the commit boundaries, each so-manieth is tried.
    """

    callers: tuple[int, ...] = (2, 4, 8, 16)
    rounds: int = 5
    flips: int = 200
    cuts: int = 40
    every: int = 1


QUICK = Scale(callers=(2, 4), rounds=1, flips=24, cuts=10, every=2)
"""Whether it runs, and what is broken every time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One system and a place for its trials.

    Attributes:
        target: `module:class` of the adapter.
        beside: The adapter for resumes from many processes, where that is another one.
        options: Handed to the adapter.
    """

    target: str
    root: Path
    scale: Scale = field(default_factory=Scale)
    beside: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def case(self, name: str) -> "Case":
        """Return a new place for one trial."""
        root = self.root / name
        root.mkdir(parents=True)
        return Case(stage=self, root=root)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One trial: a store, an effect counter, and the processes that come and go."""

    stage: Stage
    root: Path

    @property
    def effects(self) -> Effects:
        """Return the counter of this trial."""
        return Effects(self.root / "effects")

    @property
    def store(self) -> Path:
        """Return the folder of the system's store."""
        return self.root / "store"

    def hand(
        self,
        *,
        still: bool = False,
        die_at: Boundary | None = None,
        copies: Path | None = None,
        address: str | None = None,
        target: str | None = None,
    ) -> Hand:
        """Start a process on this trial's store."""
        orders = Orders(
            target=target or self.stage.target,
            root=self.root,
            still=still,
            die_at=die_at,
            copies=copies,
            address=address,
            options=self.stage.options,
        )
        return Hand(orders)

    def remove(self) -> None:
        """Remove everything of it."""
        shutil.rmtree(self.root, ignore_errors=True)
