"""What a file store keeps in memory: the records that are in the journal and not yet in parts."""

from collections.abc import Sequence

from greenroom.runtime.contracts.records import TABLE_OF, Record, Table
from greenroom.storage.field import key_of
from greenroom.storage.rows import Rows


class Memtable:
    """Records in the order of their numbers, the newest of each key. Recovery puts into it, then the event loop."""

    def __init__(self) -> None:
        self.tables = {table: Rows(key_of(table)) for table in Table}
        self._rows = {kind: self.tables[table] for kind, table in TABLE_OF.items()}
        self.bytes = 0
        self.records = 0

    def put(self, records: Sequence[Record], first_seq: int, size: int) -> None:
        """Add records with the numbers from `first_seq` on, `size` bytes in the journal."""
        kinds = set(map(type, records))
        if len(kinds) == 1:
            self._rows[kinds.pop()].put_all(records, first_seq)
        else:
            for seq, record in enumerate(records, first_seq):
                self._rows[type(record)].put(record, seq)
        self.bytes += size
        self.records += len(records)
