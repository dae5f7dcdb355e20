"""What the notes from outside and the journal of the store say together about a campaign. Pure.

The journal knows which attempts were meant to be, and which outcomes are durable; the notes know which bodies ran. Each
alone could be in order while a body ran twice.
"""

import itertools
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from greenroom.runtime.contracts.entries import (
    AttemptEnded,
    AttemptLost,
    Entry,
    Resumed,
    Scheduled,
    Succeeded,
    SuspendedHere,
)
from tests.kills.customers import SHAPES
from tests.kills.notes import Note

EXECUTORS = frozenset({"worker", "both", "node"})
"""Kills that may end a body. After one of the runtime alone no body is repeated."""

DEATHS = 3
"""So many deaths under one step fail it by rule, however they came about."""


@dataclass(slots=True)
class History:
    """What a journal says of one place of a run."""

    scheduled: list[int] = field(default_factory=list)
    lost: set[int] = field(default_factory=set)
    suspended: set[int] = field(default_factory=set)
    ended: set[int] = field(default_factory=set)
    resumes: int = 0
    has_succeeded: bool = False


@dataclass(slots=True)
class Verdict:
    """What was found.

    Attributes:
        wrong: What must not be; empty when everything held.
        counts: How much there was of everything.
    """

    wrong: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)


def judge(notes: Sequence[Note], journals: Mapping[str, Sequence[Entry]]) -> Verdict:
    """Return what holds and what does not.

    Args:
        notes: In their order.
        journals: The entries of each run, in their order.
    """
    verdict = Verdict()
    histories = {run_id: _history(run_id, entries, verdict) for run_id, entries in journals.items()}
    runs: dict[str, list[Note]] = defaultdict(list)
    kills: list[int] = []
    for number, note in enumerate(notes):
        if note.kind == "killed":
            verdict.counts["kills"] += 1
            if note.what in EXECUTORS:
                kills.append(number)
        else:
            runs[note.run_id].append(note)
    _judge_starts(notes, verdict)
    order = {id(note): number for number, note in enumerate(notes)}
    for run_id, lines in runs.items():
        history = histories.get(run_id, {})
        _judge_end(run_id, lines, history, verdict)
        _judge_effects(run_id, lines, verdict)
        _judge_resumes(run_id, lines, history, verdict)
        begun: dict[str, list[Note]] = defaultdict(list)
        for note in lines:
            if note.kind == "began":
                begun[note.path].append(note)
        for path, began in begun.items():
            place = f"{run_id} {path}"
            _judge_attempts(place, began, history.get(path, History()), verdict)
            _judge_repetitions(place, began, history.get(path, History()), (order, kills), verdict)
    return verdict


def _history(run_id: str, entries: Iterable[Entry], verdict: Verdict) -> dict[str, History]:
    places: dict[str, History] = defaultdict(History)
    for entry in entries:
        match entry:
            case Scheduled():
                place = places[entry.path]
                if place.has_succeeded:
                    verdict.wrong.append(f"{run_id} {entry.path}: executed again after its outcome was durable")
                place.scheduled.append(entry.attempt)
            case AttemptEnded():
                place = places[entry.path]
                if entry.attempt in place.ended | place.lost:
                    verdict.wrong.append(f"{run_id} {entry.path}: attempt {entry.attempt} has two ends")
                place.ended.add(entry.attempt)
                place.has_succeeded |= isinstance(entry.outcome, Succeeded)
                if isinstance(entry.outcome, SuspendedHere):
                    place.suspended.add(entry.attempt)
            case AttemptLost():
                places[entry.path].lost.add(entry.attempt)
                verdict.counts["attempts lost"] += 1
            case Resumed():
                places[entry.path].resumes += 1
            case _:
                pass
    return dict(places)


