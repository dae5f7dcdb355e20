"""Times as text and as epoch seconds."""

from datetime import UTC, datetime


def parse_time(text: str) -> float:
    """Return the epoch seconds of an ISO 8601 time; without an offset it is UTC.

    >>> parse_time("1970-01-01T00:01:00Z")
    60.0
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return moment.timestamp()
