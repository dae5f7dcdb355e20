"""The judge of a campaign finds whatever must not be."""

import json
from typing import Any

import pytest

from greenroom.runtime.contracts.entries import (
    AttemptEnded,
    AttemptLost,
    Entry,
    Resumed,
    Scheduled,
    Succeeded,
    SuspendedHere,
)
from tests.kills.judge import judge
from tests.kills.notes import Kind, Note


def note(kind: Kind, path: str = "", attempt: int = 0, **fields: Any) -> Note:
    """Return a line about the only run."""
    fields = {"run_id": "" if kind == "killed" else "r", "key": f"r:{path}" * bool(path)} | fields
    return Note(kind=kind, at=0.0, path=path, attempt=attempt, **fields)


def finished(shape: str = "sequence", output: Any = 5, status: str = "success") -> Note:
    """Return the line of a run that has ended."""
    told = {"shape": shape, "number": 1, "status": status, "output": output, "error": None}
    return note("finished", what=json.dumps(told))


def scheduled(attempt: int, path: str = "a") -> Entry:
    """Return the intent to execute."""
    return Scheduled(at=0.0, path=path, attempt=attempt)


def ended(attempt: int, outcome: Any = None, path: str = "a") -> Entry:
    """Return a durable outcome."""
    return AttemptEnded(at=0.0, path=path, attempt=attempt, outcome=outcome or Succeeded())


def lost(attempt: int) -> Entry:
    """Return the news of a death."""
    return AttemptLost(at=0.0, path="a", attempt=attempt)


START = note("started", key="order-1")
ONCE = [scheduled(1), ended(1)]
TWICE = [scheduled(1), lost(1), scheduled(2), ended(2)]


def test_what_holds_is_found_right() -> None:
    """A repetition after a worker's death, a suspension that was answered once, an effect that happened once."""
    notes = [
        START,
        note("began", "a", 1),
        note("killed", what="worker"),
        note("began", "a", 2),
        note("began", "ask", 1),
        note("refused", "ask", what="100"),
        note("resumed", "ask", what="10"),
        note("began", "ask", 2),
        note("effect", "pay", 1),
        finished("asking", 13),
    ]
    asked = [scheduled(1, "ask"), ended(1, SuspendedHere(), "ask"), Resumed(at=0.0, path="ask"), scheduled(2, "ask")]
    verdict = judge(notes, {"r": [*TWICE, *asked, ended(2, path="ask")]})
    assert verdict.wrong == []
    assert verdict.counts["bodies repeated"] == 1


@pytest.mark.parametrize(
    ("notes", "journal", "told"),
    [
        ([START, note("began", "a", 1)], ONCE, "has not finished"),
        ([START, finished(output=6)], ONCE, "gave 6, not 5"),
        ([START, finished(status="failed")], ONCE, "ended as failed"),
        ([note("began", "a", 1), finished()], ONCE, "never acknowledged"),
        (
            [
                START,
                finished(),
                note("started", key="order-1", run_id="q"),
                note("finished", run_id="q", what=finished().what),
            ],
            ONCE,
            "are 2 runs",
        ),
        ([START, finished()], [*ONCE, scheduled(2)], "again after its outcome was durable"),
        ([START, finished()], [*ONCE, ended(1)], "has two ends"),
        ([START, note("began", "a", 1), note("began", "a", 1), finished()], ONCE, "was executed 2 times"),
        ([START, note("began", "a", 1), note("began", "a", 2), finished()], ONCE, "is not in the journal"),
        (
            [START, note("began", "a", 1), note("killed", what="worker"), note("began", "a", 2, key="q"), finished()],
            TWICE,
            "executions with keys",
        ),
        (
            [START, note("began", "a", 1), note("killed", what="runtime"), note("began", "a", 2), finished()],
            TWICE,
            "nothing had died that executes",
        ),
        (
            [START, note("killed", what="node"), note("began", "a", 1), note("began", "a", 2), finished()],
            TWICE,
            "nothing had died that executes",
        ),
        ([START, note("effect", "a", 1), note("effect", "a", 2), finished()], ONCE, "happened 2 times"),
        (
            [START, note("resumed", "a", what="10"), note("resumed", "a", what="100"), finished()],
            [*ONCE, Resumed(at=0.0, path="a")],
            "2 resumes acknowledged",
        ),
        ([START, note("resumed", "a", what="10"), finished()], ONCE, "0 consumed"),
    ],
    ids=lambda value: value.replace(" ", "_") if isinstance(value, str) else "",
)
def test_what_must_not_be_is_found(notes: list[Note], journal: list[Entry], told: str) -> None:
    """Each way in which a promise can be broken is told, with the run."""
    wrong = judge(notes, {"r": journal}).wrong
    assert any(told in line and "r" in line for line in wrong), wrong
