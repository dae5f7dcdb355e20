"""What the runtime and its workers say to each other.

One duplex channel per worker: the runtime calls `exchange(Exchange)` and the worker answers with `Reports` as soon as
it has any. Both directions travel as msgpack bytes, many items at once. Reports are kept by the worker until the
runtime acknowledges them, so a runtime that restarts gets them again. `epoch` fences: a worker refuses an exchange of
an older epoch than it has seen.
"""

from typing import Literal, TypeAlias

import msgspec

from greenroom.runtime.contracts.entries import Outcome, TargetKind
from greenroom.runtime.contracts.plan import StepOptions
from greenroom.runtime.contracts.values import Json

WorkKind: TypeAlias = Literal[
    "step", "tool", "condition", "map", "duration", "callback", "reconcile", "approval", "turn", "check"
]
"""What a body is: it decides its context and how its result is read.

`condition` gives a bool, `duration` seconds or an ISO time, `approval` a bool, `check` validates a value and returns it
with defaults, `turn` is one model turn of an agent.
"""


class Scope(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What all bodies of one workflow (or agent) of one run share at a moment.

    Attributes:
        workflow_id: The workflow, or the agent or tool that runs by itself.
        outputs: Outputs of the finished steps that a body here may ask for, by path.
    """

    run_id: str
    workspace: str
    workflow_id: str = ""
    resource_id: str | None = None
    thread_id: str | None = None
    trace_id: str = ""
    input: Json = None
    state: dict[str, Json] = {}
    request_context: dict[str, Json] = {}
    outputs: dict[str, Json] = {}


class WorkItem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One attempt to execute.

    Attributes:
        scope: Index into the batch's scopes.
        code: Key of the callable in the bundle's code table (the agent's id for a turn).
        resumes: Data of the resumes so far: the k-th suspend of the body returns the k-th.
        calls: Results of child calls that the body made before, by child name (see `Answer`).
        iteration: 1-based in a loop, else 0.
        span_id: Parent span for what the body does, 16 hex digits.
    """

    path: str
    attempt: int
    bundle: str
    kind: WorkKind
    code: str
    key: str
    scope: int = 0
    input: Json = None
    resumes: tuple[Json, ...] = ()
    suspend_data: Json = None
    calls: dict[str, "Answer"] = {}
    iteration: int = 0
    restarted: bool = False
    agent_id: str | None = None
    tool_call_id: str | None = None
    span_id: str = ""
    options: StepOptions = StepOptions()


class Answer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The runtime's answer to a body's call: an output, an error, or `parked` (the child is suspended)."""

    status: Literal["ok", "error", "parked"]
    output: Json = None
    error: Json = None


class CallAnswer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`Answer` with the address of the body that waits for it; `name` is the child's path segment."""

    run_id: str
    path: str
    attempt: int
    name: str
    answer: Answer


class AttemptId(msgspec.Struct, frozen=True, kw_only=True):
    """Address of one attempt."""

    run_id: str
    path: str
    attempt: int


class Exchange(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Runtime to worker.

    Attributes:
        acked: Number of the newest report the runtime has made durable; the worker forgets up to it.
        cancels: Attempts to stop.
    """

    epoch: int
    acked: int = 0
    scopes: tuple[Scope, ...] = ()
    items: tuple[WorkItem, ...] = ()
    cancels: tuple[AttemptId, ...] = ()
    answers: tuple[CallAnswer, ...] = ()


class Finished(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="finished"):
    """Report: an attempt has its outcome. Durable: kept until acknowledged."""

    run_id: str
    path: str
    attempt: int
    outcome: Outcome
    started_at: float = 0.0
    ended_at: float = 0.0
    patch: dict[str, Json] = {}


class Began(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="began"):
    """Report: the body of an attempt with a `timeout_s` has begun (it may have waited for a thread)."""

    run_id: str
    path: str
    attempt: int


class Chunk(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="chunk"):
    """Report: something for the stream. Ephemeral unless `durable`.

    `event` is an event type: `step_output`, or `agent_<chunk>` for chunks of a model turn.
    """

    run_id: str
    path: str
    event: str
    data: Json = None
    durable: bool = False
    attempt: int = 0
    name: str = ""


class Call(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="call"):
    """Report: a body calls an agent, tool or workflow through the runtime and waits for a `CallAnswer`."""

    run_id: str
    path: str
    attempt: int
    name: str
    kind: TargetKind
    target: str
    input: Json = None
    options: dict[str, Json] = {}


class Lost(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="lost"):
    """Report: the process that executed an attempt died before it had an outcome. Durable: kept until acknowledged."""

    run_id: str
    path: str
    attempt: int


Report: TypeAlias = Finished | Began | Chunk | Call | Lost


class Reports(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Worker to runtime. `number` is that of the last of `reports`; they are numbered from 1 without gaps."""

    number: int
    reports: tuple[Report, ...] = ()
    is_stale: bool = False


class Attached(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a worker tells a runtime that (re)attaches: what it has loaded, runs now, and has not had acknowledged."""

    bundles: tuple[str, ...] = ()
    running: tuple[AttemptId, ...] = ()
    number: int = 0
    reports: tuple[Report, ...] = ()
