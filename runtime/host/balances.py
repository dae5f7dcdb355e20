"""What each workspace has left: read from its ledger once, and kept by every entry that is appended since."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from greenroom.runtime.contracts.records import LedgerRow, Table
from greenroom.runtime.contracts.storage import Query, Storage


@dataclass(slots=True)
class Balance:
    """Grants and charges of a workspace, both positive, in micros."""

    granted: int = 0
    charged: int = 0

    def add(self, row: LedgerRow) -> None:
        """Count an entry."""
        if row.amount_micros > 0:
            self.granted += row.amount_micros
        else:
            self.charged -= row.amount_micros


@dataclass(slots=True)
class _Reading:
    """A ledger that is being read.

    Attributes:
        skipped: Ids that the scan may or may not show: their appends were under way when it began, or began since.
        landed: Those of them that are durable by now.
    """

    skipped: set[str]
    landed: list[LedgerRow] = field(default_factory=list)


class Balances:
    """Running balances. Every append of ledger rows is announced before (`begin`) and after (`end`)."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._known: dict[str, Balance] = {}
        self._open: dict[tuple[str, str], LedgerRow] = {}
        self._readings: dict[str, _Reading] = {}
        self._lock = asyncio.Lock()
        self._forgotten: dict[str, int] = {}

    def begin(self, rows: Sequence[LedgerRow]) -> None:
        """Say that these are about to be appended."""
        for row in rows:
            self._open[row.workspace, row.entry_id] = row
            if (reading := self._readings.get(row.workspace)) is not None:
                reading.skipped.add(row.entry_id)

    def end(self, rows: Sequence[LedgerRow], seq: int) -> None:
        """Say that these are durable, and the store-wide number of their append."""
        for row in rows:
            self._open.pop((row.workspace, row.entry_id), None)
            if seq < self._forgotten.get(row.workspace, 0):
                continue  # the workspace was deleted behind it
            if (balance := self._known.get(row.workspace)) is not None:
                balance.add(row)
            elif (reading := self._readings.get(row.workspace)) is not None:
                reading.landed.append(row)

    def fail(self, rows: Sequence[LedgerRow]) -> None:
        """Say that the append of these failed: what the ledger says now has to be read."""
        for row in rows:
            self._open.pop((row.workspace, row.entry_id), None)
            self.forget(row.workspace)

    def forget(self, workspace: str, seq: int = 0) -> None:
        """Read the ledger of a workspace anew when it is asked for.

        Args:
            workspace: Whose.
            seq: Number of the workspace's deletion: entries with smaller ones are gone.
        """
        self._known.pop(workspace, None)
        self._readings.pop(workspace, None)
        if seq:
            self._forgotten[workspace] = seq

    def read_again(self, workspaces: Iterable[str]) -> None:
        """Begin again where a ledger is being read: entries were replaced by others of the same amounts."""
        for workspace in workspaces:
            self._readings.pop(workspace, None)

    def forget_all(self) -> None:
        """Read every ledger anew when it is asked for."""
        self._known.clear()
        self._readings.clear()

    async def get(self, workspace: str) -> Balance:
        """Return the balance of a workspace."""
        async with self._lock:
            while (balance := self._known.get(workspace)) is None:
                await self._read(workspace)
        return balance

    async def _read(self, workspace: str) -> None:
        reading = _Reading({entry_id for owner, entry_id in self._open if owner == workspace})
        self._readings[workspace] = reading
        balance = Balance()
        async for page in self._storage.scan(Table.LEDGER, Query(workspace=workspace)):
            for row in page:
                if isinstance(row, LedgerRow) and row.entry_id not in reading.skipped:
                    balance.add(row)
        if self._readings.get(workspace) is not reading:
            return  # forgotten meanwhile
        del self._readings[workspace]
        for row in reading.landed:
            balance.add(row)
        self._known[workspace] = balance
