"""The ledger, as requests see it."""

from greenroom.runtime.contracts.records import LedgerRow, Table
from greenroom.runtime.contracts.requests import Balance, Grant, LedgerEntries
from greenroom.runtime.contracts.storage import Query
from greenroom.runtime.contracts.values import Json
from greenroom.runtime.host.engine import Engine
from greenroom.runtime.host.named_locks import NamedLocks


class Ledger:
    """Money of workspaces."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._locks = NamedLocks()

    async def balance(self, request: Balance) -> dict[str, Json]:
        """Return the sum of a workspace's entries: grants less charges."""
        balance = await self._engine.balances.get(request.workspace)
        return {
            "balance_micros": balance.granted - balance.charged,
            "granted_micros": balance.granted,
            "charged_micros": balance.charged,
        }

    async def entries(self, request: LedgerEntries) -> dict[str, Json]:
        """Return the newest entries of a workspace, or of one run."""
        where: dict[str, tuple[Json, ...]] = {"run_id": (request.run_id,)} if request.run_id is not None else {}
        query = Query(workspace=request.workspace, where=where, reverse=True, limit=request.limit)
        found: list[dict[str, Json]] = []
        async for page in self._engine.storage.scan(Table.LEDGER, query):
            found.extend(_entry_view(row) for row in page if isinstance(row, LedgerRow))
        return {"items": found}

    async def grant(self, request: Grant) -> dict[str, Json]:
        """Give a workspace credit, once for each key."""
        entry_id = f"grant:{request.key}"
        async with self._locks.hold(f"{request.workspace} {entry_id}"):
            known = await self._engine.storage.get(Table.LEDGER, (request.workspace, entry_id))
            if known is None:
                row = LedgerRow(
                    workspace=request.workspace,
                    entry_id=entry_id,
                    at=self._engine.clock.now(),
                    kind="grant",
                    amount_micros=request.amount_micros,
                )
                await self._engine.append([row], charges=[row])
        return {"entry_id": entry_id, "is_new": known is None}


def _entry_view(row: LedgerRow) -> dict[str, Json]:
    return {
        "entry_id": row.entry_id,
        "at": row.at,
        "kind": row.kind,
        "amount_micros": row.amount_micros,
        "run_id": row.run_id,
        "path": row.path,
        "model": row.model,
        "input_tokens": row.input_tokens,
        "output_tokens": row.output_tokens,
    }
