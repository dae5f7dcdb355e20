"""All six checks of one system, one after the other, each in a folder of its own."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from benchmarks.probe.checks import boundaries, completed, consumed, damage, fork, state
from benchmarks.probe.hand import HandDied, HandFailed, load
from benchmarks.probe.promises import Outcome, Promise, Verdict, broken
from benchmarks.probe.stage import Stage

CHECKS: Final[Mapping[Promise, Callable[[Stage], Verdict]]] = {
    Promise.COMPLETED: completed.check,
    Promise.CONSUMED: consumed.check,
    Promise.STATE: state.check,
    Promise.FORK: fork.check,
    Promise.DAMAGE: damage.check,
    Promise.BOUNDARIES: boundaries.check,
}


def probe(stage: Stage) -> Iterator[Verdict]:
    """Yield what each check finds."""
    not_offered = load(stage.target).not_offered()
    for promise in CHECKS:
        if promise in not_offered:
            yield Verdict(promise=promise, outcome=Outcome.NOT_OFFERED, seen=not_offered[promise])
        else:
            yield verdict(promise, stage)


def verdict(promise: Promise, stage: Stage) -> Verdict:
    """Return what the check of one promise finds; an error where the system should have gone on breaks the promise."""
    own = dataclasses.replace(stage, root=stage.root / promise.name.lower())
    try:
        return CHECKS[promise](own)
    except (HandDied, HandFailed, TimeoutError) as error:
        return broken(promise, "the system did not go on", f"{type(error).__name__}: {str(error)[:300]}")
