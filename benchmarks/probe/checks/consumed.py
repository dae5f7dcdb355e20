"""(b) Concurrent resumes from different processes consume a suspension once.

A run is suspended in one process. k other processes are made ready, each with an answer of its own, and are let go at
once. The body behind the suspension takes 50 ms, as one that does something would. It must have been executed once,
and there must be one result: what any caller is given as the end of the run, and what the system shows afterwards, is
one and the same. Callers may be refused.
"""

from typing import Any, Final

from benchmarks.probe.effects import exact
from benchmarks.probe.hand import Hand, HandFailed
from benchmarks.probe.promises import Promise, Verdict, broken, held
from benchmarks.probe.stage import Case, Stage
from benchmarks.probe.story import expected

VALUE: Final = {"order": 17}
BODY_S: Final = 0.05


def check(stage: Stage) -> Verdict:
    """Resume with each number of processes."""
    faults: dict[int, list[str]] = {}
    target = stage.beside or stage.target
    case = stage.case("consumed")
    case.effects.let_take("ship", BODY_S)
    with case.hand(target=target) as keeper:
        address = keeper.call("address")
        hands = [case.hand(target=target, address=address) for _ in range(max(stage.scale.callers))]
        try:
            for hand in hands:
                hand.begin("ready")
            for hand in hands:
                hand.finish()
            for callers in stage.scale.callers:
                for number in range(stage.scale.rounds):
                    found = _compete(case, keeper, hands[:callers], f"run-{callers}-{number}")
                    if found:
                        faults.setdefault(callers, []).append(found)
        finally:
            for hand in hands:
                hand.end()
    tries = f"{len(stage.scale.callers) * stage.scale.rounds} suspensions, {_listed(stage.scale.callers)} processes"
    if faults:
        worst = max(faults)
        count = sum(len(found) for found in faults.values())
        return broken(Promise.CONSUMED, f"{count} of {tries}", f"{worst} processes: {faults[worst][0]}")
    return held(Promise.CONSUMED, tries)


def _compete(case: Case, keeper: Hand, hands: list[Hand], run: str) -> str | None:
    """Let all resume one run at the same time; return what is wrong with what came of it."""
    keeper.call("start", run, VALUE)
    before = case.effects.counts()["ship"]
    for number, hand in enumerate(hands):
        hand.begin("resume", run, f"answer-{number}")
    ends: list[Any] = []
    for hand in hands:
        try:
            ends.append(hand.finish())
        except HandFailed:
            continue  # refused
    view = keeper.call("look", run)
    times = case.effects.counts()["ship"] - before
    results = {exact(end): end for end in [*ends, view.result]}
    if times != 1:
        return f"the body behind the suspension was executed {times} times"
    if len(results) != 1:
        return f"there are {len(results)} results of one run"
    (end,) = results.values()
    if end not in [expected(VALUE, f"answer-{number}") for number in range(len(hands))]:
        return f"the run ended with {end!r}"
    return None


def _listed(numbers: tuple[int, ...]) -> str:
    return " / ".join(map(str, numbers))
