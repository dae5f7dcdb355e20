"""What a workflow's builder has recorded, as written; checked and named only when the app is built."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any, Final, Literal, TypeAlias


class Missing(Enum):
    """The type of `MISSING`."""

    MISSING = "missing"


MISSING: Final = Missing.MISSING
"""Says that an argument was not given, where None is a value."""


def is_pair(arm: Any) -> bool:
    """Tell whether an arm of a branch is a condition with a member."""
    match arm:
        case (_, _):
            return True
        case _:
            return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Then:
    """One member."""

    kind = "then"
    member: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Parallel:
    """Members that get the same input."""

    kind = "parallel"
    members: tuple[Any, ...]
    allow_failure: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """Pairs of a condition and a member."""

    kind = "branch"
    arms: tuple[Any, ...]

    @property
    def pairs(self) -> tuple[tuple[Any, Any], ...]:
        """The arms that are pairs."""
        return tuple((arm[0], arm[1]) for arm in self.arms if is_pair(arm))


@dataclass(frozen=True, slots=True, kw_only=True)
class Loop:
    """A body that is repeated until, or while, a condition holds."""

    member: Any
    condition: Any
    until: bool
    max_iterations: int

    @property
    def kind(self) -> Literal["do_until", "do_while"]:
        """The builder's word for it."""
        return "do_until" if self.until else "do_while"


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreach:
    """A body that is run for each item."""

    kind = "foreach"
    member: Any
    concurrency: int
    allow_failure: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Map:
    """A change of the value that flows."""

    kind = "map"
    shape: Callable[..., Any] | Mapping[str, Any]
    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sleep:
    """A wait for some time, or until a time; `length` may be a callable that tells."""

    length: Any
    is_until: bool
    id: str

    @property
    def kind(self) -> Literal["sleep", "sleep_until"]:
        """The builder's word for it."""
        return "sleep_until" if self.is_until else "sleep"


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """A wait for a signal."""

    kind = "wait_for_signal"
    signal: str
    schema: Any
    timeout_s: float | None
    default: Any
    id: str


Part: TypeAlias = Then | Parallel | Branch | Loop | Foreach | Map | Sleep | Signal
Length: TypeAlias = datetime | str | Callable[..., Any]
