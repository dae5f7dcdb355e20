"""What the server has seen: a bounded log of requests, so that a test (in any process) can count and read the calls."""

from collections import OrderedDict
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from threading import Lock
from typing import Any, Final

MAX_LOGGED: Final = 1000
MAX_LOGGED_BODY_BYTES: Final = 64 * 1024


class Outcome(StrEnum):
    """How a request ended, as far as the server knows."""

    OPEN = "open"
    ANSWERED = "answered"
    REFUSED = "refused"
    FAULTED = "faulted"
    CLIENT_GONE = "client_gone"


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenRequest:
    """One request; `body` is None when it was no JSON or larger than `MAX_LOGGED_BODY_BYTES`.

    Attributes:
        idempotency_key: Its `Idempotency-Key` header: the same for all repetitions of one model turn.
    """

    seq: int
    path: str
    model: str = ""
    user: str = ""
    is_stream: bool = False
    is_scripted: bool = False
    idempotency_key: str = ""
    body: Any = None
    outcome: Outcome = Outcome.OPEN


class RequestLog:
    """The last `MAX_LOGGED` requests in order, and counts of all. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._items: OrderedDict[int, SeenRequest] = OrderedDict()
        self._total = 0
        self._in_flight = 0
        self._max_in_flight = 0

    def open(self, path: str) -> int:
        """Notes that a request came in; gives its number, from 1."""
        with self._lock:
            self._total += 1
            self._in_flight += 1
            self._max_in_flight = max(self._max_in_flight, self._in_flight)
            self._items[self._total] = SeenRequest(seq=self._total, path=path)
            if len(self._items) > MAX_LOGGED:
                self._items.popitem(last=False)
            return self._total

    def note(self, seq: int, **facts: Any) -> None:
        """Adds what became known of a request; one that has left the log is forgotten."""
        with self._lock:
            if seq in self._items:
                self._items[seq] = replace(self._items[seq], **facts)

    def close(self, seq: int, outcome: Outcome) -> None:
        """Notes how a request ended."""
        self.note(seq, outcome=outcome)
        with self._lock:
            self._in_flight -= 1

    def clear(self) -> None:
        """Forgets the requests; numbering and the count of those in flight go on."""
        with self._lock:
            self._items.clear()
            self._max_in_flight = self._in_flight

    @property
    def items(self) -> tuple[SeenRequest, ...]:
        """The requests, oldest first."""
        with self._lock:
            return tuple(self._items.values())

    def summary(self) -> dict[str, Any]:
        """Gives the log as JSON."""
        items = [asdict(item) for item in self.items]
        with self._lock:
            counts = {"total": self._total, "in_flight": self._in_flight, "max_in_flight": self._max_in_flight}
        return {**counts, "items": items}
