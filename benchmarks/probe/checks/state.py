"""(c) A resumed run sees exactly the state it had.

A run is suspended with a state and its process is killed with -9. A new process resumes it, and the body behind the
suspension tells what it sees; the run's end is compared too. Equal means the same types, the same order of keys, the
sign of a zero, every bit of a float. Everything that JSON in common use can hold is one state (integers of 64 bits, RFC
8259); what goes beyond is tried one by one: there a system may refuse, with an error when it is given the value.
"""

from typing import Any, Final

from benchmarks.probe.difference import difference
from benchmarks.probe.effects import exact
from benchmarks.probe.hand import HandFailed
from benchmarks.probe.promises import Promise, Verdict, broken, held
from benchmarks.probe.stage import Stage
from benchmarks.probe.story import expected, expected_by_ship

RUN: Final = "run-1"


def _nested(depth: int) -> Any:
    value: Any = {"bottom": []}
    for level in range(depth):
        value = {"level": level, "down": value} if level % 2 else [level, value]
    return value


STATE: Final[dict[str, Any]] = {
    "integers": [0, -1, 2**31, 2**53, 2**53 + 1, -(2**53) - 1, 2**63 - 1, -(2**63), 2**64 - 1],
    "floats": [0.0, -0.0, 3.0, 0.1 + 0.2, 5e-324, 1.7976931348623157e308, 1e16, -1e-7, 2.0**53],
    "nothing": [None, True, False, "", [], {}, [[]], [{}], {"": {"": []}}, [None]],
    "text": [
        "naïve",
        "日本語",
        "🙂👩‍👩‍👧",
        "e\u0301 is not é",
        "\u0000\u001f\u007f",
        "\u2028\ufeff\uffff",
        '"\\/\b\n\r\t',
    ],
    "like numbers": ["1", "1.0", "null", "true", "NaN", "2026-11-26T12:00:00Z"],
    "order": {"z": 1, "a": 2, "m": {"2": "two", "10": "ten", "1": "one"}},
    "keys": {"a.b": 1, "a/b": 2, "a[0]": 3, "$ref": "#", "type": "object", " ": 4, "é": 5, "e\u0301": 6},
    "deep": _nested(40),
    "long": list(range(2000)),
    "large": "ü€🙂" * 40_000,
}
"""What every system must keep."""

BEYOND: Final[dict[str, Any]] = {
    "an integer of more than 64 bits": 10**30,
    "a depth of 150": _nested(150),
}
"""What a system may refuse, and must not change."""


def check(stage: Stage) -> Verdict:
    """Suspend, kill, resume in a new process, compare."""
    faults = _faults(stage, "state", STATE)
    refused = 0
    for number, (what, value) in enumerate(BEYOND.items()):
        try:
            faults += [f"{what}: {fault}" for fault in _faults(stage, f"beyond-{number}", {"it": value})]
        except _Refused:
            refused += 1
    seen = f"{len(STATE)} kinds of values, {len(BEYOND)} beyond JSON in common use"
    if refused:
        seen += f" ({refused} refused)"
    return broken(Promise.STATE, f"{len(faults)} differences", faults[0]) if faults else held(Promise.STATE, seen)


class _Refused(Exception):
    """The system did not take the value."""


def _faults(stage: Stage, name: str, value: Any) -> list[str]:
    case = stage.case(name)
    hand = case.hand()
    answer = {"with": value}
    try:
        hand.call("start", RUN, value)
    except HandFailed as error:
        if name == "state":
            return [f"the state was refused: {str(error)[:200]}"]
        raise _Refused(str(error)) from error
    finally:
        hand.kill()
    with case.hand() as hand:
        end = hand.call("resume", RUN, answer)
    faults: list[str] = []
    if not case.effects.was_given("ship", expected_by_ship(value, answer)):
        faults.append("the body behind the suspension saw another state")
    if exact(end) != exact(expected(value, answer)):
        faults.append(f"the end differs: {difference(end, expected(value, answer))}")
    return faults
