"""What a caller gets back: runs, steps, agent replies, events and pages, as frozen values.

They are read from the runtime's JSON; unknown fields are ignored, so that an older client reads a newer runtime.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

from greenroom.runtime.client.html import run_html
from greenroom.runtime.contracts.statuses import RunStatus, StepStatus
from greenroom.runtime.contracts.values import Json

T = TypeVar("T")


def moment(seconds: float | None) -> datetime | None:
    """Return epoch seconds as an aware UTC time."""
    return datetime.fromtimestamp(seconds, UTC) if seconds else None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunError:
    """Why a run or a step failed: the user's error as data.

    Attributes:
        type: Name of the exception's type.
        attributes: Its attributes that are JSON.
        cause: What it was raised from.
        code: Set for the library's own errors.
        path: The step that raised it.
    """

    type: str
    message: str
    attributes: dict[str, Json] = field(default_factory=dict)
    cause: "RunError | None" = None
    code: str | None = None
    path: str | None = None

    @classmethod
    def from_json(cls, data: dict[str, Json] | None) -> "RunError | None":
        """Read what the runtime wrote."""
        if not data:
            return None
        return cls(
            type=data.get("type") or "Error",
            message=data.get("message") or "",
            attributes=data.get("attributes") or {},
            cause=cls.from_json(data.get("cause")),
            code=data.get("code"),
            path=data.get("path"),
        )

    def __str__(self) -> str:
        """Type, message and place on one line."""
        place = f" (at {self.path})" if self.path else ""
        return f"{self.type}: {self.message}{place}"


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageTotal:
    """Tokens and cost. `cost_micros` are millionths of the currency unit."""

    input_tokens: int = 0
    output_tokens: int = 0
    total_tokens: int = 0
    reasoning_tokens: int = 0
    cached_tokens: int = 0
    cost_micros: int = 0

    @classmethod
    def from_json(cls, data: dict[str, int] | None) -> "UsageTotal":
        """Read what the runtime wrote."""
        known = {name: value for name, value in (data or {}).items() if name in cls.__dataclass_fields__}
        return cls(**known)


@dataclass(frozen=True, slots=True, kw_only=True)
class StepResult:
    """One step of a run. Times are aware UTC."""

    status: StepStatus
    kind: str = "step"
    input: Json = None
    output: Json = None
    error: RunError | None = None
    attempts: int = 1
    started_at: datetime | None = None
    ended_at: datetime | None = None
    suspend_payload: Json = None
    resume_data: Json = None
    run_id: str | None = None

    @classmethod
    def from_json(cls, data: dict[str, Json]) -> "StepResult":
        """Read what the runtime wrote."""
        return cls(
            status=StepStatus(data["status"]),
            kind=data.get("kind") or "step",
            input=data.get("input"),
            output=data.get("output"),
            error=RunError.from_json(data.get("error")),
            attempts=data.get("attempts") or 1,
            started_at=moment(data.get("started_at")),
            ended_at=moment(data.get("ended_at")),
            suspend_payload=data.get("suspend_payload"),
            resume_data=data.get("resume_data"),
            run_id=data.get("run_id"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """A run as it stands.

    Attributes:
        output: The model where the handle knows the type, else JSON; None unless it succeeded.
        steps: By path.
        suspended: Paths of the steps that wait for a resume.
        suspend_payload: What each of them shows, by path.
        suspensions: The token of the suspension that each of them is at, by path: what `resume(suspension=…)` takes.
        labels: Labels of the steps that wait, to their paths.
        view: Everything the runtime said, as JSON.
    """

    run_id: str
    status: RunStatus
    kind: str = "workflow"
    target: str = ""
    input: Json = None
    output: Any = None
    error: RunError | None = None
    reason: str = ""
    steps: dict[str, StepResult] = field(default_factory=dict)
    suspended: list[str] = field(default_factory=list)
    suspend_payload: dict[str, Json] = field(default_factory=dict)
    suspensions: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    state: dict[str, Json] = field(default_factory=dict)
    usage: UsageTotal = field(default_factory=UsageTotal)
    trace_id: str = ""
    created_at: datetime | None = None
    finished_at: datetime | None = None
    view: dict[str, Json] = field(default_factory=dict, repr=False)

    @classmethod
    def from_json(cls, view: dict[str, Json], output: Any = None) -> "RunResult":
        """Read what the runtime wrote; `output` replaces the JSON output when it is not None."""
        return cls(
            run_id=view["run_id"],
            status=RunStatus(view["status"]),
            kind=view.get("kind") or "workflow",
            target=view.get("target") or "",
            input=view.get("input"),
            output=output if output is not None else view.get("output"),
            error=RunError.from_json(view.get("error")),
            reason=view.get("reason") or "",
            steps={path: StepResult.from_json(step) for path, step in (view.get("steps") or {}).items()},
            suspended=list(view.get("suspended") or ()),
            suspend_payload=dict(view.get("suspend_payload") or {}),
            suspensions=dict(view.get("suspensions") or {}),
            labels=dict(view.get("labels") or {}),
            state=dict(view.get("state") or {}),
            usage=UsageTotal.from_json(view.get("usage")),
            trace_id=view.get("trace_id") or "",
            created_at=moment(view.get("created_at")),
            finished_at=moment(view.get("finished_at")),
            view=view,
        )

    def _repr_html_(self) -> str:
        return run_html(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentResult:
    """What an agent answered.

    Attributes:
        output: The structured output, as the model that was asked for; None without one.
        finish_reason: `stop, tool_calls, length, max_steps, suspended, tripwire, error, canceled`.
        run: The whole run.
    """

    text: str
    output: Any
    tool_calls: list[dict[str, Json]]
    steps: list[dict[str, Json]]
    usage: UsageTotal
    finish_reason: str
    run_id: str
    trace_id: str
    run: RunResult = field(repr=False)

    def _repr_html_(self) -> str:
        return run_html(self.run)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEvent:
    """One event of a run; `seq` is 0 for an ephemeral one, which is shown once and not kept."""

    seq: int
    type: str
    path: str
    at: datetime | None
    data: Json


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentChunk:
    """One piece of an agent's stream.

    `type` is `text_delta`, `tool_call`, `tool_result`, `approval`, `step_finish` or `finish`, among others.
    """

    type: str
    text: str = ""
    path: str = ""
    data: Json = None


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page of a list; iterate it, or ask for the next with `next_cursor`."""

    items: list[T]
    next_cursor: str | None = None

    def __iter__(self) -> Iterator[T]:
        """Iterate over the items."""
        return iter(self.items)

    def __len__(self) -> int:
        """How many items this page has."""
        return len(self.items)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSummary:
    """One run in a list."""

    run_id: str
    kind: str
    target: str
    status: RunStatus
    created_at: datetime | None
    updated_at: datetime | None
    finished_at: datetime | None
    resource_id: str | None
    parent_id: str | None
    trace_id: str
    error: RunError | None
    cost_micros: int
    forked_from: str | None = None

    @classmethod
    def from_json(cls, data: dict[str, Json]) -> "RunSummary":
        """Read what the runtime wrote."""
        return cls(
            run_id=data["run_id"],
            kind=data["kind"],
            target=data["target"],
            status=RunStatus(data["status"]),
            created_at=moment(data.get("created_at")),
            updated_at=moment(data.get("updated_at")),
            finished_at=moment(data.get("finished_at")),
            resource_id=data.get("resource_id"),
            parent_id=data.get("parent_id"),
            trace_id=data.get("trace_id") or "",
            error=RunError.from_json(data.get("error")),
            cost_micros=data.get("cost_micros") or 0,
            forked_from=data.get("forked_from"),
        )
