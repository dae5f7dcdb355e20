"""How much is measured."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """Rounds and sizes.

    Attributes:
        rounds: Of each measurement, contenders in turn; medians are printed.
        seconds: Of one load. As long as records wait for a flush by default, so that one falls into each.
        suspended: Runs in the store that is opened.
        entries: Journal entries that are replayed.
        runs: Runs of ten steps whose bytes are counted.
    """

    rounds: int = 5
    seconds: float = 5.0
    suspended: int = 1_000_000
    entries: int = 100_000
    runs: int = 10_000


QUICK = Scale(rounds=1, seconds=1.0, suspended=50_000, entries=20_000, runs=1_000)
