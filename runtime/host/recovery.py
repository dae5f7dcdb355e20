"""Taking up the runs of an earlier life: what may be moving is loaded, what is parked stays in the store."""

import logging
from typing import Final

from greenroom.runtime.contracts.entries import AttemptLost
from greenroom.runtime.contracts.errors import RunNotFound, RuntimeUnavailable, StorageCorrupt, StorageError
from greenroom.runtime.contracts.records import RunHead, Table
from greenroom.runtime.contracts.statuses import RunStatus
from greenroom.runtime.contracts.storage import Query
from greenroom.runtime.contracts.work import Began, CallAnswer
from greenroom.runtime.core.ending import answer_now
from greenroom.runtime.core.fetches import open_fetches
from greenroom.runtime.core.state import NodeState, RunState
from greenroom.runtime.host.batch import Batch
from greenroom.runtime.host.book import RunEntry
from greenroom.runtime.host.engine import Engine
from greenroom.runtime.host.intake import limit_time

RESTING: Final = frozenset({RunStatus.WAITING, RunStatus.SUSPENDED, RunStatus.PAUSED})
"""Statuses of open runs in which nothing moves: only a timer or a request wakes them."""

MOVING: Final = tuple(status.value for status in RunStatus if status not in RESTING)

log = logging.getLogger("greenroom.recovery")


async def recover(engine: Engine, living: dict[tuple[str, str], int]) -> None:
    """Take up every run that may be moving: timers first, then the attempts that no living worker has.

    A run that has ended is among them while its callback runs. Of runs at rest only the next window of timers is read.

    Args:
        engine: The new life.
        living: Attempts that workers have: (run, path) to attempt number.
    """
    await engine.wheel.load()
    await _stop_strays(engine)
    for run_id in await _moving(engine):
        try:
            await _take_up(engine, await engine.book.load(run_id), living)
        except Exception as error:  # one run that cannot go on must not keep the others from theirs
            _raise_if_passing(error)
            log.warning("run %s cannot be recovered", run_id, exc_info=True)
            engine.discard(run_id)
    engine.is_recovered.set()


def _raise_if_passing(error: Exception) -> None:
    """Raise an error of the store that may be gone when it is opened again: a run would be left behind for ever."""
    if isinstance(error, StorageError | RuntimeUnavailable) and not isinstance(error, StorageCorrupt):
        raise error


async def _stop_strays(engine: Engine) -> None:
    """Stop what workers have in hand and no run wants: the word that it was dropped died with the last life."""
    for attempt in engine.pools.running():
        try:
            run = (await engine.book.load(attempt.run_id)).state
        except RunNotFound:
            engine.pools.cancel(attempt)  # it was deleted
            continue
        except Exception as error:
            _raise_if_passing(error)
            log.warning("a worker is busy with run %s, which cannot be read", attempt.run_id, exc_info=True)
            continue
        node = run.nodes.get(attempt.path)
        if node is None or not node.has_attempt or node.attempt != attempt.attempt:
            engine.pools.cancel(attempt)


def _answer_again(engine: Engine, run: RunState, node: NodeState) -> None:
    """Answer what a living body may wait for: an answer that was due when the last life ended was never sent."""
    for name, child in node.calls.items():
        if (answer := answer_now(child)) is not None:
            due = CallAnswer(run_id=run.run_id, path=node.path, attempt=node.attempt, name=name, answer=answer)
            engine.pools.answer(due)


async def _moving(engine: Engine) -> list[str]:
    query = Query(where={"is_open": (True,), "status": MOVING})
    return [
        head.run_id
        async for page in engine.storage.scan(Table.RUNS, query)
        for head in page
        if isinstance(head, RunHead)
    ]


async def _take_up(engine: Engine, entry: RunEntry, living: dict[tuple[str, str], int]) -> None:
    run = entry.state
    now = engine.clock.now()
    batch = Batch()
    engine.load.note(run)
    for node in list(run.nodes.values()):
        if node.queued_at is not None:
            engine.admitting.enter(run, node)
        if not node.has_attempt:
            continue
        if living.get((run.run_id, node.path)) == node.attempt:
            engine.admitting.hold(run, node)
            limit_time(engine, entry, Began(run_id=run.run_id, path=node.path, attempt=node.attempt), now)
            _answer_again(engine, run, node)
        else:
            lost = AttemptLost(at=now, path=node.path, attempt=node.attempt, is_unseen=True)
            engine.collect(batch, entry, lost)
    if batch.rows:
        await engine.commit(batch)
    for path, sha256 in open_fetches(run):
        engine.fetching.begin(run.run_id, path, sha256)
    engine.set_wake(run)
