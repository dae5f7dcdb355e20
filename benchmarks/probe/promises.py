"""The six promises, and what a probe says of one of them. `docs/probe.md` tells what each means exactly."""

from dataclasses import dataclass
from enum import StrEnum


class Promise(StrEnum):
    """What is promised, in one sentence."""

    COMPLETED = "a completed effect is never executed again"
    CONSUMED = "concurrent resumes from different processes consume a suspension once"
    STATE = "a resumed run sees exactly the state it had"
    FORK = "a fork never touches its parent"
    DAMAGE = "a damaged or torn store is refused or cut, never silently wrong"
    BOUNDARIES = "kill -9 at every commit boundary ends in the same result"

    @property
    def letter(self) -> str:
        """Its letter in the table."""
        return "abcdef"[list(Promise).index(self)]


class Outcome(StrEnum):
    """What became of a promise."""

    HELD = "held"
    BROKEN = "broken"
    NOT_OFFERED = "not offered"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One cell of the table.

    Attributes:
        seen: What was seen, in a few words; why, for what is not offered.
        evidence: One line on the first thing that broke the promise.
    """

    promise: Promise
    outcome: Outcome
    seen: str
    evidence: str = ""


def held(promise: Promise, seen: str) -> Verdict:
    """Return that a promise held, and in how many tries."""
    return Verdict(promise=promise, outcome=Outcome.HELD, seen=seen)


def broken(promise: Promise, seen: str, evidence: str) -> Verdict:
    """Return that a promise was broken, with what shows it."""
    return Verdict(promise=promise, outcome=Outcome.BROKEN, seen=seen, evidence=evidence)
