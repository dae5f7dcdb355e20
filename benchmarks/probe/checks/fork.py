"""(d) A fork never touches its parent.

A run is suspended after two effects. It is forked so that the second effect is executed again, the fork is answered,
runs to its end and writes state on its way. Before and after, a new process reads everything that is stored of the
parent, row by row, and what the system shows of it: both must be the same. Then the parent is answered, with another
answer, and must end as if there had never been a fork.
"""

from typing import Final

from benchmarks.probe.promises import Promise, Verdict, broken, held
from benchmarks.probe.stage import Case, Stage
from benchmarks.probe.story import expected
from benchmarks.probe.subject import View

RUN: Final = "run-1"
VALUE: Final = {"order": 17, "lines": ["tea", "cups"]}


def check(stage: Stage) -> Verdict:
    """Fork, compare, and go on with the parent."""
    case = stage.case("fork")
    with case.hand() as hand:
        hand.call("start", RUN, VALUE)
        pinned = hand.call("pin", RUN)
    view, rows = _read(case, pinned)
    with case.hand() as hand:
        end = hand.call("fork", pinned, "from the fork")
    faults = [] if end == expected(VALUE, "from the fork") else [f"the fork ended with {end!r}"]
    again, rows_again = _read(case, pinned)
    changed = [f"{one} became {other}" for one, other in zip(rows, rows_again, strict=False) if one != other]
    if changed or len(rows) != len(rows_again):
        count = len(changed) + abs(len(rows_again) - len(rows))
        first = _shortened(changed[0]) if changed else f"{len(rows)} rows became {len(rows_again)}"
        faults.append(f"{count} of the parent's stored rows changed: {first}")
    if view != again:
        faults.append(f"the parent was {view}, and is {again}")
    with case.hand() as hand:
        end = hand.call("resume", pinned, "from the parent")
    if end != expected(VALUE, "from the parent"):
        faults.append(f"the parent then ended with {end!r}")
    counts = case.effects.counts()
    if (counts["prepare"], counts["charge"], counts["ship"]) != (1, 2, 2):
        faults.append(f"the effects were executed {dict(counts)} times")
    if faults:
        return broken(Promise.FORK, f"{len(faults)} faults", faults[0])
    return held(Promise.FORK, f"{len(rows)} stored rows of the parent compared")


def _read(case: Case, run: str) -> tuple[View, list[str]]:
    with case.hand(still=True) as hand:
        return hand.call("look", run), hand.call("history", run)


def _shortened(text: str) -> str:
    return text if len(text) <= 300 else f"{text[:300]} …"
