"""The plan: a workflow's graph and an app's definitions as data, never code.

Where a callable is needed, the plan carries a `CodeKey`; workers find the callable in the bundle's code table under
that key. Nodes are a closed set (`Node`), matched with `match`. `name` is the node's segment in paths and unique in
its sequence (`review`, `review#2`); `id` is what the user called it.
"""

from typing import Any, Final, Literal, TypeAlias

import msgspec

from greenroom.runtime.contracts.schedules import SchedulePlan
from greenroom.runtime.contracts.values import Json

Schema: TypeAlias = dict[str, Any]
"""A JSON Schema (draft 2020-12), as pydantic writes it."""

DEFAULT_CONCURRENCY: Final = 8
DEFAULT_MAX_ITERATIONS: Final = 1000
DEFAULT_MAX_AGENT_STEPS: Final = 8


def empty_object_schema() -> Schema:
    """Return the schema of a callable without arguments."""
    return {"type": "object", "properties": {}}


Effect: TypeAlias = Literal["idempotent", "once"]


class StepOptions(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How a body is run.

    Attributes:
        retries: How many times a failed attempt is repeated; None takes the workflow's.
        backoff_s: Wait before the first repetition; doubles each time, with jitter.
        max_backoff_s: Longest wait between two attempts.
        timeout_s: Executing time of one attempt.
        effect: What to do with an attempt that was interrupted and may have taken effect.
        reconcile: Code that tells whether an interrupted `once` attempt took effect.
        num_cpus: Logical CPUs; with any resource named, the body runs as a Ray task of its own.
        num_gpus: Logical GPUs.
        memory_bytes: Memory to reserve.
        resources: Custom Ray resources.
        labels: Node labels the body needs.
        validate: Whether the worker checks input and output against the schemas.
        takes_context: The body asks for its context; one that does not is sent no state and no earlier outputs.
        stateful: The tool is a class with `setup`/`teardown` and lives in an actor of its own.
        limits: Names of the limits that an attempt counts against.
        priority: Which of the attempts that wait comes first; higher before lower, within a workspace.
        is_threaded: The body is synchronous and takes a thread of its worker.
    """

    retries: int | None = None
    backoff_s: float = 0.5
    max_backoff_s: float = 60.0
    timeout_s: float | None = None
    effect: Effect = "idempotent"
    reconcile: str | None = None
    num_cpus: float | None = None
    num_gpus: float | None = None
    memory_bytes: int | None = None
    resources: dict[str, float] = {}
    labels: dict[str, str] = {}
    validate: bool = True
    stateful: bool = False
    takes_context: bool = True
    limits: tuple[str, ...] = ()
    priority: int = 0
    is_threaded: bool = False

    @property
    def needs_task(self) -> bool:
        """True when the body asks for resources and so runs as a Ray task."""
        return bool(self.num_cpus or self.num_gpus or self.memory_bytes or self.resources or self.labels)


class _Node(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    name: str
    id: str = ""
    description: str = ""


class StepNode(_Node, frozen=True, kw_only=True, omit_defaults=True, tag="step"):
    """A body of the user: a step, or a tool used as a step (`tool` is its id then).

    `checks_*` say that the model has validators of its own, which only a worker can run.
    """

    code: str
    tool: str | None = None
    options: StepOptions = StepOptions()
    input_schema: Schema | None = None
    output_schema: Schema | None = None
    resume_schema: Schema | None = None
    suspend_schema: Schema | None = None
    checks_resume: bool = False


class AgentNode(_Node, frozen=True, kw_only=True, omit_defaults=True, tag="agent"):
    """An agent used as a step: a str or `{"prompt": …}` in, its text or structured output out."""

    agent: str


class WorkflowNode(_Node, frozen=True, kw_only=True, omit_defaults=True, tag="workflow"):
    """A nested workflow: a child run inside this one's journal."""

    workflow: str


class Source(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where one key of a declarative map comes from.

    Attributes:
        kind: `step` (first of `steps` that ran), `input`, `state`, `context` (request context) or `constant`.
        steps: Step ids or paths, for `step`.
        path: Dotted path into the value; `.` is the whole value.
        value: The constant.
    """

    kind: Literal["step", "input", "state", "context", "constant"]
    steps: tuple[str, ...] = ()
    path: str = "."
    value: Json = None


class MapNode(_Node, frozen=True, kw_only=True, omit_defaults=True, tag="map"):
    """Shapes the value that flows: by code, or declaratively."""

    code: str | None = None
    mapping: dict[str, Source] | None = None


class SleepNode(_Node, frozen=True, kw_only=True, omit_defaults=True, tag="sleep"):
    """Waits; its input passes through. One of `seconds`, `until` (ISO time) or `code` is set.

    `is_until` says how the result of `code` is read: as a time, or as seconds.
    """

    seconds: float | None = None
    until: str | None = None
    code: str | None = None
    is_until: bool = False


class SignalNode(_Node, frozen=True, kw_only=True, omit_defaults=True, tag="signal"):
    """Waits for a named signal; its output is the payload."""

    signal: str
    schema: Schema | None = None
    checks_payload: str | None = None
    timeout_s: float | None = None
    has_default: bool = False
    default: Json = None


class ParallelNode(_Node, frozen=True, kw_only=True, omit_defaults=True, tag="parallel"):
    """Runs every member with the same input; output is `{member id: output}` in definition order."""

    members: tuple["Node", ...]
    allow_failure: bool = False


class BranchNode(_Node, frozen=True, kw_only=True, omit_defaults=True, tag="branch"):
    """Runs every member whose condition holds; `conditions[i]` is the code of member i's condition."""

    members: tuple["Node", ...]
    conditions: tuple[str, ...]
    condition_names: tuple[str, ...] = ()


class LoopNode(_Node, frozen=True, kw_only=True, omit_defaults=True, tag="loop"):
    """Repeats its body, at least once; `until` tells do_until from do_while."""

    body: "Node"
    code: str
    until: bool
    max_iterations: int = DEFAULT_MAX_ITERATIONS


class ForeachNode(_Node, frozen=True, kw_only=True, omit_defaults=True, tag="foreach"):
    """Runs its body for each item of a list; output keeps the order."""

    body: "Node"
    concurrency: int = DEFAULT_CONCURRENCY
    allow_failure: bool = False


Node: TypeAlias = (
    StepNode
    | AgentNode
    | WorkflowNode
    | MapNode
    | SleepNode
    | SignalNode
    | ParallelNode
    | BranchNode
    | LoopNode
    | ForeachNode
)


class WorkflowPlan(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One workflow as data.

    Attributes:
        retries: Default for steps that do not say.
        timeout_s: Limit on the time it runs, parked time not counted.
        own_state: True when it declares a state of its own; else a nested one shares its parent's.
        checks_input: Code that validates the input with the model's own validators, on a worker.
        on_finish: Code called once after a success.
        on_error: Code called once after a failure.
        schedules: When it is started by itself.
    """

    id: str
    nodes: tuple[Node, ...]
    description: str = ""
    input_schema: Schema | None = None
    output_schema: Schema | None = None
    state_schema: Schema | None = None
    own_state: bool = False
    retries: int = 0
    timeout_s: float | None = None
    validate: bool = True
    checks_input: str | None = None
    on_finish: str | None = None
    on_error: str | None = None
    schedules: tuple[SchedulePlan, ...] = ()


class ToolPlan(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One tool as data. `approval` is code that decides whether a call must be approved (an error means: ask)."""

    id: str
    code: str
    description: str = ""
    input_schema: Schema = msgspec.field(default_factory=empty_object_schema)
    output_schema: Schema | None = None
    options: StepOptions = StepOptions()
    requires_approval: bool = False
    approval: str | None = None


class ToolRef(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an agent may call: a tool, an agent (a delegate) or a workflow, under the name the model sees."""

    name: str
    kind: Literal["tool", "agent", "workflow"]
    target: str
    description: str = ""
    input_schema: Schema = msgspec.field(default_factory=empty_object_schema)


class AgentPlan(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One agent as data.

    Attributes:
        instructions: The system prompt, unless `instructions_code` computes it.
        models: `provider/model` names; the first is tried first, the others are fallbacks.
        output_schema: Schema of the structured output.
        output_retries: How often an invalid structured output is given back to the model.
        max_steps: Most model turns of one run.
        settings: Sampling parameters handed to the provider as they are.
        memory: `{"last_messages": n, …}` or None.
    """

    id: str
    models: tuple[str, ...]
    instructions: str = ""
    instructions_code: str | None = None
    description: str = ""
    tools: tuple[ToolRef, ...] = ()
    output_schema: Schema | None = None
    output_code: str | None = None
    output_retries: int = 1
    max_steps: int = DEFAULT_MAX_AGENT_STEPS
    settings: dict[str, Json] = {}
    memory: Json = None
    input_guards: tuple[str, ...] = ()
    output_guards: tuple[str, ...] = ()
    options: StepOptions = StepOptions()


class LimitPlan(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How much may happen at once, or in a time, of whatever names the limit.

    Attributes:
        concurrency: Most attempts at once, over the whole cluster.
        rate: Most attempts that begin within any `per_s` seconds.
        each: Whether all workspaces share it, or each has one of its own.
    """

    concurrency: int | None = None
    rate: int | None = None
    per_s: float = 1.0
    each: Literal["all", "workspace"] = "all"


class BundlePlan(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One version of an app's definitions; `id` is the hash of everything else in it."""

    id: str
    workflows: dict[str, WorkflowPlan] = {}
    agents: dict[str, AgentPlan] = {}
    tools: dict[str, ToolPlan] = {}
    limits: dict[str, LimitPlan] = {}


class BundleSource(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How workers get a bundle's code.

    Attributes:
        target: `module:attribute` to import, for applications.
        search_path: Folders to put on `sys.path` before importing.
        pickled: The app by value (cloudpickle), for notebooks. Never written to the store.
    """

    target: str | None = None
    search_path: tuple[str, ...] = ()
    pickled: bytes | None = None
