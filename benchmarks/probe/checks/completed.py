"""(a) A completed effect is never executed again.

A process is killed with -9 at four moments: in the body of the second effect, while the run is suspended, in the body
behind the suspension, and after the end. A new process brings the run to its end. Effects that were complete at the
kill must have been executed once; the one whose body was killed may be executed a second time.
"""

from typing import Final

from benchmarks.probe.promises import Promise, Verdict, broken, held
from benchmarks.probe.stage import Case, Stage
from benchmarks.probe.story import BEFORE, STEPS, expected

RUN: Final = "run-1"
VALUE: Final = {"order": 17}
ANSWER: Final = "yes"
_REACH_S: Final = 60.0

_KILLS: Final = {
    "in the second effect": ("charge", ("prepare",)),
    "while it was suspended": (None, BEFORE),
    "in the effect behind the suspension": ("ship", BEFORE),
    "after its end": (None, STEPS),
}
"""Where the kill falls: the body it interrupts, if any, and the effects that are complete then."""


def check(stage: Stage) -> Verdict:
    """Kill, go on in a new process, and count."""
    wrong: list[str] = []
    for number, (moment, (interrupted, complete)) in enumerate(_KILLS.items()):
        case = stage.case(f"completed-{number}")
        _run_until_killed(case, interrupted, complete)
        with case.hand() as hand:
            ended = hand.call("drive", RUN, VALUE, ANSWER)
        wrong += [f"killed {moment}: {fault}" for fault in _faults(case, ended, interrupted, complete)]
    if wrong:
        return broken(Promise.COMPLETED, f"{len(wrong)} faults in {len(_KILLS)} kills", wrong[0])
    return held(Promise.COMPLETED, f"{len(_KILLS)} kills")


def _run_until_killed(case: Case, interrupted: str | None, complete: tuple[str, ...]) -> None:
    if interrupted is not None:
        case.effects.set_trap(interrupted)
    hand = case.hand()
    if interrupted in BEFORE:
        hand.begin("start", RUN, VALUE)
    else:
        hand.call("start", RUN, VALUE)
    if interrupted not in BEFORE and (interrupted is not None or complete == STEPS):
        hand.begin("resume", RUN, ANSWER)
    if interrupted is not None:
        case.effects.wait_for(interrupted, _REACH_S)
    elif complete == STEPS:
        hand.finish()
    hand.kill()
    if interrupted is not None:
        case.effects.remove_trap(interrupted)


def _faults(case: Case, ended: object, interrupted: str | None, complete: tuple[str, ...]) -> list[str]:
    counts = case.effects.counts()
    faults = [
        f"the completed effect {step!r} was executed {counts[step]} times" for step in complete if counts[step] != 1
    ]
    most = {step: 2 if step == interrupted else 1 for step in STEPS if step not in complete}
    faults += [
        f"the effect {step!r} was executed {counts[step]} times"
        for step, times in most.items()
        if not 1 <= counts[step] <= times
    ]
    if ended != expected(VALUE, ANSWER):
        faults.append(f"the run ended with {ended!r}")
    return faults
