"""Merging the parts of a table, so that their number stays small and superseded rows leave the disk."""

from collections.abc import Sequence
from itertools import takewhile
from typing import Final

import pyarrow as pa

from greenroom.runtime.contracts.records import Table
from greenroom.storage.field import key_names
from greenroom.storage.parquet.columns import conform
from greenroom.storage.parquet.part import Part
from greenroom.storage.parquet.selection import newest_rows

MAX_PART_BYTES: Final = 128 * 1024 * 1024
"""Parts of this size are left as they are."""

_GROWTH: Final = 4  # a part joins a merge when it is at most so many times as large as all newer ones together


def parts_to_merge(parts: Sequence[Part], max_parts: int) -> Sequence[Part]:
    """Return the newest parts that are worth merging into one, or none when there are at most `max_parts` small ones.

    Small ones are merged often and large ones rarely, so a row is rewritten a number of times that grows with the
    logarithm of the table. They are the newest without a gap: parts never overlap in the numbers of their records.
    """
    small = list(takewhile(lambda part: part.info.bytes < MAX_PART_BYTES, reversed(parts)))
    if len(small) <= max_parts:
        return ()
    count, size = 1, small[0].info.bytes
    while count < len(small) and small[count].info.bytes <= _GROWTH * size and size < MAX_PART_BYTES:
        size += small[count].info.bytes
        count += 1
    return parts[-max(count, max_parts // 2, 2) :]


def merged_rows(table: Table, parts: Sequence[Part]) -> pa.Table:
    """Return the newest row of each key in these parts. Holds them all in memory.

    Raises:
        StorageCorrupt: A part is damaged.
    """
    return newest_rows([conform(table, part.read()) for part in parts], key_names(table))
