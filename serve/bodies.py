"""Bodies of requests. Unknown fields are ignored: newer clients send more than is understood."""

from typing import Any

from pydantic import AliasChoices, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from greenroom.runtime.contracts.values import Json


class Body(BaseModel):
    """A body with the wire's names."""

    model_config = ConfigDict(alias_generator=to_camel, validate_by_name=True, extra="ignore", frozen=True)


class TracingOptions(Body):
    """The trace a run shall belong to."""

    trace_id: str | None = None
    parent_span_id: str | None = None


class CreateRunBody(Body):
    """Body of `create-run`."""

    resource_id: str | None = None


class StartBody(Body):
    """Body of `start`, `start-async` and `stream`."""

    input_data: Any = None
    initial_state: dict[str, Any] | None = None
    request_context: dict[str, Any] | None = None
    tracing_options: TracingOptions | None = None
    resource_id: str | None = None
    per_step: bool = False
    close_on_suspend: bool = True


class ResumeBody(Body):
    """Body of the resume routes. `step` is an id, a dotted id, a path, or the ids along a path.

    `suspension` is the token of the suspension that is answered; at another one nothing is resumed.
    """

    step: str | list[str] | None = None
    resume_data: Any = None
    label: str | None = None
    for_each_index: int | None = Field(default=None, ge=0)
    request_context: dict[str, Any] | None = None
    suspension: str | None = Field(default=None, min_length=1)
    close_on_suspend: bool = True

    @property
    def path(self) -> str | None:
        """The step as the runtime addresses it."""
        return "/".join(self.step) if isinstance(self.step, list) else self.step


class Thread(Body):
    """A conversation as it is named in a request."""

    id: str
    title: str | None = None
    metadata: dict[str, Any] | None = None


class Memory(Body):
    """The conversation an agent is to go on with."""

    thread: str | Thread | None = None
    resource: str | None = None

    @property
    def thread_id(self) -> str | None:
        """The conversation's id."""
        return self.thread.id if isinstance(self.thread, Thread) else self.thread


class StructuredOutput(Body):
    """The schema an agent's answer shall fit."""

    schema_: dict[str, Any] = Field(alias="schema")


class ExecutionBody(Body):
    """Body of `generate` and `stream`."""

    messages: str | list[Any] | dict[str, Any]
    instructions: str | None = None
    system: Any = None
    context: list[Any] | None = None
    memory: Memory | None = None
    run_id: str | None = Field(default=None, max_length=200)
    request_context: dict[str, Any] | None = None
    max_steps: int | None = Field(default=None, ge=1)
    model: str | None = None
    model_settings: dict[str, Any] | None = None
    tool_choice: Any = None
    structured_output: StructuredOutput | None = None
    output: dict[str, Any] | None = None
    client_tools: dict[str, Any] | None = None
    require_tool_approval: bool = False
    tracing_options: TracingOptions | None = None
    resource_id: str | None = None
    thread_id: str | None = None

    @property
    def output_schema(self) -> dict[str, Json] | None:
        """The schema of the structured output, if one is asked for."""
        return self.structured_output.schema_ if self.structured_output is not None else self.output


class ApprovalBody(Body):
    """Body of the routes that approve or decline a tool call."""

    run_id: str = Field(min_length=1)
    tool_call_id: str = Field(min_length=1)
    args: dict[str, Any] | None = None
    args_hash: str | None = None
    reason: str = ""


class AgentResumeBody(Body):
    """Body of an agent's `resume-stream`."""

    run_id: str = Field(min_length=1)
    tool_call_id: str | None = None
    resume_data: Any = None
    request_context: dict[str, Any] | None = None
    suspension: str | None = Field(default=None, min_length=1)


class ObserveBody(Body):
    """Body of an agent's `observe`."""

    run_id: str = Field(min_length=1)
    offset: int = Field(default=0, ge=0)


class ExecuteBody(Body):
    """Body of a tool's `execute`."""

    data: Any = None
    request_context: dict[str, Any] | None = None
    tracing_options: TracingOptions | None = None


class AgainBody(Body):
    """Body of `fork`, `rerun` and the time-travel routes. `step` is named as in `ResumeBody`.

    What the wire's time travel may bring along, and runs here have in their own history, must be empty.
    """

    step: str | list[str] = Field(min_length=1)
    input_data: Any = None
    state: dict[str, Any] | None = Field(default=None, validation_alias=AliasChoices("state", "initialState"))
    request_context: dict[str, Any] | None = None
    resume_data: Any = None
    context: dict[str, Any] | None = None
    nested_steps_context: dict[str, Any] | None = None
    per_step: bool = False

    @property
    def path(self) -> str:
        """The step as the runtime addresses it."""
        return "/".join(self.step) if isinstance(self.step, list) else self.step

    @property
    def has_input(self) -> bool:
        """True when an input was given; null is one."""
        return "input_data" in self.model_fields_set

    @property
    def refused(self) -> list[str]:
        """Names of what was given and is not taken."""
        names = ("resume_data", "context", "nested_steps_context", "per_step")
        return [to_camel(name) for name in names if getattr(self, name)]


class SignalBody(Body):
    """Body of `signal`."""

    name: str = Field(min_length=1)
    payload: Any = None


class CancelBody(Body):
    """Body of `cancel`."""

    reason: str = ""


class CreditBody(Body):
    """Body of `credits`. `amount_micros` are millionths of the currency unit."""

    amount_micros: int = Field(gt=0, lt=2**53)
    key: str | None = Field(default=None, max_length=256)


class CreateThreadBody(Body):
    """Body that creates a conversation."""

    thread_id: str | None = Field(default=None, max_length=200)
    resource_id: str | None = None
    title: str | None = None
    metadata: dict[str, Any] | None = None


class UpdateThreadBody(Body):
    """Body that changes a conversation."""

    title: str | None = None
    metadata: dict[str, Any] | None = None
