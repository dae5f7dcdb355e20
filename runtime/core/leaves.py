"""Decisions about leaves: attempts that failed or were lost, resumes, sleeps, signals."""

import hashlib
import math

from greenroom.runtime.contracts.entries import Asked, Completed, Decision, Delayed, ErrorInfo, Scheduled
from greenroom.runtime.contracts.plan import SignalNode, SleepNode, StepOptions, WorkflowPlan
from greenroom.runtime.contracts.statuses import StepStatus
from greenroom.runtime.contracts.values import Json
from greenroom.runtime.core.agent_state import DECLINED
from greenroom.runtime.core.moments import parse_time
from greenroom.runtime.core.nodes import work_of
from greenroom.runtime.core.state import NodeState, RunState

MAX_DEATHS = 3
"""Workers that may die under one step before it fails: a poison body must not loop."""

MAX_LOSSES = 20
"""Restarts of the runtime that may lose a step's attempt: it may be dying with them, or never have been dispatched."""


def decide_leaf(run: RunState, node: NodeState, at: float) -> list[Decision]:
    """Return what follows for a node with a body."""
    match node.pending:
        case "failed":
            return _failed(run, node, at)
        case "lost":
            return _lost(run, node, at)
        case "resumed":
            return decide_resumed(node, at)
        case "retry" | "answered":
            return [_again(node, at)]
        case "suspend":
            message = "nobody resumed it within the timeout_s of its suspend"
            return [_timed_out(node, message, at)]
        case _:
            return _reconciled(run, node, at)


def _again(node: NodeState, at: float) -> Scheduled:
    return Scheduled(at=at, path=node.path, attempt=node.attempt + 1)


def _timed_out(node: NodeState, message: str, at: float) -> Completed:
    error = ErrorInfo(type="StepTimeout", message=message, code="step_timeout", path=node.path)
    return Completed(at=at, path=node.path, status="failed", error=error)


def _failed(run: RunState, node: NodeState, at: float) -> list[Decision]:
    error = node.error
    assert error is not None  # noqa: S101 - a failure has one
    work = work_of(node.node)
    options = work[2] if work is not None else StepOptions()
    if error.retryable and node.failures <= _retries(run, node, options):
        return [Delayed(at=at, path=node.path, wake_at=at + backoff_s(run.run_id, node, options))]
    if error.path is None:
        error = ErrorInfo(
            type=error.type,
            message=error.message,
            attributes=error.attributes,
            cause=error.cause,
            code=error.code,
            path=node.path,
            retryable=error.retryable,
        )
    return [Completed(at=at, path=node.path, status="failed", error=error)]


def _retries(run: RunState, node: NodeState, options: StepOptions) -> int:
    if options.retries is not None:
        return options.retries
    plan = run.state_of(node).plan
    return plan.retries if isinstance(plan, WorkflowPlan) else 0


def backoff_s(run_id: str, node: NodeState, options: StepOptions) -> float:
    """Return the wait before the next attempt: exponential, with a jitter that every replay repeats.

    Between half and all of `backoff_s * 2^(failures - 1)`, so that failed steps do not return in step (the "equal
    jitter" of Marc Brooker, "Exponential Backoff And Jitter").
    """
    full = min(options.max_backoff_s, options.backoff_s * 2.0 ** (node.failures - 1))
    seed = hashlib.sha256(f"{run_id}\x00{node.path}\x00{node.failures}".encode()).digest()
    return full * (0.5 + int.from_bytes(seed[:4], "big") / 2**33)


def _lost(run: RunState, node: NodeState, at: float) -> list[Decision]:
    if node.deaths >= MAX_DEATHS or node.losses >= MAX_LOSSES:
        message = f"the worker died {node.deaths + node.losses} times under this step"
        error = ErrorInfo(type="WorkerDied", message=message, code="worker_died", path=node.path)
        return [Completed(at=at, path=node.path, status="failed", error=error)]
    work = work_of(node.node)
    if work is None or work[2].effect != "once":
        return [_again(node, at)]
    if work[2].reconcile:
        path = f"{node.path}?reconcile"
        asked = run.nodes.get(path)
        return [Scheduled(at=at, path=path, attempt=asked.attempt + 1 if asked is not None else 1)]
    return [Asked(at=at, path=node.path, reason="in_doubt")]


def _reconciled(run: RunState, node: NodeState, at: float) -> list[Decision]:
    asked = run.nodes.get(f"{node.path}?reconcile")
    if asked is None or not asked.is_final or node.has_attempt:
        return []
    if asked.status is StepStatus.SUCCESS:
        match asked.output:
            case {"outcome": "done"}:
                return [_done(node, asked.output.get("output"), at)]
            case {"outcome": "not_started"}:
                return [_again(node, at)]
            case _:
                pass
    return [Asked(at=at, path=node.path, reason="in_doubt")]


def _done(node: NodeState, output: object, at: float) -> Completed:
    return Completed(at=at, path=node.path, status="success", has_value=True, value=output)


def decide_resumed(node: NodeState, at: float) -> list[Decision]:
    """Return what follows for a step that a person has answered."""
    if node.in_doubt:
        answer = node.answer
        if isinstance(answer, dict) and answer.get("outcome") == "done":
            return [_done(node, answer.get("output"), at)]
        return [_again(node, at)]
    if node.is_asked and not node.answer.get("approved"):
        message = str(node.answer.get("reason") or DECLINED)
        error = ErrorInfo(type="Declined", message=message, path=node.path)
        return [Completed(at=at, path=node.path, status="skipped", error=error)]
    return [_again(node, at)]


def decide_sleep(run: RunState, node: NodeState, sleep: SleepNode, at: float) -> list[Decision]:
    """Return what follows for a sleep: how long it is was computed, or it is over."""
    if node.pending == "sleep":
        return [Completed(at=at, path=node.path, status="success")]
    if node.pending != "computed":
        return decide_leaf(run, node, at)
    wake_at = _wake_at(node.answer, 0.0 if sleep.is_until else at)
    if wake_at is None:
        message = f"a sleep needs seconds or a time, its function gave {node.answer!r}"
        error = ErrorInfo(type="InvalidInput", message=message, code="invalid_input", path=node.path)
        return [Completed(at=at, path=node.path, status="failed", error=error)]
    waits: list[Decision] = [Delayed(at=at, path=node.path, wake_at=wake_at)]
    if wake_at <= at:
        waits.append(Completed(at=at, path=node.path, status="success"))
    return waits


def _wake_at(answer: Json, since: float) -> float | None:
    try:
        wake_at = parse_time(answer) if isinstance(answer, str) else since + float(answer)
    except (TypeError, ValueError):
        return None
    return wake_at if math.isfinite(wake_at) else None


def decide_signal(node: NodeState, signal: SignalNode, at: float) -> list[Decision]:
    """Return what follows for a wait: the signal came, or its time ran out."""
    if node.pending == "signaled":
        return [_done(node, node.answer[0], at)]
    if node.pending == "signal":
        if signal.has_default:
            return [_done(node, signal.default, at)]
        return [_timed_out(node, f"signal {signal.signal!r} did not come within {signal.timeout_s} s", at)]
    return []
