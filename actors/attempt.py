"""One execution of one body: from its dispatch to its outcome.

Knows how a body is called and how each kind's result is read; nothing of reports, batches or Ray. Whatever a body does,
`perform` returns an outcome: nothing a body raises gets past it, except the cancellation of the attempt itself.
"""

import asyncio
import contextvars
import functools
import inspect
import logging
from collections.abc import Callable, Mapping
from concurrent.futures import Executor as ThreadExecutor
from dataclasses import dataclass, field
from typing import Any, Protocol

import msgspec

from greenroom.actors.failures import describe_error
from greenroom.actors.results import read_result
from greenroom.actors.values import Binaries, Values, holds_reference
from greenroom.runtime.contracts.entries import (
    Aborted,
    Bailed,
    ErrorInfo,
    Failed,
    Outcome,
    Parked,
    Succeeded,
    SuspendedHere,
)
from greenroom.runtime.contracts.values import Json
from greenroom.runtime.contracts.work import Scope, WorkItem
from greenroom.runtime.definitions.body import Body
from greenroom.runtime.definitions.context import (
    AbortSignal,
    BailSignal,
    Channel,
    ParkSignal,
    StepContext,
    SuspendSignal,
    ToolContext,
)
from greenroom.runtime.definitions.invoke import (
    bind,
    check_resume,
    dump_suspend,
    load_resume,
    load_run_input,
    return_value,
)
from greenroom.runtime.definitions.values import dump

_log = logging.getLogger("greenroom.step")
_encoder = msgspec.msgpack.Encoder()
_patch_decoder = msgspec.msgpack.Decoder(dict[str, Any])
_SIGNALS = (SuspendSignal, BailSignal, AbortSignal, ParkSignal)


class Turns(Protocol):
    """What executes model turns."""

    async def run_turn(self, item: WorkItem, scope: Scope, channel: Channel) -> Outcome:
        """Run one turn of an agent. Faults of the model's endpoint are in the outcome, not raised."""
        ...


class Instances(Protocol):
    """Where the instances of stateful tools live."""

    @property
    def thread(self) -> ThreadExecutor:
        """Where tools with a plain `__call__` are called."""
        ...

    async def function_of(self, body: Body) -> Callable[..., Any]:
        """Return the instance's `__call__`; the first time the instance is made and its `setup` awaited."""
        ...


@dataclass(slots=True, kw_only=True)
class Room:
    """What bodies of one worker share.

    Attributes:
        code: The bundle's bodies.
        threads: Where synchronous bodies run.
        turns: Executes model turns; None on a worker that has no model clients.
        instances: Stateful tools; None on a worker that hosts none.
    """

    code: Mapping[str, Body]
    values: Values
    threads: ThreadExecutor
    turns: Turns | None = None
    instances: Instances | None = None


@dataclass(slots=True, kw_only=True)
class Attempt:
    """One attempt in hand.

    Attributes:
        binaries: What the attempt has of bytes, tables and images; its channel stores them before it refers to them.
        began: Called when the body itself begins to execute, on any thread.
        context: The body's context once it is made.
    """

    item: WorkItem
    scope: Scope
    channel: Channel
    binaries: Binaries
    began: Callable[[], None] | None = None
    context: StepContext | None = None
    body: Body | None = None
    patch: dict[str, Json] = field(default_factory=dict)


async def perform(attempt: Attempt, room: Room) -> Outcome:
    """Execute the attempt and return its outcome; what the body set in the state is in `attempt.patch` then."""
    try:
        return await _perform(attempt, room)
    except GeneratorExit:
        raise
    except BaseException as error:
        if isinstance(error, asyncio.CancelledError) and _is_cancelled_from_outside():
            raise
        try:
            return await _outcome_of(error, attempt, room)
        except Exception as second:  # noqa: BLE001 - a payload that cannot be stored fails the attempt, not the worker
            return _failure(second, attempt)


async def _perform(attempt: Attempt, room: Room) -> Outcome:
    item = attempt.item
    if item.kind == "turn":
        if attempt.began is not None:
            attempt.began()
        if room.turns is None:
            raise LookupError("This worker runs no model turns; dispatch them to the pool of agents.")
        outcome = await room.turns.run_turn(item, attempt.scope, attempt.channel)
        if isinstance(outcome, Succeeded):
            return Succeeded(output=await room.values.pack(outcome.output), usage=outcome.usage)
        return outcome
    body = attempt.body = room.code.get(item.code)
    if body is None:
        message = f"The bundle {item.bundle} has no code {item.code!r}: the worker's code is not the plan's."
        return Failed(
            error=ErrorInfo(type="DefinitionError", message=message, code="definition_error", retryable=False)
        )
    result = await _call(attempt, body, room)
    _keep_patch(attempt)
    return Succeeded(output=await read_result(item.kind, body, result, attempt.binaries, room.values))


