"""What workers report becomes facts of runs: outcomes, chunks, calls, deaths.

When a report has been taken it is durable, and the worker may forget it. A report on an attempt that is not the newest
of its step changes nothing.
"""

import logging

from greenroom.runtime.contracts.entries import AttemptEnded, AttemptLost, Called, Wrote
from greenroom.runtime.contracts.errors import StorageError
from greenroom.runtime.contracts.events import Event
from greenroom.runtime.contracts.work import (
    Answer,
    Began,
    Call,
    CallAnswer,
    Chunk,
    Finished,
    Lost,
    Report,
)
from greenroom.runtime.core.ending import answer_now
from greenroom.runtime.core.nodes import work_of
from greenroom.runtime.host.batch import Batch
from greenroom.runtime.host.book import RunEntry
from greenroom.runtime.host.engine import Engine
from greenroom.runtime.host.wakes import attempt_key

log = logging.getLogger("greenroom.intake")


class Intake:
    """Takes what the workers of one runtime tell.

    Args:
        engine: Owns the runs.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def reported(self, reports: tuple[Report, ...]) -> None:
        """Take reports of a worker; when this returns they are durable. Those that come early wait for recovery."""
        await self._engine.is_recovered.wait()
        for run_id in dict.fromkeys(report.run_id for report in reports):
            if self._engine.book.find(run_id) is None and (run_id, "") not in self._engine.checks:
                await self._load_quietly(run_id)
        batch = Batch()
        for report in reports:
            try:
                self._take(batch, report)
            except Exception:  # one run that cannot take its report must not keep the others from theirs
                log.exception("run %s could not take a report about %r", report.run_id, report.path)
                self._engine.discard(report.run_id)
        if batch.rows:
            await self._engine.commit(batch)
        for entry, call, child in batch.asked:
            await entry.settled()
            if (answer := answer_now(child)) is not None:
                self._answer(call, answer)

    async def _load_quietly(self, run_id: str) -> None:
        try:
            await self._engine.book.try_load(run_id)
        except StorageError as error:
            self._engine.fail(error)  # what was reported would count as taken
            raise

    def _take(self, batch: Batch, report: Report) -> None:
        waiting = self._engine.checks.get((report.run_id, ""))
        if waiting is not None:
            if isinstance(report, Finished) and not waiting.done():
                waiting.set_result(report)
            return
        entry = self._engine.book.find(report.run_id)
        if entry is None:
            return
        now = self._engine.clock.now()
        match report:
            case Chunk(durable=False):
                path = report.path.rpartition("/")[0] if report.event.startswith("agent_") else report.path
                entry.stream.publish([Event(seq=0, type=report.event, path=path, at=now, data=report.data)])
            case Chunk():
                if is_current(entry, report):
                    self._engine.collect(batch, entry, Wrote(at=now, path=report.path, data=report.data))
            case Began():
                limit_time(self._engine, entry, report, now)
            case Call():
                self._call(batch, entry, report, now)
            case Finished():
                if not is_current(entry, report):
                    self._engine.stale_results += 1
                    return
                self._engine.wheel.set(attempt_key(report.run_id, report.path, report.attempt), None)
                ended = AttemptEnded(
                    at=now,
                    path=report.path,
                    attempt=report.attempt,
                    outcome=report.outcome,
                    started_at=report.started_at,
                    patch=report.patch,
                )
                self._engine.collect(batch, entry, ended)
            case Lost():
                if is_current(entry, report):
                    self._engine.wheel.set(attempt_key(report.run_id, report.path, report.attempt), None)
                    self._engine.collect(batch, entry, AttemptLost(at=now, path=report.path, attempt=report.attempt))

    def _call(self, batch: Batch, entry: RunEntry, report: Call, now: float) -> None:
        if not is_current(entry, report):
            return
        self._engine.pools.rest(report.run_id, report.path)
        caller = entry.state.nodes[report.path]
        child = caller.calls.get(report.name)
        if child is not None:
            batch.asked.append((entry, report, child))
            return
        bundle = entry.state.bundle
        known = {"agent": set(bundle.agents), "tool": set(bundle.tools), "workflow": set(bundle.workflows)}[report.kind]
        if report.target not in known:
            message = f"there is no {report.kind} {report.target!r}; there are: {', '.join(sorted(known)) or 'none'}"
            self._answer(report, Answer(status="error", error={"code": "not_found", "message": message, "facts": {}}))
            return
        called = Called(
            at=now,
            path=report.path,
            name=report.name,
            kind=report.kind,
            target=report.target,
            input=report.input,
            options=report.options,
        )
        self._engine.collect(batch, entry, called)

    def _answer(self, report: Call, answer: Answer) -> None:
        self._engine.pools.answer(
            CallAnswer(run_id=report.run_id, path=report.path, attempt=report.attempt, name=report.name, answer=answer)
        )

    async def lost(self, attempts: list[tuple[str, str, int]]) -> None:
        """Take the news that a worker died with these attempts."""
        await self._engine.is_recovered.wait()
        batch = Batch()
        for run_id, _, _ in attempts:
            if (check := self._engine.checks.get((run_id, ""))) is not None and not check.done():
                check.cancel()
                continue
            await self._load_quietly(run_id)
        for run_id, path, number in attempts:
            entry = self._engine.book.find(run_id)
            node = entry.state.nodes.get(path) if entry is not None else None
            if entry is not None and node is not None and node.has_attempt and node.attempt == number:
                self._engine.wheel.set(attempt_key(run_id, path, number), None)
                self._engine.collect(batch, entry, AttemptLost(at=self._engine.clock.now(), path=path, attempt=number))
        if batch.rows:
            await self._engine.commit(batch)


def is_current(entry: RunEntry, report: Finished | Chunk | Call | Began | Lost) -> bool:
    """Tell whether a report is on the newest attempt of its step."""
    node = entry.state.nodes.get(report.path)
    return node is not None and node.has_attempt and node.attempt == report.attempt


def limit_time(engine: Engine, entry: RunEntry, report: Began, now: float) -> None:
    """Let an attempt that has begun end when its time is over."""
    node = entry.state.nodes.get(report.path)
    work = work_of(node.node) if node is not None else None
    if work is not None and work[2].timeout_s is not None and is_current(entry, report):
        engine.wheel.set(attempt_key(report.run_id, report.path, report.attempt), now + work[2].timeout_s)
