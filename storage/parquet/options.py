"""The limits of a file store."""

import msgspec

from greenroom.runtime.contracts.records import Table

_MIB = 1024 * 1024


class StoreOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Limits of a file store; the defaults suit a runtime with hundreds of runs in motion.

    Attributes:
        segment_bytes: Size a segment of the journal is made with.
        queue_bytes: Most bytes on their way to the journal before appends wait.
        flush_bytes: Bytes of journal in memory that start a flush; appends wait at twice as much. As objects they take
            some five times that.
        flush_age_s: Seconds after which the oldest record in memory starts a flush: how far notebooks lag behind.
        max_runs: Most sorted runs of one table before the newest are merged.
        part_bytes: Compressed size at which a merge begins the next part.
        reader_grace_s: Seconds for which a replaced part stays for readers of other processes.
        kept_manifests: Number of manifests that stay.
        cache_bytes: Most bytes of decoded row groups in memory.
        max_deletions: Deletions that may wait for a merge before parts are rewritten for their sake.
        erase_after_s: Seconds after which deleted and aged rows leave the disk, if nobody purges before.
        retention_s: Seconds for which rows of messages, ledger or spans are kept; for ever if not named.
        reserve_bytes: Size of a file that is given up when the disk is full, so that a flush can still make room.
    """

    segment_bytes: int = 16 * _MIB
    queue_bytes: int = 16 * _MIB
    flush_bytes: int = 16 * _MIB
    flush_age_s: float = 5.0
    max_runs: int = 8
    part_bytes: int = 128 * _MIB
    reader_grace_s: float = 600.0
    kept_manifests: int = 16
    cache_bytes: int = 64 * _MIB
    max_deletions: int = 4096
    erase_after_s: float = 3600.0
    retention_s: dict[Table, float] = {}
    reserve_bytes: int = 64 * _MIB
