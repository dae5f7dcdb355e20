"""The workflow that every system runs: two effects, a suspension, two effects.

    prepare -> charge -> (a person answers) -> ship -> finish

Each system runs these very functions as its steps, in its own form, and keeps what they return in its own state. All
are deterministic: what a run ends with follows from its value and its answer.
"""

from collections.abc import Mapping
from typing import Any, Final

from benchmarks.probe.effects import perform

BEFORE: Final = ("prepare", "charge")
"""Effects before the suspension."""

AFTER: Final = ("ship", "finish")
"""Effects behind it; `ship` is the body that the answer goes to."""

STEPS: Final = BEFORE + AFTER
ASK: Final = {"question": "shall it be shipped?"}

WRITTEN: Final = {"prepare": "prepared", "charge": "charged", "ship": "shipped", "finish": "closed"}
"""The name in the state under which a step's outcome is kept."""


def prepare(value: Any) -> Any:
    """Take the value up."""
    perform("prepare", value)
    return {"of": value, "parts": 2}


def charge(prepared: Any) -> Any:
    """Make a second part of the state from the first."""
    perform("charge", prepared)
    return [prepared["of"], None, prepared["parts"] + 15]


def ship(value: Any, prepared: Any, charged: Any, answer: Any) -> Any:
    """Act on the answer, in sight of everything that the run had before it was suspended."""
    perform("ship", seen_by_ship(value, prepared, charged, answer))
    return {"to": answer, "with": charged[2]}


def finish(shipped: Any) -> Any:
    """Close the run."""
    perform("finish", shipped)
    return True


def seen_by_ship(value: Any, prepared: Any, charged: Any, answer: Any) -> Any:
    """Return the state as `ship` gets to see it."""
    return {"value": value, "prepared": prepared, "charged": charged, "answer": answer}


def ended(state: Mapping[str, Any]) -> Any:
    """Return what a run ends with: all of its state, in one order."""
    return {name: state[name] for name in ("value", "prepared", "charged", "answer", "shipped", "closed")}


def expected(value: Any, answer: Any) -> Any:
    """Return what a run with this value and this answer must end with."""
    return {**expected_by_ship(value, answer), "shipped": {"to": answer, "with": 17}, "closed": True}


def expected_by_ship(value: Any, answer: Any) -> Any:
    """Return the state that `ship` must see."""
    return seen_by_ship(value, {"of": value, "parts": 2}, [value, None, 17], answer)
