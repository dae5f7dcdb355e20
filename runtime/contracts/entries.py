"""Journal entries: what a run is rebuilt from.

Two groups. *Facts* come from outside (a start, an outcome, a timer, a resume, a signal, a cancel). *Decisions* are
what the core made of them (an attempt is scheduled, a block is entered or completed, the run ends). One commit holds
a fact and every decision that followed. Entries are only ever added to, with defaults, never renamed or retyped:
stores of years are read with them. Times are epoch seconds (UTC) as floats.
"""

from typing import Literal, TypeAlias

import msgspec

from greenroom.runtime.contracts.values import Json

TargetKind: TypeAlias = Literal["workflow", "agent", "tool"]


class ErrorInfo(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A user's error as data: type name, message, JSON attributes and the chain of causes; never a stack trace.

    `code` is set for the library's own errors. `retryable` is whether `retry_on` lets it be repeated.
    """

    type: str
    message: str
    attributes: dict[str, Json] = {}
    cause: "ErrorInfo | None" = None
    code: str | None = None
    path: str | None = None
    retryable: bool = True


class Usage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Tokens and money of model calls. `cost_micros` are millionths of the currency unit."""

    input_tokens: int = 0
    output_tokens: int = 0
    total_tokens: int = 0
    reasoning_tokens: int = 0
    cached_tokens: int = 0
    cost_micros: int = 0

    def plus(self, other: "Usage") -> "Usage":
        """Return the sum of both."""
        return Usage(
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            total_tokens=self.total_tokens + other.total_tokens,
            reasoning_tokens=self.reasoning_tokens + other.reasoning_tokens,
            cached_tokens=self.cached_tokens + other.cached_tokens,
            cost_micros=self.cost_micros + other.cost_micros,
        )


class Succeeded(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="ok"):
    """The body returned; `usage` is set for model turns."""

    output: Json = None
    usage: Usage | None = None


class Failed(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="failed"):
    """The body raised; `usage` is what the failed attempt cost all the same."""

    error: ErrorInfo
    usage: Usage | None = None


class SuspendedHere(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="suspended"):
    """The body called `suspend`."""

    payload: Json = None
    label: str | None = None
    timeout_s: float | None = None


class Bailed(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="bailed"):
    """The body ended its workflow with success and this result."""

    result: Json = None


class Aborted(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="aborted"):
    """The body canceled its run."""


class Parked(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="parked"):
    """The body waits for a child call that is suspended; it runs again when the child, `on`, has its outcome."""

    on: str = ""


Outcome: TypeAlias = Succeeded | Failed | SuspendedHere | Bailed | Aborted | Parked


class Taken(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One node that a fork takes over from its parent run, or that stays open around the step it begins from.

    What follows from the nodes before it is left out: an input that is the output before it, an output that is made
    from members.

    Attributes:
        status: `open` for what stands around the step, else the node's outcome.
        reference: The stored value that the input was read from, where the core had to look into it.
        patches: What its body set in the state, each with its number in the run.
        called: Kind of a child that a body called, with its `target` and `options`.
    """

    path: str
    status: Literal["open", "success", "failed", "canceled", "skipped"]
    has_input: bool = False
    input: Json = None
    reference: Json = None
    has_output: bool = False
    output: Json = None
    error: ErrorInfo | None = None
    attempt: int = 0
    failures: int = 0
    started_at: float = 0.0
    ended_at: float | None = None
    resumes: tuple[Json, ...] = ()
    resumed_at: float | None = None
    patches: tuple[tuple[int, dict[str, Json]], ...] = ()
    called: TargetKind | None = None
    target: str = ""
    options: dict[str, Json] = {}


class Fork(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where a run comes from that did not begin at its beginning.

    Attributes:
        run_id: The parent run, which is left as it is.
        path: The step that is executed first, with `input` if `has_input`.
        taken: What was taken over, in the order in which it is restored.
        has_state: The run's state was given, so what the taken steps set in it does not count.
    """

    run_id: str
    path: str
    taken: tuple[Taken, ...] = ()
    has_input: bool = False
    input: Json = None
    has_state: bool = False


class RunStarted(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="run_started"):
    """Fact: a run was asked for. `input` has the schema's defaults applied."""

    at: float
    run_id: str
    workspace: str
    kind: TargetKind
    target: str
    bundle: str
    input: Json = None
    state: dict[str, Json] = {}
    request_context: dict[str, Json] = {}
    resource_id: str | None = None
    key: str | None = None
    trace_id: str = ""
    parent_span_id: str = ""
    thread_id: str | None = None
    options: dict[str, Json] = {}
    single_step: bool = False
    priority: int = 0
    fork: Fork | None = None


class AttemptEnded(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="ended"):
    """Fact: a worker reported an attempt's outcome. `patch` is what the body set in the state."""

    at: float
    path: str
    attempt: int
    outcome: Outcome
    started_at: float = 0.0
    patch: dict[str, Json] = {}


class AttemptLost(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="lost"):
    """Fact: nobody has the attempt any more: its worker died, or (`is_unseen`) a new runtime found it nowhere."""

    at: float
    path: str
    attempt: int
    is_unseen: bool = False


class TimerFired(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="timer"):
    """Fact: a timer of the run came due. `kind` is one of `retry, sleep, signal, suspend, run, attempt`."""

    at: float
    path: str
    kind: str
    attempt: int = 0


class Resumed(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="resumed"):
    """Fact: somebody resumed a suspended step with data."""

    at: float
    path: str
    data: Json = None
    key: str | None = None
    request_context: dict[str, Json] = {}


class Signaled(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="signaled"):
    """Fact: a signal came in; it is kept until a waiter takes it."""

    at: float
    name: str
    payload: Json = None
    key: str | None = None


class CancelRequested(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="cancel"):
    """Fact: the run, or the child run at `path`, shall end as canceled."""

    at: float
    reason: str = ""
    path: str = ""


class Advanced(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="advanced"):
    """Fact: a run that goes step by step may take its next step."""

    at: float


class Wrote(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="wrote"):
    """Fact: a body wrote a durable chunk to the stream."""

    at: float
    path: str
    data: Json = None


class Called(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="called"):
    """Fact: a body called an agent, a tool or a workflow through the runtime; `name` is the child's path segment."""

    at: float
    path: str
    name: str
    kind: TargetKind
    target: str
    input: Json = None
    options: dict[str, Json] = {}


class Fetched(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="fetched"):
    """Fact: the stored value that a node's input refers to was read, for a node whose input the core must look into.

    The value itself is not repeated here; a replay reads it again by its digest.
    """

    at: float
    path: str
    sha256: str
    problem: str | None = None


class Rewound(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="rewound"):
    """Fact: the run goes back to where the step at `path` began, and executes from there again.

    Outcomes from before the step stay; the later ones stay in the journal only. `state` is set where the state shall
    not be what it was then.
    """

    at: float
    path: str
    has_input: bool = False
    input: Json = None
    has_state: bool = False
    state: dict[str, Json] = {}
    key: str | None = None
    request_context: dict[str, Json] = {}


class Migrated(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="migrated"):
    """Fact: the run goes on with another bundle; every path it has visited is there too."""

    at: float
    bundle: str


class Admitted(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="admitted"):
    """Fact: the limits that an attempt counts against have room for it."""

    at: float
    path: str


class Queued(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="queued"):
    """Decision: the next attempt waits until its limits have room; it has no number until then."""

    at: float
    path: str


class Scheduled(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="scheduled"):
    """Decision: an attempt may be dispatched. `code` names the body, `work` what kind of body it is."""

    at: float
    path: str
    attempt: int


class Entered(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="entered"):
    """Decision: a node without a body (a block, a nested workflow, an agent, a sleep, a signal) begins."""

    at: float
    path: str


class Asked(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="asked"):
    """Decision: a person has to answer: whether a tool call may run, or whether an interrupted attempt took effect."""

    at: float
    path: str
    reason: Literal["approval", "in_doubt"]


class Delayed(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="delayed"):
    """Decision: the next attempt waits until `wake_at`."""

    at: float
    path: str
    wake_at: float


class Completed(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="completed"):
    """Decision: a node has its outcome. The output of a block is made from its members', so it is not repeated here.

    `value` is set where the output comes from elsewhere (a map, a signal's payload, a bail).
    """

    at: float
    path: str
    status: Literal["success", "failed", "canceled", "skipped"]
    error: ErrorInfo | None = None
    has_value: bool = False
    value: Json = None
    bailed: bool = False


class RunEnded(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="run_ended"):
    """Decision: the run has its final status. `value` is set where the output is not the last step's."""

    at: float
    status: Literal["success", "failed", "canceled", "tripwire"]
    error: ErrorInfo | None = None
    reason: str = ""
    has_value: bool = False
    value: Json = None


Fact: TypeAlias = (
    RunStarted
    | AttemptEnded
    | AttemptLost
    | TimerFired
    | Resumed
    | Signaled
    | CancelRequested
    | Advanced
    | Wrote
    | Called
    | Fetched
    | Rewound
    | Migrated
    | Admitted
)
Decision: TypeAlias = Scheduled | Queued | Entered | Asked | Delayed | Completed | RunEnded
Entry: TypeAlias = Fact | Decision
