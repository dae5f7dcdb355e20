"""Sizes, counts and times as a person reads them."""

from datetime import UTC, datetime
from typing import Final

_STEP: Final = 1000
_UNITS: Final = ("bytes", "kB", "MB", "GB", "TB", "PB")
_MINUTE_S: Final = 60


def as_bytes(size: int) -> str:
    """Return a size.

    >>> as_bytes(999), as_bytes(1500), as_bytes(2_340_000_000)
    ('999 bytes', '1.5 kB', '2.3 GB')
    """
    amount, unit = float(size), 0
    while amount >= _STEP and unit < len(_UNITS) - 1:
        amount, unit = amount / _STEP, unit + 1
    return f"{size} {_UNITS[0]}" if unit == 0 else f"{amount:.1f} {_UNITS[unit]}"


def as_count(count: int, noun: str = "") -> str:
    """Return a number, of things that form their plural with an s.

    >>> as_count(1234567), as_count(1, "file"), as_count(2, "file")
    ('1,234,567', '1 file', '2 files')
    """
    return f"{count:,}" if not noun else f"{count:,} {noun}{'' if count == 1 else 's'}"


def as_duration(seconds: float) -> str:
    """Return how long something took.

    >>> as_duration(0.034), as_duration(75.2)
    ('0.03 s', '1 min 15 s')
    """
    if seconds < _MINUTE_S:
        return f"{seconds:.2f} s"
    return f"{int(seconds // _MINUTE_S)} min {int(seconds % _MINUTE_S)} s"


def as_time(at: float) -> str:
    """Return a time of epoch seconds, in UTC.

    >>> as_time(0.0)
    '1970-01-01 00:00:00 UTC'
    """
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S} UTC"
