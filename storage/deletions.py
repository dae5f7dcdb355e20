"""What has been deleted and may still be on the disk: which rows no read shows any more.

A deletion hides every row of its workspace, run or thread with a smaller number than its own. Rows of the ledger
outlive a run: they stay, without saying which run they belonged to.
"""

from collections.abc import Callable, Iterable
from typing import Any, Final

from msgspec.structs import replace

from greenroom.runtime.contracts.records import Deletion, LedgerRow, Record, Table

RUN_FIELD: Final[dict[Table, str]] = {
    Table.RUNS: "root_id",
    Table.JOURNAL: "run_id",
    Table.KEYS: "run_id",
    Table.SPANS: "run_id",
    Table.BLOBS: "run_id",
    Table.LEDGER: "run_id",
}
"""Which field names the run that a row belongs to."""

THREAD_TABLES: Final = frozenset({Table.THREADS, Table.MESSAGES})

KEPT: Final = frozenset({Table.BUNDLES, Table.DELETIONS})
"""Tables that no deletion reaches."""


class Deletions:
    """Deletions by what they are about. Used by one thread; `copy` gives others theirs."""

    def __init__(self) -> None:
        self.workspaces: dict[str, int] = {}
        self.runs: dict[tuple[str, str], int] = {}
        self.threads: dict[tuple[str, str], int] = {}

    def __len__(self) -> int:
        return len(self.workspaces) + len(self.runs) + len(self.threads)

    def add(self, deletion: Deletion, seq: int) -> None:
        """Hide what was written before number `seq`."""
        match deletion.scope:
            case "workspace":
                self.workspaces[deletion.workspace] = seq
            case "run":
                self.runs[deletion.workspace, deletion.id] = seq
            case _:
                self.threads[deletion.workspace, deletion.id] = seq

    def add_all(self, records: Iterable[Record], first_seq: int) -> None:
        """Take the deletions among these records, numbered from `first_seq` on."""
        for seq, record in enumerate(records, first_seq):
            if isinstance(record, Deletion):
                self.add(record, seq)

    def copy(self, *, above: int = 0) -> "Deletions":
        """Return those with numbers above `above`, as they are now."""
        other = Deletions()
        other.workspaces = {name: seq for name, seq in self.workspaces.items() if seq > above}
        other.runs = {name: seq for name, seq in self.runs.items() if seq > above}
        other.threads = {name: seq for name, seq in self.threads.items() if seq > above}
        return other

    def hides(self, table: Table, record: Record, seq: int) -> bool:
        """Return whether the row with this number is gone."""
        if table in KEPT:
            return False
        fields: Any = record
        if self.workspaces and self.workspaces.get(record.workspace, 0) > seq:
            return True
        if self.runs and table in RUN_FIELD and table is not Table.LEDGER:
            return self.runs.get((record.workspace, getattr(fields, RUN_FIELD[table])), 0) > seq
        if self.threads and table in THREAD_TABLES:
            return self.threads.get((record.workspace, fields.thread_id), 0) > seq
        return False

    def seen(self, table: Table, record: Record, seq: int) -> Record | None:
        """Return the row as reads show it, or None when it is gone."""
        if not len(self):
            return record
        if self.hides(table, record, seq):
            return None
        if isinstance(record, LedgerRow) and self.runs.get((record.workspace, record.run_id or ""), 0) > seq:
            return replace(record, run_id=None, path=None)
        return record


See = Callable[[Record, int], Record | None]
"""Returns a row as reads show it, given its number."""
