"""Limits: how much of something may happen at once, or in a time, over the whole cluster."""

from dataclasses import dataclass
from typing import Final, Literal

from greenroom.runtime.contracts.errors import DefinitionError
from greenroom.runtime.contracts.plan import LimitPlan

MAX_RATE: Final = 100_000
"""Most of a rate: the times of those that began are kept for `per_s` seconds."""


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit that steps, tools and agents name in `limits=`.

    >>> Limit(concurrency=3)
    Limit(concurrency=3, rate=None, per_s=1.0, each='all')

    Attributes:
        concurrency: Most attempts at once.
        rate: Most attempts that begin within any `per_s` seconds.
        each: Whether all workspaces share it, or each has one of its own.
    """

    concurrency: int | None = None
    rate: int | None = None
    per_s: float = 1.0
    each: Literal["all", "workspace"] = "all"

    def __post_init__(self) -> None:
        if self.concurrency is None and self.rate is None:
            raise DefinitionError("Limit: give a concurrency, a rate, or both.")
        if self.concurrency is not None and self.concurrency < 1:
            raise DefinitionError(f"Limit: concurrency is 1 or more, not {self.concurrency!r}.")
        if self.rate is not None and not 1 <= self.rate <= MAX_RATE:
            raise DefinitionError(f"Limit: rate is between 1 and {MAX_RATE}, not {self.rate!r}; choose another per_s.")
        if not self.per_s > 0:
            raise DefinitionError(f"Limit: per_s is seconds above 0, not {self.per_s!r}.")
        if self.each not in {"all", "workspace"}:
            raise DefinitionError(f"Limit: each is 'all' or 'workspace', not {self.each!r}.")

    @property
    def plan(self) -> LimitPlan:
        """The limit as data."""
        return LimitPlan(concurrency=self.concurrency, rate=self.rate, per_s=self.per_s, each=self.each)
