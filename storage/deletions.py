"""What has been deleted and may still be on the disk: which rows no read shows any more.

A deletion hides every row of its workspace, run or thread with a smaller number than its own. What is written with it
or after it is not its business: whoever deletes a run and must keep its money writes the rows that stay anew.

A key may pass from one owner to another (a run id that is used again) only after the former was deleted: a hidden row
is dropped as soon as it would be written anew, and would else uncover an older one.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

from greenroom.runtime.contracts.records import Deletion, Record, Table

RUN_FIELD: Final[dict[Table, str]] = {
    Table.RUNS: "root_id",
    Table.JOURNAL: "run_id",
    Table.KEYS: "run_id",
    Table.SPANS: "run_id",
    Table.BLOBS: "run_id",
    Table.LEDGER: "run_id",
    Table.TRIGGERS: "run_id",
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

    def add_all(self, records: Sequence[Record], first_seq: int) -> None:
        """Take the deletions among these records, numbered from `first_seq` on."""
        if Deletion not in set(map(type, records)):
            return
        for seq, record in enumerate(records, first_seq):
            if isinstance(record, Deletion):
                self.add(record, seq)

    def copy(self) -> "Deletions":
        """Return them as they are now."""
        other = Deletions()
        other.workspaces, other.runs, other.threads = dict(self.workspaces), dict(self.runs), dict(self.threads)
        return other

    def between(self, low: int, high: int) -> "Deletions":
        """Return a copy of those with numbers above `low` and up to `high`."""
        other = Deletions()
        other.workspaces = {name: seq for name, seq in self.workspaces.items() if low < seq <= high}
        other.runs = {name: seq for name, seq in self.runs.items() if low < seq <= high}
        other.threads = {name: seq for name, seq in self.threads.items() if low < seq <= high}
        return other

    def hides(self, table: Table, workspace: str, owner: str | None, seq: int) -> bool:
        """Return whether the row with this number is gone.

        Args:
            owner: The run or the thread it belongs to, as `owner_field` names it.
        """
        if self.workspaces and self.workspaces.get(workspace, 0) > seq:
            return True
        if owner is None:
            return False
        of = self.threads if table in THREAD_TABLES else self.runs
        return of.get((workspace, owner), 0) > seq

    def see(self, table: Table) -> "See":
        """Return what shows a row of this table, or None for one that is gone."""
        if table in KEPT or not len(self):
            return _everything
        name = owner_field(table)

        def see(record: Record, seq: int) -> Record | None:
            row: Any = record
            owner = getattr(row, name) if name else None
            return None if self.hides(table, row.workspace, owner, seq) else record

        return see


See = Callable[[Record, int], Record | None]
"""Returns a row, given its number, or None when no read shows it."""


def owner_field(table: Table) -> str | None:
    """Return the field that names the run or the thread a row belongs to."""
    return "thread_id" if table in THREAD_TABLES else RUN_FIELD.get(table)


def _everything(record: Record, _: int) -> Record:
    return record
