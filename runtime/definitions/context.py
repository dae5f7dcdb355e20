"""The context a body gets: where it stands, what it may ask, how it suspends.

Holds no truth: everything in it came with the dispatch, and everything a body does through it becomes part of the
attempt's outcome or a message to the runtime. Suspending, bailing and aborting leave the body by `BaseException`s, so
that a user's `except Exception` does not swallow them.
"""

import asyncio
import copy
import logging
from collections.abc import Awaitable, Callable, Generator
from typing import Any, Literal, NoReturn, Protocol, overload

from greenroom.runtime.contracts.entries import TargetKind
from greenroom.runtime.contracts.values import Json
from greenroom.runtime.contracts.work import Scope, WorkItem
from greenroom.runtime.definitions.naming import name_of


class SuspendSignal(BaseException):
    """Leaves a body that suspends."""

    def __init__(self, payload: Json, label: str | None, timeout_s: float | None) -> None:
        super().__init__("suspended")
        self.payload = payload
        self.label = label
        self.timeout_s = timeout_s


class BailSignal(BaseException):
    """Leaves a body that ends its workflow with success."""

    def __init__(self, result: Json) -> None:
        super().__init__("bailed")
        self.result = result


class AbortSignal(BaseException):
    """Leaves a body that cancels its run."""


class ParkSignal(BaseException):
    """Leaves a body whose child call is suspended; the body runs again when the child has its outcome."""

    def __init__(self, name: str = "") -> None:
        super().__init__(name)
        self.name = name


class Channel(Protocol):
    """What a context needs of the worker it lives on."""

    def publish(self, type: str, data: Json) -> None:
        """Send an ephemeral chunk to the run's stream, in order."""
        ...

    async def write_durably(self, data: Json) -> None:
        """Send a chunk and return when it is in the journal."""
        ...

    async def call(self, name: str, kind: TargetKind, target: str, input: Json, options: dict[str, Json]) -> Json:
        """Run a child through the runtime and return its output.

        Raises:
            GreenroomError: What the child failed with.
            ParkSignal: The child is suspended.
        """
        ...


