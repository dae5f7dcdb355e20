"""The limits of a file store."""

import msgspec

_MIB = 1024 * 1024


class StoreOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Limits of a file store; the defaults suit a runtime with hundreds of runs in motion.

    Attributes:
        segment_bytes: Size a segment of the journal is made with.
        queue_bytes: Most bytes on their way to the journal before appends wait.
        flush_bytes: Bytes of journal in memory that start a flush; appends wait at twice as much.
        flush_age_s: Seconds after which the oldest record in memory starts a flush: how far notebooks lag behind.
        max_parts: Most small parts of one table before they are merged.
        reader_grace_s: Seconds for which a replaced part stays for readers of other processes.
        kept_manifests: Number of manifests that stay.
        cache_bytes: Most bytes of decoded row groups in memory.
    """

    segment_bytes: int = 16 * _MIB
    queue_bytes: int = 16 * _MIB
    flush_bytes: int = 32 * _MIB
    flush_age_s: float = 5.0
    max_parts: int = 8
    reader_grace_s: float = 600.0
    kept_manifests: int = 16
    cache_bytes: int = 64 * _MIB
