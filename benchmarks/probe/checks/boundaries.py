"""(f) Kill -9 at every commit boundary ends in the same result.

A process runs the workflow from its start to its end and kills itself right before, or right after, its n-th commit.
A new process looks at what is recorded, brings the run to its end, and must end with the result of the run that
nobody disturbed. An effect whose outcome was recorded at the kill is not executed again; no effect is executed more
than twice. This is done for every n until a run comes to its end without reaching it, before and after.
"""

from typing import Final

from benchmarks.probe.commits import Boundary, Moment
from benchmarks.probe.hand import HandDied
from benchmarks.probe.promises import Promise, Verdict, broken, held
from benchmarks.probe.stage import Case, Stage
from benchmarks.probe.story import STEPS, expected
from benchmarks.probe.subject import View

RUN: Final = "run-1"
VALUE: Final = {"order": 17}
ANSWER: Final = "yes"
MAX_COMMITS: Final = 500
_MOMENTS: Final[tuple[Moment, ...]] = ("before", "after")


def check(stage: Stage) -> Verdict:
    """Kill at one boundary after the other."""
    faults: list[str] = []
    kills = 0
    for number in range(1, MAX_COMMITS, stage.scale.every):
        reached = False
        for moment in _MOMENTS:
            boundary = Boundary(number=number, moment=moment)
            case = stage.case(f"boundary-{number}-{moment}")
            if _dies(case, boundary):
                reached = True
                kills += 1
                faults += [f"killed {boundary}: {fault}" for fault in _faults(case)]
            case.remove()
        if not reached:
            break
    assert kills, "no commit was reached: the adapter does not say where its system commits"
    if faults:
        return broken(Promise.BOUNDARIES, f"{len(faults)} faults in {kills} kills", faults[0])
    return held(Promise.BOUNDARIES, f"{kills} kills")


def _dies(case: Case, boundary: Boundary) -> bool:
    """Run in a process that kills itself at this boundary; return whether it got there."""
    with case.hand(die_at=boundary) as hand:
        try:
            hand.call("drive", RUN, VALUE, ANSWER)
        except HandDied:
            return True
    return False


def _faults(case: Case) -> list[str]:
    before = case.effects.counts()
    with case.hand(still=True) as hand:
        view: View | None = hand.call("look", RUN)
    with case.hand() as hand:
        end = hand.call("drive", RUN, VALUE, ANSWER)
    after = case.effects.counts()
    recorded = view.done if view is not None else ()
    faults = [] if end == expected(VALUE, ANSWER) else [f"the run ended with {end!r}"]
    faults += [
        f"the effect {step!r}, recorded as complete, was executed again"
        for step in recorded
        if before[step] != after[step]
    ]
    faults += [f"the effect {step!r} was executed {after[step]} times" for step in STEPS if not 1 <= after[step] <= 2]
    return faults