class Ready:
    """An awaitable that already has its value."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __await__(self) -> Generator[Any, None, Any]:
        """Give the value at once."""
        yield from ()
        return self.value


class StepContext:
    """What a step knows and may do.

    Attributes:
        run_id: The run.
        workflow_id: The workflow the step stands in.
        workspace_id: The tenant.
        resource_id: Whom the run is for, as given at start.
        path: The step's address in the run.
        attempt: Number of this execution of the step, from 1.
        iteration: 1-based in a loop, 0 elsewhere.
        restarted: True only when an earlier attempt was cut short by a crash.
        idempotency_key: The same over all attempts of this step: hand it to whatever must not happen twice.
        input: The run's input after defaults.
        request_context: What the caller gave at start and resume.
        resume_data: Data of the newest resume, or None.
        suspend_data: Payload of the suspension that was resumed, or None.
        cancelled: Set when the run is canceled; long bodies look at it.
        logger: Carries run id and path.
    """

    def __init__(
        self,
        *,
        scope: Scope,
        item: WorkItem,
        channel: Channel,
        run_input: Any = None,
        load_resume: Callable[[Json], Any] | None = None,
        dump: Callable[[Any], Json] | None = None,
        dump_suspend: Callable[[Any], Json] | None = None,
    ) -> None:
        self.run_id = scope.run_id
        self.workflow_id = scope.workflow_id
        self.workspace_id = scope.workspace
        self.resource_id = scope.resource_id
        self.thread_id = scope.thread_id
        self.path = item.path
        self.attempt = item.attempt
        self.iteration = item.iteration
        self.restarted = item.restarted
        self.idempotency_key = item.key
        self.input = run_input if run_input is not None else copy.deepcopy(scope.input)
        self.request_context: dict[str, Json] = copy.deepcopy(scope.request_context)
        self.suspend_data = item.suspend_data
        self.cancelled = asyncio.Event()
        self.agent_id = item.agent_id
        self.tool_call_id = item.tool_call_id
        self.patch: dict[str, Json] = {}
        self._item = item
        self._scope = scope
        self._channel = channel
        self._state: dict[str, Json] | None = None
        self._suspends = 0
        self._call_counts: dict[str, int] = {}
        self._dump: Callable[[Any], Json] = dump or (lambda value: value)
        self._dump_suspend: Callable[[Any], Json] = dump_suspend or self._dump
        self._load: Callable[[Json], Any] = load_resume or copy.deepcopy

    @property
    def logger(self) -> logging.LoggerAdapter[logging.Logger]:
        """A logger whose records carry the run id and the path."""
        return logging.LoggerAdapter(logging.getLogger("greenroom.step"), {"run_id": self.run_id, "path": self.path})

    @property
    def state(self) -> dict[str, Json]:
        """The workflow's state when this attempt was scheduled, with this body's own changes. A copy."""
        if self._state is None:
            self._state = copy.deepcopy(self._scope.state)
        return copy.deepcopy({**self._state, **self.patch})

    @property
    def resume_data(self) -> Any:
        """Data of the newest resume, or None if the step was not resumed."""
        return self._load(self._item.resumes[-1]) if self._item.resumes else None

    def set_state(self, patch: dict[str, Any]) -> None:
        """Merge `patch` into the state, key by key; others see it when this step's outcome is committed."""
        self.patch.update(self._dump(patch))

    def step_output(self, step: Any) -> Any:
        """Return the output of an earlier step (JSON), by step, id or path; None if it did not succeed.

        Of several with one id the nearest earlier one counts.
        """
        wanted = step if isinstance(step, str) else str(getattr(step, "id", None) or name_of(step))
        outputs = self._scope.outputs
        for path in reversed(outputs):
            name = path.rsplit("/", 1)[-1].split("[", 1)[0]
            if wanted in {path, name, name.split("#", 1)[0]} or path.endswith("/" + wanted):
                return copy.deepcopy(outputs[path])
        return None

    def suspend(self, payload: Any = None, label: str | None = None, timeout_s: float | None = None) -> Ready:
        """Park the run until somebody resumes this step; `await` it.

        The body runs again from its start then, and its k-th suspend returns the data of the k-th resume.

        Args:
            payload: Shown to whoever resumes.
            label: Another name to resume by.
            timeout_s: Fail the step if nobody resumes in time.
        """
        position = self._suspends
        self._suspends += 1
        if position < len(self._item.resumes):
            return Ready(self._load(self._item.resumes[position]))
        raise SuspendSignal(self._dump_suspend(payload), label, timeout_s)

    def bail(self, result: Any = None) -> NoReturn:
        """End the workflow this step stands in, with success and `result`. Does not return."""
        raise BailSignal(self._dump(result))

    def abort(self) -> NoReturn:
        """Cancel the whole run. Does not return."""
        raise AbortSignal

    @overload
    def write(self, chunk: Any, durable: Literal[True]) -> Awaitable[None]: ...

    @overload
    def write(self, chunk: Any, durable: Literal[False] = False) -> Ready: ...  # noqa: FBT002 - as the API has it

    def write(self, chunk: Any, durable: bool = False) -> Awaitable[None]:  # noqa: FBT001, FBT002 - as the API has it
        """Send a chunk to the run's stream; with `durable`, await it: it is then kept and numbered."""
        if durable:
            return self._channel.write_durably(self._dump(chunk))
        self._channel.publish("step_output", self._dump(chunk))
        return Ready(None)

    def emit(self, block: Any) -> None:
        """Send a block of user interface or data to the stream, ephemeral."""
        self._channel.publish("step_output", {"block": self._dump(block)})

    def agent(self, agent_id: str) -> "Callee":
        """Return a handle that calls an agent through the runtime, as a journaled child of this step."""
        return Callee(self, "agent", agent_id)

    def tool(self, tool_id: str) -> "Callee":
        """Return a handle that calls a tool through the runtime, as a journaled child of this step."""
        return Callee(self, "tool", tool_id)

    def workflow(self, workflow_id: str) -> "Callee":
        """Return a handle that runs a workflow through the runtime, as a journaled child of this step."""
        return Callee(self, "workflow", workflow_id)

    async def run_child(self, kind: TargetKind, target: str, value: Any, options: dict[str, Json]) -> Json:
        """Run a child and return its output; a child that ran in an earlier attempt is not run again."""
        count = self._call_counts[target] = self._call_counts.get(target, 0) + 1
        name = target if count == 1 else f"{target}#{count}"
        return await self._channel.call(name, kind, target, self._dump(value), options)


class ToolContext(StepContext):
    """What a tool knows and may do: a step's context with `tool_call_id`, `agent_id` and `thread_id`."""


class Callee:
    """Something a body calls through the runtime. Calls of one body are told apart by their order."""

    __slots__ = ("_context", "_kind", "_target")

    def __init__(self, context: StepContext, kind: TargetKind, target: str) -> None:
        self._context = context
        self._kind: TargetKind = kind
        self._target = target

    async def generate(self, prompt: Any, **options: Any) -> Json:
        """Run the agent and return its text, or its structured output."""
        return await self._context.run_child(self._kind, self._target, prompt, options)

    async def execute(self, value: Any = None) -> Json:
        """Run the tool and return its result."""
        return await self._context.run_child(self._kind, self._target, value, {})

    async def run(self, value: Any = None) -> Json:
        """Run the workflow and return its output."""
        return await self._context.run_child(self._kind, self._target, value, {})
