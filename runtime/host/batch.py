"""What is committed together, and what each commit does once it is durable."""

from dataclasses import dataclass, field
from typing import NamedTuple

from greenroom.runtime.contracts.entries import AttemptEnded, AttemptLost, Fact
from greenroom.runtime.contracts.events import Event
from greenroom.runtime.contracts.records import LedgerRow, Record
from greenroom.runtime.contracts.work import Answer, AttemptId, Call, Scope, WorkItem
from greenroom.runtime.core.dispatch import pool_of, scope_of, work_item
from greenroom.runtime.core.limits import priority_of
from greenroom.runtime.core.state import NodeState, RunState
from greenroom.runtime.host.book import RunEntry


class Ready(NamedTuple):
    """An attempt that may begin once its commit is durable, and all it is given.

    Taken when the commit is made: what the run learns later is not durable yet when this is dispatched.
    """

    node: NodeState
    pool: str
    scope: Scope
    item: WorkItem
    priority: int


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
    ready: list[Ready]
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
        ready=[make_ready(run, node) for node in run.ready if node.has_attempt],
        dropped=run.dropped,
        answers=run.answers,
        ended=ended,
        needs=run.needs,
        queued=run.queued,
        is_final=run.status.is_final,
    )
    run.events, run.ready, run.dropped, run.answers, run.needs, run.queued = [], [], [], [], [], []
    return move


def make_ready(run: RunState, node: NodeState) -> Ready:
    """Put together what the newest attempt of a node is given."""
    item = work_item(run, node)
    pool = pool_of(run.bundle, item, node.deaths)
    return Ready(node, pool, scope_of(run, node), item, priority_of(run, node))


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
