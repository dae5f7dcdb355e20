"""The folded state of one run.

A tree of `NodeState`s, one per visited node, under a root frame. The fold owns it and changes it in place (a run of a
thousand items would copy itself a thousand times otherwise); nothing but `apply` may write to it. Each node keeps the
counts of what is busy, waiting and suspended at or below it, so that the status of a run, or of any part of it, is
read without a walk.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from greenroom.runtime.contracts.entries import ErrorInfo, RunStarted, Usage
from greenroom.runtime.contracts.events import Event
from greenroom.runtime.contracts.plan import AgentPlan, BundlePlan, ForeachNode, LimitPlan, Schema, WorkflowPlan
from greenroom.runtime.contracts.statuses import RunStatus, StepStatus
from greenroom.runtime.contracts.values import Json
from greenroom.runtime.contracts.work import Answer, AttemptId, Scope
from greenroom.runtime.core.nodes import RunNode

Check = Callable[[Schema, Json], Json]
"""Checks a value against a JSON Schema and returns it with defaults applied; raises `InvalidInput`. Pure."""


@dataclass(slots=True)
class Frame:
    """What a workflow, an agent or a lone tool adds to the node that runs it.

    Attributes:
        plan: The workflow's or the agent's; None for a lone tool.
        run_id: The id of this part as a run: the root's own, or the child's.
        value: What flows: the last output of the sequence.
        current: The node of the sequence that runs now.
        state: The workflow's state; the same dict as the parent frame's when shared.
        writers: Who wrote each key of the state last.
        version: Raised when a step of this frame ends or the state changes: tells when a cached scope is old.
        options: Of an agent: what the caller overrode (output schema, max_steps, history …).
        turns: Of an agent: its finished model turns.
        calls: Of an agent: its tool calls of all turns, with the path segment of each.
        spent_s: Time it ran, parked time not counted, until `active_since`.
    """

    plan: WorkflowPlan | AgentPlan | None
    kind: str
    target: str
    run_id: str
    input: Json = None
    value: Json = None
    current: "NodeState | None" = None
    state: dict[str, Json] = field(default_factory=dict)
    writers: dict[str, "NodeState"] = field(default_factory=dict)
    version: int = 0
    scope: "tuple[tuple[int, ...], Scope] | None" = None
    spent_s: float = 0.0
    active_since: float | None = None
    bail: tuple[Json] | None = None
    options: dict[str, Json] = field(default_factory=dict)
    turns: "list[NodeState]" = field(default_factory=list)
    calls: list[dict[str, Json]] = field(default_factory=list)
    is_touched: bool = True
    head_mark: tuple[Json, ...] = ()


@dataclass(slots=True)
class NodeState:
    """One visited node.

    Attributes:
        attempt: Number of the newest attempt; the fence for late results.
        failures: Failed attempts, for `retries`.
        deaths: Attempts whose worker died.
        losses: Attempts that a new runtime found nowhere.
        resumes: Data of the resumes so far.
        pending: What `decide` has to deal with: `failed`, `lost`, `resumed`, a timer's kind, `called`, `answered`.
        answer: What a person answered when asked (an approval, an attempt in doubt).
        slots: Of a foreach: items that hold one of its slots (busy or waiting; a suspended item holds none).
        queue: Of a foreach: resumed steps of its items that wait for a slot, in order.
        gate: The foreach in whose queue the step stands.
        children: What it is made of: members and steps by name, items and iterations by index.
        calls: Children that its body called through the runtime, by name.
        options: Of such a child: what its caller asked for beside the input.
        fetched: The reference that the input was, before the stored value was read.
        patches: What its body set in the state, each with its number in the run.
        timeline: How often the run had been rewound when the node began.
        missing: Of a foreach that was restored: items before `next_index` that have to begin again.
        has_bailed: Its body ended the workflow.
        queued_at: Since when its next attempt waits for its limits to have room, or None.
        is_admitted: They have, and the attempt is scheduled next.
    """

    path: str
    node: RunNode
    parent: "NodeState | None"
    index: int = -1
    status: StepStatus = StepStatus.RUNNING
    attempt: int = 0
    failures: int = 0
    deaths: int = 0
    losses: int = 0
    is_restarted: bool = False
    has_attempt: bool = False
    input: Json = None
    output: Json = None
    error: ErrorInfo | None = None
    started_at: float = 0.0
    ended_at: float | None = None
    payload: Json = None
    label: str | None = None
    last_label: str | None = None
    suspend_data: Json = None
    resumed_at: float | None = None
    suspended_at: float | None = None
    resumes: list[Json] = field(default_factory=list)
    resume_keys: list[str] = field(default_factory=list)
    in_doubt: bool = False
    is_asked: bool = False
    is_parked: bool = False
    pending: str = ""
    answer: Json = None
    wake_at: float | None = None
    children: dict[Any, "NodeState"] = field(default_factory=dict)
    calls: dict[str, "NodeState"] = field(default_factory=dict)
    told_parked: set[str] = field(default_factory=set)
    next_index: int = 0
    done: int = 0
    slots: int = 0
    queue: "list[NodeState]" = field(default_factory=list)
    gate: "NodeState | None" = None
    is_holding: bool = False
    options: dict[str, Json] = field(default_factory=dict)
    failed: "NodeState | None" = None
    frame: Frame | None = None
    busy: int = 0
    waiting: int = 0
    suspended: int = 0
    mark: str = ""
    fetched: Json = None
    patches: tuple[tuple[int, dict[str, Json]], ...] = ()
    timeline: int = 0
    missing: tuple[int, ...] = ()
    has_bailed: bool = False
    queued_at: float | None = None
    is_admitted: bool = False

    @property
    def is_final(self) -> bool:
        """True when the node has its outcome."""
        return self.status.is_final

    def owner(self) -> "NodeState":
        """Return the node whose frame this one stands in (a frame's own node stands in the frame around it)."""
        at = self.parent
        while at is not None and at.frame is None:
            at = at.parent
        return at if at is not None else self

    def walk(self) -> "Iterator[NodeState]":
        """Yield every node below this one, calls included, parents first."""
        for child in (*self.children.values(), *self.calls.values()):
            yield child
            yield from child.walk()


@dataclass(slots=True)
class RunState:
    """One run.

    Attributes:
        started: The entry it began with.
        nodes: Every visited node by path; the root is "".
        agenda: Nodes that `decide` has to look at.
        around: Nodes around the step a run begins from; each looks when all inside it has been dealt with.
        timers: When what is due: (path, kind) to epoch seconds.
        signals: Payloads that came before a waiter, by name, oldest first.
        waiters: Paths of the nodes that wait for a signal, by name, in order.
        events: Events made since the host last took them.
        dropped: Attempts that must be stopped, since the host last took them.
        answers: Answers to bodies' calls, since the host last took them: (path, attempt, name, answer).
        secrets: What the caller gave under keys that are never stored: here until the run leaves memory.
        needs: Stored values the core must look into, since the host last took them: (path, digest).
        stored: Values that were read, by digest, until the entry that says so is applied.
        ready: Nodes whose newest attempt shall be dispatched, since the host last took them.
        queued: Nodes that wait for their limits to have room, since the host last took them.
        limits: The limits that are in force, by name; they are not part of the run.
        rewinds: How often the run went back to an earlier step.
        retired: Newest attempt that paths had before that: attempts count on, so that late results stay late.
        rewind_keys: Idempotency keys of the requests to go back.
        spent_keys: Keys of resumes that are in the history only.
        given: Inputs that were given for steps which have not begun again yet, by path.
        base_state: What the state began with.
        patch_count: How many patches the state had.
        left: Nested parts that are in the history only, since their heads were last taken.
        plans: Bundles the run may be moved to, by id.
    """

    started: RunStarted
    bundle: BundlePlan
    check: Check
    root: NodeState
    nodes: dict[str, NodeState] = field(default_factory=dict)
    agenda: deque[NodeState] = field(default_factory=deque)
    around: list[NodeState] = field(default_factory=list)
    status: RunStatus = RunStatus.PENDING
    timers: dict[tuple[str, str], float] = field(default_factory=dict)
    signals: dict[str, list[Json]] = field(default_factory=dict)
    signal_keys: set[str] = field(default_factory=set)
    waiters: dict[str, list[str]] = field(default_factory=dict)
    request_context: dict[str, Json] = field(default_factory=dict)
    secrets: dict[str, Json] = field(default_factory=dict)
    usage: Usage = field(default_factory=Usage)
    error: ErrorInfo | None = None
    reason: str = ""
    created_at: float = 0.0
    updated_at: float = 0.0
    finished_at: float | None = None
    groups: int = 0
    event_count: int = 0
    credits: int = 0
    is_cancel_requested: bool = False
    is_timed_out: "NodeState | None" = None
    events: list[Event] = field(default_factory=list)
    dropped: list[AttemptId] = field(default_factory=list)
    answers: list[tuple[str, int, str, Answer]] = field(default_factory=list)
    ready: list[NodeState] = field(default_factory=list)
    queued: list[NodeState] = field(default_factory=list)
    limits: Mapping[str, LimitPlan] = field(default_factory=dict)
    frames: list[NodeState] = field(default_factory=list)
    callers: set[str] = field(default_factory=set)
    needs: list[tuple[str, str]] = field(default_factory=list)
    stored: dict[str, Json] = field(default_factory=dict)
    charges: list[tuple[str, int, str, Usage]] = field(default_factory=list)
    rewinds: int = 0
    retired: dict[str, int] = field(default_factory=dict)
    rewind_keys: set[str] = field(default_factory=set)
    spent_keys: set[str] = field(default_factory=set)
    given: dict[str, Json] = field(default_factory=dict)
    base_state: dict[str, Json] = field(default_factory=dict)
    patch_count: int = 0
    left: list[NodeState] = field(default_factory=list)
    plans: Mapping[str, BundlePlan] = field(default_factory=dict)

    @property
    def run_id(self) -> str:
        """The run's id."""
        return self.started.run_id

    def emit(self, event: str, path: str, at: float, data: Json) -> None:
        """Add a durable event to the stream."""
        self.event_count += 1
        self.events.append(Event(seq=self.event_count, type=event, path=path, at=at, data=data))

    def state_of(self, node: NodeState) -> Frame:
        """Return the frame the node stands in."""
        frame = node.owner().frame
        assert frame is not None, node.path  # noqa: S101 - the root always has a frame
        return frame


def set_status(node: NodeState, status: StepStatus, *, busy: int = 0, waiting: int = 0, suspended: int = 0) -> None:
    """Give a leaf its status and carry the change of its counts up to the root.

    The three counts are the leaf's own contribution: 0 or 1.
    """
    node.status = status
    mark = "b" if busy else "w" if waiting else "s" if suspended else ""
    if mark == node.mark:
        return
    old, node.mark = node.mark, mark
    delta_busy = (mark == "b") - (old == "b")
    delta_waiting = (mark == "w") - (old == "w")
    delta_suspended = (mark == "s") - (old == "s")
    at: NodeState | None = node
    while at is not None:
        at.busy += delta_busy
        at.waiting += delta_waiting
        at.suspended += delta_suspended
        if at.frame is not None:
            at.frame.is_touched = True
        parent = at.parent
        if parent is not None and type(parent.node) is ForeachNode:
            is_holding = at.busy > 0 or at.waiting > 0
            if is_holding != at.is_holding:
                at.is_holding = is_holding
                parent.slots += 1 if is_holding else -1
        at = parent
