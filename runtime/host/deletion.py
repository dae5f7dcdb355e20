"""Deleting runs and workspaces: what is deleted is gone from memory, from lists and from every read at once.

The store hides a deleted row from the moment the deletion is durable, and `purge` takes its bytes off the disk. Only
what rests can be deleted: a run in which something moves is canceled first.
"""

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from greenroom.runtime.contracts.errors import RequestError, RunNotFound, RunStillRunning
from greenroom.runtime.contracts.records import Deletion, LedgerRow, RunHead, Table
from greenroom.runtime.contracts.requests import Delete
from greenroom.runtime.contracts.statuses import RunStatus
from greenroom.runtime.contracts.storage import Query
from greenroom.runtime.core.state import RunState
from greenroom.runtime.host.book import RunEntry
from greenroom.runtime.host.doomed import run_name, workspace_name
from greenroom.runtime.host.engine import Engine

MAX_NAMED: Final = 20
"""Most busy runs that a refusal names."""


def deletion_of(request: Delete, at: float) -> Deletion:
    """Return the record that carries a request out; it says which request it was."""
    return Deletion(scope=request.scope, workspace=request.workspace, id=request.id, at=at, reason=_reason(request))


async def is_carried_out(engine: Engine, request: Delete) -> bool:
    """Tell whether this very request was carried out before: a client sends it again when it got no answer."""
    known = await engine.storage.get(Table.DELETIONS, (request.scope, request.workspace, request.id))
    return isinstance(known, Deletion) and bool(request.key) and known.reason == _reason(request)


def _reason(request: Delete) -> str:
    return f"request {request.key}"


class RunDeletion:
    """Deletes runs, one by one, many at once, or all of a workspace."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._book = engine.book

    async def delete_run(self, request: Delete) -> None:
        """Delete a run with everything of it: journal, children, spans, its key. Its ledger entries lose its name.

        Raises:
            RunNotFound: There is none in this workspace.
            RunStillRunning: Something moves in it.
            RequestError: It is a child: it is deleted with the run it belongs to.
        """
        run_id, workspace = request.id, request.workspace
        async with self._book.doomed.deleting(run_name(run_id), behind=workspace_name(workspace)):
            try:
                head = await self._book.head(run_id, workspace)
            except RunNotFound:
                if await is_carried_out(self._engine, request):
                    return
                raise
            if head.root_id != run_id:
                raise _is_child(head)
            await self._come_to_rest(lambda: [entry] if (entry := self._book.find(run_id)) is not None else [])
            await self._let_go([run_id])
            kept = await self._kept_entries([await self._book.head(run_id, workspace)])
            await self._engine.append([deletion_of(request, self._engine.clock.now()), *kept])
            self._engine.balances.read_again([workspace])

    async def delete_workspace(self, request: Delete) -> None:
        """Delete everything of a workspace: runs, conversations, money, keys. One that has nothing may be deleted too.

        Raises:
            RunStillRunning: Something moves in runs of it; they are named.
        """
        workspace = request.workspace
        async with self._book.doomed.deleting(workspace_name(workspace)):
            await self._let_go(await self._come_to_rest(lambda: self._book.of_workspace(workspace)))
            seq = await self._engine.append([deletion_of(request, self._engine.clock.now())])
            self._engine.balances.forget(workspace, seq)

    async def delete_finished(self, heads: Sequence[RunHead], reason: str) -> int:
        """Delete runs that have ended and whose callbacks have too; return how many.

        One that moves again, or is being deleted already, is left alone.

        Args:
            heads: Of root runs, as the store has them now.
            reason: Stands in the records of the deletions.
        """
        at = self._engine.clock.now()
        doomed = self._book.doomed
        gone = [
            head
            for head in heads
            if not doomed.has(run_name(head.run_id), workspace_name(head.workspace)) and self._has_ended(head.run_id)
        ]
        async with doomed.deleting(*(run_name(head.run_id) for head in gone)):
            if gone:
                await self._let_go([head.run_id for head in gone])
                entries = await self._kept_entries(gone)
                deletions = [
                    Deletion(scope="run", workspace=head.workspace, id=head.run_id, at=at, reason=reason)
                    for head in gone
                ]
                await self._engine.append([*deletions, *entries])
                self._engine.balances.read_again({row.workspace for row in entries})
        return len(gone)

    def _has_ended(self, run_id: str) -> bool:
        """Tell whether a run is not in memory, or has ended there, too."""
        entry = self._book.find(run_id)
        return entry is None or (entry.state.status.is_final and not entry.state.root.busy)

    async def _come_to_rest(self, find: Callable[[], Sequence[RunEntry]]) -> list[str]:
        """Return the ids of the runs in memory when all they have committed is durable and nothing moves in them."""
        while True:
            entries = find()
            moving = [entry.state for entry in entries if _is_moving(entry.state)]
            if moving:
                raise _still_running(moving)
            under_way = {entry.durable for entry in entries if entry.durable is not None and not entry.durable.done()}
            if not under_way:
                return [entry.state.run_id for entry in entries]
            await asyncio.wait(under_way)

    async def _let_go(self, run_ids: Sequence[str]) -> None:
        """Forget runs, so that nothing is committed to them any more.

        Runs that are being loaded notice themselves that they are doomed; when this returns their loading has ended.
        """
        for run_id in run_ids:
            self._book.remove(run_id)
            self._engine.wheel.set((run_id,), None)
        await self._book.loads_ended()

    async def _kept_entries(self, heads: Sequence[RunHead]) -> list[LedgerRow]:
        """Return what the ledger keeps of runs: their charges, without whose they were.

        They are appended behind the deletion, which hides the rows as they were.
        """
        paid = tuple(head.run_id for head in heads if head.cost_micros or head.input_tokens or head.output_tokens)
        if not paid:
            return []
        rows = self._engine.storage.scan(Table.LEDGER, Query(where={"run_id": paid}))
        return [_anonymous(row) async for page in rows for row in page if isinstance(row, LedgerRow)]


def _anonymous(row: LedgerRow) -> LedgerRow:
    """Return an entry as it stays; its id said whose it was, and becomes a digest of what it was."""
    digest = hashlib.sha256(f"{row.workspace} {row.entry_id}".encode()).hexdigest()
    return msgspec.structs.replace(row, entry_id=f"{row.kind}:{digest[:32]}", run_id=None, path=None)


def _is_moving(run: RunState) -> bool:
    return run.root.busy > 0 or run.status in {RunStatus.PENDING, RunStatus.RUNNING}


def _still_running(runs: Sequence[RunState]) -> RunStillRunning:
    ids = sorted(run.run_id for run in runs)
    named = ", ".join(ids[:MAX_NAMED]) + (f" and {len(ids) - MAX_NAMED} more" if len(ids) > MAX_NAMED else "")
    what = f"run {named} is" if len(ids) == 1 else f"runs {named} are"
    if all(run.status.is_final for run in runs):
        message = f"{what} not deleted: a callback still runs; try again when it has ended"
    else:
        message = f"{what} not deleted: something runs; cancel first, then delete"
    return RunStillRunning(message, {"runs": ids})


def _is_child(head: RunHead) -> RequestError:
    message = f"run {head.run_id} is part of run {head.root_id} and is deleted with it; delete run {head.root_id}"
    return RequestError(message, {"run_id": head.run_id, "root_id": head.root_id})