async def _call(attempt: Attempt, body: Body, room: Room) -> Any:
    item = attempt.item
    value = item.input
    if item.kind == "reconcile" and value is None:
        value = item.key
    if holds_reference(value):
        value = await room.values.resolve(value)
    if item.kind == "check" and body.function is not return_value:
        return check_resume(body, value)
    if body.takes_context:
        attempt.context = await _make_context(attempt, body, room.values)
    arguments, keywords = bind(body, value, attempt.context)
    function, threads = body.function, room.threads
    if body.is_stateful:
        if room.instances is None:
            raise LookupError(f"The stateful tool {item.code!r} was dispatched to a worker that hosts no tools.")
        function, threads = await room.instances.function_of(body), room.instances.thread
    if body.is_async:
        if attempt.began is not None:
            attempt.began()
        return await function(*arguments, **keywords)
    result = await in_thread(threads, function, arguments, keywords, attempt.began)
    # A plain function that hands back what an awaited call through its context would give.
    return await result if inspect.isawaitable(result) else result


async def _make_context(attempt: Attempt, body: Body, values: Values) -> StepContext:
    item, scope, binaries = attempt.item, attempt.scope, attempt.binaries
    if item.resumes and holds_reference(list(item.resumes)):
        item = msgspec.structs.replace(item, resumes=tuple(await values.resolve(list(item.resumes))))
    if holds_reference(scope.input):
        scope = msgspec.structs.replace(scope, input=await values.resolve(scope.input))
    kind = ToolContext if body.expands or item.kind in ("tool", "approval") else StepContext
    return kind(
        scope=scope,
        item=item,
        channel=attempt.channel,
        run_input=None if body.run_input_type is None else load_run_input(body, scope.input),
        load_resume=functools.partial(load_resume, body),
        dump=lambda value: dump(value, binaries),
        dump_suspend=lambda payload: dump_suspend(body, payload, binaries),
    )


async def in_thread(
    threads: ThreadExecutor,
    function: Callable[..., Any],
    arguments: tuple[Any, ...] = (),
    keywords: Mapping[str, Any] | None = None,
    began: Callable[[], None] | None = None,
) -> Any:
    """Run a synchronous function in a thread, with the context variables of the caller, and return its result.

    Raises:
        BaseException: What it raised, of any kind.
    """

    def run() -> tuple[bool, Any]:
        if began is not None:
            began()
        # Carried as a value: a future refuses StopIteration, and the attempt would wait for ever.
        try:
            return True, function(*arguments, **(keywords or {}))
        except BaseException as error:  # noqa: BLE001 - raised again on the loop's side
            return False, error

    context = contextvars.copy_context()
    has_returned, result = await asyncio.get_running_loop().run_in_executor(threads, context.run, run)
    if has_returned:
        return result
    if isinstance(result, StopIteration):
        raise RuntimeError("The body raised StopIteration.") from result  # noqa: TRY004 - as async bodies do
    raise result


def _is_cancelled_from_outside() -> bool:
    """Return whether the worker cancels this attempt, as opposed to a body whose own inner task was cancelled."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def _outcome_of(error: BaseException, attempt: Attempt, room: Room) -> Outcome:
    if attempt.item.kind == "approval" and not isinstance(error, asyncio.CancelledError):
        # Fails closed: a rule that cannot decide means that a person is asked.
        _log_failure(error, attempt)
        return Succeeded(output=True)
    await room.values.store(attempt.binaries)
    match _find_signal(error):
        case SuspendSignal() as signal:
            _keep_patch(attempt)
            return SuspendedHere(
                payload=await room.values.pack(signal.payload),
                label=None if signal.label is None else str(signal.label),
                timeout_s=None if signal.timeout_s is None else float(signal.timeout_s),
            )
        case BailSignal() as signal:
            _keep_patch(attempt)
            return Bailed(result=await room.values.pack(signal.result))
        case AbortSignal():
            return Aborted()
        case ParkSignal() as signal:
            return Parked(on=signal.name)
        case _:
            return _failure(error, attempt)


def _keep_patch(attempt: Attempt) -> None:
    context = attempt.context
    if context is not None and context.patch:
        attempt.patch = _patch_decoder.decode(_encoder.encode(context.patch))


def _find_signal(error: BaseException) -> BaseException:
    """Return the signal that left the body, also out of a task group, which wraps it."""
    while isinstance(error, BaseExceptionGroup):
        inner = error.subgroup(_SIGNALS)
        if inner is None:
            return error
        error = inner.exceptions[0]
    return error


def _failure(error: BaseException, attempt: Attempt) -> Failed:
    _log_failure(error, attempt)
    return Failed(error=describe_error(error, attempt.body))


def _log_failure(error: BaseException, attempt: Attempt) -> None:
    _log.warning(
        "attempt %d of %s in run %s raised %s",
        attempt.item.attempt,
        attempt.item.path,
        attempt.scope.run_id,
        type(error).__name__,
        exc_info=error,
        extra={"run_id": attempt.scope.run_id, "path": attempt.item.path},
    )
