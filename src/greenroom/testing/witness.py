"""What must hold at every moment of a simulated run, however it is crashed: seen from store and workers."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from greenroom.runtime.contracts.entries import (
    AttemptEnded,
    AttemptLost,
    Entry,
    Failed,
    Resumed,
    RunEnded,
    Scheduled,
    Signaled,
    Succeeded,
    TimerFired,
)
from greenroom.runtime.contracts.records import JournalRow, LedgerRow, Record, RunHead
from greenroom.runtime.contracts.work import Scope, WorkItem
from greenroom.testing.fake_workers import FakeWorker
from greenroom.testing.faults import family_of

ROUNDING_S: Final = 1e-3
"""Times near the clock's start have no more digits than this, and some to spare."""

_entries = msgspec.msgpack.Decoder(list[Entry])


class Witness:
    """Sees what the store keeps and what workers are given, and notes what must not be.

    Attributes:
        violations: What was wrong.
        resumed: Resumes in the journal, by run and path.
        signaled: Keys of the signals in the journal, by run.
        heads: The newest row of each run and child run.
        timeouts: How many attempts of each step did not end within their time, over all runs.
        deaths: How many attempts of each step died with their worker, by run and path.
    """

    def __init__(self) -> None:
        self.violations: list[str] = []
        self.resumed: Counter[tuple[str, str]] = Counter()
        self.signaled: dict[str, list[str | None]] = {}
        self.heads: dict[str, RunHead] = {}
        self.timeouts: Counter[str] = Counter()
        self.deaths: Counter[tuple[str, str]] = Counter()
        self._pools: dict[tuple[str, str], str] = {}
        self._trace = hashlib.blake2b(digest_size=16)
        self._groups: dict[str, int] = {}
        self._intended: dict[tuple[str, str, int], float] = {}
        self._times_s: dict[tuple[str, str, int], float] = {}
        self._begun: set[tuple[str, str]] = set()
        self._dispatched: set[tuple[str, str, int]] = set()
        self._ended: set[tuple[str, str, int]] = set()
        self._succeeded: set[tuple[str, str]] = set()
        self._paid: set[str] = set()
        self._charged: Counter[str] = Counter()
        self._finishes: Counter[str] = Counter()

    @property
    def trace(self) -> str:
        """What happened so far, as a hash: the same seed gives the same."""
        return self._trace.hexdigest()

    def note(self, what: str) -> None:
        """Add something that happened to the trace."""
        self._trace.update(what.encode())

    def kept(self, records: Sequence[Record]) -> None:
        """See what the store keeps."""
        for record in records:
            self._trace.update(type(record).__name__.encode())
            match record:
                case JournalRow():
                    self._trace.update(record.body)
                    self._journal(record)
                case RunHead():
                    self.heads[record.run_id] = record
                case LedgerRow():
                    self._charged[record.entry_id] += 1
                case _:
                    pass

    def dispatched(self, worker: FakeWorker, scope: Scope, item: WorkItem) -> None:
        """See what a worker is given."""
        self.note(f"{worker.name} {item.path} {item.attempt}")
        if item.kind == "check":
            return
        attempt = (scope.run_id, item.path, item.attempt)
        if attempt not in self._intended:
            self._wrong(f"attempt {item.attempt} of {item.path!r} was dispatched before its intent was durable")
        if attempt in self._dispatched:
            self._wrong(f"attempt {item.attempt} of {item.path!r} was dispatched twice")
        if attempt in self._ended:
            self._wrong(f"attempt {item.attempt} of {item.path!r} was dispatched after its outcome")
        for path in scope.outputs:
            if (scope.run_id, path) in self._begun and (scope.run_id, path) not in self._succeeded:
                self._wrong(f"{item.path!r} was given the output of {path!r} before it was durable")
        self._dispatched.add(attempt)
        self._pools[scope.run_id, item.path] = family_of(worker.pool)
        if item.options.timeout_s is not None:
            self._times_s[attempt] = item.options.timeout_s

    def check_books(self) -> None:
        """See that what was paid for is charged exactly once."""
        if set(self._charged) != self._paid or max(self._charged.values(), default=1) > 1:
            self._wrong(f"paid turns {sorted(self._paid)}, ledger entries {sorted(self._charged.elements())}")

    def check_deaths(self, events: Mapping[str, int]) -> None:
        """See that no step has died more often than workers of its pool did, any number at once.

        Args:
            events: How often workers died, by pool.
        """
        for (run_id, path), deaths in self.deaths.items():
            pool = self._pools.get((run_id, path))  # without one it was never sent
            if deaths > (events[pool] if pool is not None else sum(events.values())):
                self._wrong(f"{path!r} of {run_id} died {deaths} times, its pool's workers less often: {dict(events)}")

    def _journal(self, row: JournalRow) -> None:
        last = self._groups.get(row.run_id, 0)
        if row.group != last + 1:
            self._wrong(f"journal of {row.run_id} has group {row.group} behind {last}")
        self._groups[row.run_id] = row.group
        for entry in _entries.decode(row.body):
            self._entry(row.run_id, entry)

    def _entry(self, run_id: str, entry: Entry) -> None:
        match entry:
            case Scheduled():
                if (run_id, entry.path) in self._succeeded:
                    self._wrong(f"{entry.path!r} was scheduled again after its outcome was durable")
                self._begun.add((run_id, entry.path))
                self._intended[run_id, entry.path, entry.attempt] = entry.at
            case TimerFired(kind="attempt"):
                self._timed_out(run_id, entry)
            case AttemptLost(is_unseen=False):
                self.deaths[run_id, entry.path] += 1
            case AttemptEnded():
                self._outcome(run_id, entry)
            case Resumed():
                self.resumed[run_id, entry.path] += 1
                if isinstance(entry.data, dict) and entry.data.get("outcome") == "done":
                    self._succeeded.add((run_id, entry.path))  # a person said what a step in doubt has done
            case Signaled():
                self.signaled.setdefault(run_id, []).append(entry.key)
            case RunEnded():
                self._finishes[run_id] += 1
                if self._finishes[run_id] > 1:
                    self._wrong(f"run {run_id} ended twice")
            case _:
                pass

    def _timed_out(self, run_id: str, entry: TimerFired) -> None:
        attempt = (run_id, entry.path, entry.attempt)
        time_s = self._times_s.get(attempt, 0.0)
        self.timeouts[entry.path] += 1
        if not time_s or entry.at - self._intended[attempt] < time_s - ROUNDING_S:
            self._wrong(f"attempt {entry.attempt} of {entry.path!r} was ended before its {time_s} s were over")

    def _outcome(self, run_id: str, entry: AttemptEnded) -> None:
        attempt = (run_id, entry.path, entry.attempt)
        if attempt in self._ended:
            self._wrong(f"attempt {entry.attempt} of {entry.path!r} has two outcomes")
        self._ended.add(attempt)
        if isinstance(entry.outcome, Succeeded):
            self._succeeded.add((run_id, entry.path))
        if isinstance(entry.outcome, Succeeded | Failed) and entry.outcome.usage is not None:
            self._paid.add(f"charge:{run_id}:{entry.path}:{entry.attempt}")

    def _wrong(self, what: str) -> None:
        self.violations.append(what)
