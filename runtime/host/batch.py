"""What is committed together, and what each commit does once it is durable."""

from dataclasses import dataclass, field

from greenroom.runtime.contracts.entries import AttemptEnded, AttemptLost, Fact
from greenroom.runtime.contracts.events import Event
from greenroom.runtime.contracts.records import LedgerRow, Record
from greenroom.runtime.contracts.work import Answer, AttemptId, Call
from greenroom.runtime.core.state import NodeState
from greenroom.runtime.host.book import RunEntry


@dataclass(slots=True)
class Move:
    """What one commit of one run is to do when it is durable.

    Attributes:
        ended: Whose attempts are over.
        queued: Nodes whose attempts wait for their limits from now on.
        is_final: The run has ended with this commit. Another, still under way, may have ended it since.
    """

    entry: RunEntry
    events: list[Event]
    ready: list[NodeState]
    dropped: list[AttemptId]
    answers: list[tuple[str, int, str, Answer]]
    ended: list[tuple[str, str]]
    needs: list[tuple[str, str]]
    queued: list[NodeState]
    is_final: bool


def take_move(entry: RunEntry, fact: Fact) -> Move:
    """Return what a run has gathered for when the commit of this fact is durable, and take it from the run."""
    run = entry.state
    ended = [(run.run_id, fact.path)] if isinstance(fact, AttemptEnded | AttemptLost) else []
    move = Move(
        entry=entry,
        events=run.events,
        ready=run.ready,
        dropped=run.dropped,
        answers=run.answers,
        ended=ended,
        needs=run.needs,
        queued=run.queued,
        is_final=run.status.is_final,
    )
    run.events, run.ready, run.dropped, run.answers, run.needs, run.queued = [], [], [], [], [], []
    return move


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
