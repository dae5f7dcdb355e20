"""Journals that were recorded with the entries of their day are replayed to the runs that they were."""

import json
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest

from greenroom.runtime.contracts.entries import Entry, Outcome
from tests.golden.journals import Recorded, expected

FOLDER = Path(__file__).parent / "journal"
NAMES = sorted(path.stem for path in FOLDER.glob("*.msgpack"))


def recorded(name: str) -> Recorded:
    """Return a recorded journal."""
    return msgspec.msgpack.decode((FOLDER / f"{name}.msgpack").read_bytes(), type=Recorded)


def within(told: Any, now: Any) -> Any:
    """Return of what is told now only what was told then: fields may be added, none may change."""
    if isinstance(told, dict) and isinstance(now, dict):
        return {key: within(told[key], now[key]) for key in told if key in now}
    if isinstance(told, list) and isinstance(now, list) and len(told) == len(now):
        return [within(one, other) for one, other in zip(told, now, strict=True)]
    return now


@pytest.mark.parametrize("name", NAMES)
def test_an_old_journal_is_replayed_to_the_run_it_was(name: str) -> None:
    """Status, outcomes, state and events are those of the day it was recorded; more may be told by now."""
    told = json.loads((FOLDER / f"{name}.json").read_text("utf-8"))
    now = expected(recorded(name))
    assert within(told, now) == told


def test_every_kind_of_entry_and_outcome_is_recorded() -> None:
    """A kind that no journal here holds could be changed without anybody noticing: record one that has it."""
    found: set[str] = set()
    for name in NAMES:
        for body in recorded(name).groups:
            for entry in msgspec.msgpack.decode(body):
                found.add(entry["type"])
                if "outcome" in entry:
                    found.add(entry["outcome"]["type"])
    known = {kind.__struct_config__.tag for kind in (*get_args(Entry), *get_args(Outcome))}
    assert known - found == set()