def _judge_starts(notes: Iterable[Note], verdict: Verdict) -> None:
    runs: dict[str, set[str]] = defaultdict(set)
    for note in notes:
        if note.kind == "started":
            runs[note.key].add(note.run_id)
            verdict.counts["starts acknowledged"] += 1
    for key, ids in runs.items():
        if len(ids) != 1:
            verdict.wrong.append(f"the starts with key {key} are {len(ids)} runs: {sorted(ids)}")


def _judge_end(run_id: str, lines: Sequence[Note], history: Mapping[str, History], verdict: Verdict) -> None:
    if not any(note.kind == "started" for note in lines):
        verdict.wrong.append(f"{run_id}: bodies ran for a run that was never acknowledged as started")
    finished = [json.loads(note.what) for note in lines if note.kind == "finished"]
    if not finished:
        verdict.wrong.append(f"{run_id}: its start was acknowledged and it has not finished")
        return
    verdict.counts["runs finished"] += 1
    told = finished[0]
    answers = [int(note.what) for note in lines if note.kind == "resumed" and note.what != "in_doubt"]
    expected = SHAPES[told["shape"]].output(told["number"], answers[0] if answers else 0)
    if told["status"] != "success":
        if any(len(place.lost) >= DEATHS for place in history.values()) and "WorkerDied" in str(told["error"]):
            verdict.counts["failed after three deaths, by rule"] += 1
        else:
            verdict.wrong.append(f"{run_id} ({told['shape']}) ended as {told['status']}: {told['error']}")
    elif expected is not None and told["output"] != expected:
        verdict.wrong.append(f"{run_id} ({told['shape']}) gave {told['output']!r}, not {expected!r}")


def _judge_effects(run_id: str, lines: Iterable[Note], verdict: Verdict) -> None:
    effects = Counter(note.path for note in lines if note.kind == "effect")
    verdict.counts["effects"] += sum(effects.values())
    for path, count in effects.items():
        if count != 1:
            verdict.wrong.append(f"{run_id} {path}: what must happen once happened {count} times")


def _judge_resumes(run_id: str, lines: Sequence[Note], history: Mapping[str, History], verdict: Verdict) -> None:
    for path in {note.path for note in lines if note.kind in ("resumed", "refused")}:
        taken = [note.what for note in lines if (note.kind, note.path) == ("resumed", path)]
        consumed = history.get(path, History()).resumes
        verdict.counts["resumes acknowledged"] += len(taken)
        verdict.counts["resumes refused"] += sum((note.kind, note.path) == ("refused", path) for note in lines)
        if len(taken) != consumed or ("in_doubt" not in taken and len(taken) != 1):
            verdict.wrong.append(f"{run_id} {path}: {len(taken)} resumes acknowledged ({taken}), {consumed} consumed")


def _judge_attempts(place: str, began: Sequence[Note], history: History, verdict: Verdict) -> None:
    verdict.counts["bodies executed"] += len(began)
    if len({note.key for note in began}) != 1:
        verdict.wrong.append(f"{place}: executions with keys {sorted({note.key for note in began})}")
    for attempt, times in Counter(note.attempt for note in began).items():
        if times > 1:
            verdict.wrong.append(f"{place}: attempt {attempt} was executed {times} times")
        if attempt not in history.scheduled:
            verdict.wrong.append(f"{place}: attempt {attempt} was executed and is not in the journal")


def _judge_repetitions(
    place: str,
    began: Sequence[Note],
    history: History,
    when: tuple[Mapping[int, int], Sequence[int]],
    verdict: Verdict,
) -> None:
    order, kills = when
    for earlier, later in itertools.pairwise(began):
        if earlier.attempt in history.suspended:
            continue  # resumed: it runs again from its start
        verdict.counts["bodies repeated"] += 1
        first, last = order[id(earlier)], order[id(later)]
        if earlier.attempt not in history.lost:
            verdict.wrong.append(f"{place}: attempt {earlier.attempt} was repeated and had not been lost")
        elif not any(first < kill < last for kill in kills):
            verdict.wrong.append(f"{place}: attempt {earlier.attempt} was repeated and nothing had died that executes")
