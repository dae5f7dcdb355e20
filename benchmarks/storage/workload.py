"""What is stored: runs as the runtime writes them, the same for every contender and the same in every run.

A step is a row of the run's journal (an outcome of some 300 bytes of text, and the decisions that follow) and the head
of the run. Nothing here knows a store.
"""

import random
from collections.abc import Iterator
from typing import Final

import msgspec

from greenroom.runtime.contracts.entries import AttemptEnded, Completed, Scheduled, Succeeded
from greenroom.runtime.contracts.records import JournalRow, RunHead

WORKSPACE: Final = "default"
BEGIN: Final = 1_795_000_000.0
"""When the first run was made, in epoch seconds."""

STEPS_OF_A_RUN: Final = 10

_WORDS: Final = 3000
_encode = msgspec.msgpack.Encoder().encode


def run_id(number: int) -> str:
    """Return an identifier like those of runs: it begins with a time and ends at random."""
    tail = random.Random(number).getrandbits(74)
    millis = int(BEGIN * 1000) + number
    rest = f"{0x7000 | tail >> 62:04x}{0x8000 | tail >> 48 & 0x3FFF:04x}{tail & 0xFFFFFFFFFFFF:012x}"
    return f"{millis >> 16:08x}-{millis & 0xFFFF:04x}-{rest[:4]}-{rest[4:8]}-{rest[8:]}"


class Bodies:
    """Outcomes of steps, made beforehand: making text is no part of what is measured.

    Args:
        count: How many different ones there are.
        steps: Of a run, at most, when no two steps may have the same.
        is_random: Bytes that no codec makes smaller, in place of text.
    """

    def __init__(self, count: int = 4096, *, steps: int = 31, is_random: bool = False) -> None:
        chance = random.Random(7)
        words = ["".join(chance.choices("aeiorstnlmdkpgu", k=chance.randint(2, 9))) for _ in range(_WORDS)]
        self._steps = steps
        self._bodies: list[bytes] = []
        for number in range(count):
            # Zipf's law: the word of rank r is drawn about 1/r of the time.
            body = _body(number, " ".join(words[int(_WORDS ** chance.random()) - 1] for _ in range(40)))
            self._bodies.append(chance.randbytes(len(body)) if is_random else body)

    def of(self, run: int, step: int) -> bytes:
        """Return what this step of this run came to."""
        return self._bodies[(run * self._steps + step - 1) % len(self._bodies)]


def _body(number: int, text: str) -> bytes:
    at = BEGIN + number * 0.37
    outcome = Succeeded(output={"summary": text, "score": number / 7919, "sources": [number, number + 1]})
    path = f"step-{number % 20}"
    ended = AttemptEnded(at=at, path=path, attempt=1, outcome=outcome, started_at=at - 0.21)
    completed = Completed(at=at, path=path, status="success")
    return _encode([ended, completed, Scheduled(at=at, path=f"step-{number % 20 + 1}", attempt=1)])


class Run:
    """One run and what its steps write."""

    def __init__(self, number: int, bodies: Bodies) -> None:
        self.number = number
        self.run_id = run_id(number)
        self.created_at = BEGIN + number * 0.013
        self.groups = 0
        self._bodies = bodies

    def step(self) -> tuple[JournalRow, RunHead]:
        """Return what the next step writes."""
        self.groups += 1
        at = self.created_at + self.groups * 0.25
        body = self._bodies.of(self.number, self.groups)
        row = JournalRow(workspace=WORKSPACE, run_id=self.run_id, group=self.groups, at=at, body=body)
        return row, self.head(at, status="running")

    def head(self, at: float, *, status: str, wake_at: float | None = None) -> RunHead:
        """Return the run at a glance."""
        return RunHead(
            workspace=WORKSPACE,
            run_id=self.run_id,
            kind="workflow",
            target=f"briefing-{self.number % 12}",
            bundle="5f1c0e9a2b7d",
            status=status,
            created_at=self.created_at,
            updated_at=at,
            root_id=self.run_id,
            wake_at=wake_at,
            resource_id=f"user-{self.number % 997}",
            groups=self.groups,
            events=2 * self.groups,
            input_tokens=611 * self.groups,
            output_tokens=83 * self.groups,
        )


def suspended(count: int, bodies: Bodies) -> Iterator[RunHead]:
    """Return the heads of runs that wait for somebody; each tenth has a timer, far away but for a few that are due."""
    for number in range(count):
        run = Run(number, bodies)
        run.groups = 3 + number % 5
        wake_at = None
        if number % 10 == 0:
            wake_at = BEGIN + (30.0 if number % 20_000 == 0 else 3600.0 + number)
        yield run.head(run.created_at + 60.0, status="suspended", wake_at=wake_at)


def steps(count: int, bodies: Bodies) -> Iterator[tuple[JournalRow, RunHead]]:
    """Return what so many steps write, in runs of ten that advance together."""
    runs = [Run(number, bodies) for number in range(count // STEPS_OF_A_RUN)]
    for _ in range(STEPS_OF_A_RUN):
        for run in runs:
            yield run.step()
