"""One line of the table: what was measured, against what, and whether the target is met."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One comparison.

    Attributes:
        ours: The file store's figure, as printed. `other` likewise: the yardstick's.
        measured: What is compared with the target; None where there is no target.
        target: None where a figure is printed for information.
        is_least: The target is the least, not the most.
        unit: Of `measured`: `x` for a ratio.
    """

    what: str
    ours: str
    other: str = ""
    measured: float | None = None
    target: float | None = None
    is_least: bool = False
    unit: str = "x"

    @property
    def is_met(self) -> bool | None:
        """None where there is no target."""
        if self.measured is None or self.target is None:
            return None
        return self.measured >= self.target if self.is_least else self.measured <= self.target
