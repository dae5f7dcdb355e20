"""What is committed together, and what each commit does once it is durable."""

from dataclasses import dataclass, field

from greenroom.runtime.contracts.events import Event
from greenroom.runtime.contracts.records import LedgerRow, Record
from greenroom.runtime.contracts.work import Answer, AttemptId, Call
from greenroom.runtime.core.state import NodeState
from greenroom.runtime.host.book import RunEntry


@dataclass(slots=True)
class Move:
    """What one commit of one run is to do when it is durable.

    Attributes:
        is_final: The run has ended with this commit. Another, still under way, may have ended it since.
    """

    entry: RunEntry
    events: list[Event]
    ready: list[NodeState]
    dropped: list[AttemptId]
    answers: list[tuple[str, int, str, Answer]]
    ended: list[tuple[str, str]]
    needs: list[tuple[str, str]]
    is_final: bool


@dataclass(slots=True)
class Batch:
    """Commits that become durable together.

    Attributes:
        charges: The rows of the ledger among `rows`.
        asked: Calls of bodies whose child exists: answered when what is known of it is durable.
    """

    rows: list[Record] = field(default_factory=list)
    charges: list[LedgerRow] = field(default_factory=list)
    moves: list[Move] = field(default_factory=list)
    asked: list[tuple[RunEntry, Call, NodeState]] = field(default_factory=list)
