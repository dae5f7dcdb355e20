"""Times on the wire: epoch milliseconds for steps and events, ISO 8601 for records."""

from datetime import UTC, datetime


def millis(seconds: float | None) -> int | None:
    """Return epoch seconds as whole milliseconds.

    >>> millis(1.5), millis(None)
    (1500, None)
    """
    return None if seconds is None else round(seconds * 1000)


def millis_of(moment: datetime | None) -> int:
    """Return a moment as epoch milliseconds; 0 for one that is not known."""
    return 0 if moment is None else round(moment.timestamp() * 1000)


def iso(seconds: float | None) -> str | None:
    """Return epoch seconds as an ISO text in UTC, with milliseconds.

    >>> iso(0.25)
    '1970-01-01T00:00:00.250Z'
    """
    if seconds is None:
        return None
    text = datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")
