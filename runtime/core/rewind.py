"""Going back: a run that executes again from one of its steps, in place, or as a fork of another run.

In place the journal keeps everything, and the state is built anew from the outcomes before the step. Attempts count on
from where they were, so what an earlier attempt reports late stays late; idempotency keys are new, because this is
asked for and no repetition of an interrupted attempt.
"""

from typing import Final

import msgspec

from greenroom.runtime.contracts.entries import Decision, Fork, Rewound, Scheduled, Taken
from greenroom.runtime.contracts.statuses import RunStatus
from greenroom.runtime.contracts.values import Json
from greenroom.runtime.core.agent_state import hash_arguments
from greenroom.runtime.core.ending import cancel_below
from greenroom.runtime.core.nodes import is_internal
from greenroom.runtime.core.restore import restore
from greenroom.runtime.core.root import make_root
from greenroom.runtime.core.state import RunState
from greenroom.runtime.core.taking import taken_over

MAX_KEPT_SHOWN: Final = 100
"""Most paths that an event names of what was taken over."""


def begin_fork(run: RunState, fork: Fork, at: float) -> None:
    """Let a new run begin at a step of its parent run, with the outcomes before it."""
    restore(run, fork.path, fork.taken, at, has_state=fork.has_state)
    if fork.has_input:
        _give(run, fork.path, fork.input)


def rewind(run: RunState, entry: Rewound) -> None:
    """Let a run go back to one of its steps."""
    taken = taken_over(run.nodes[entry.path], with_values=True)
    if not run.status.is_final:
        cancel_below(run, run.root, entry.at)
    _retire(run)
    _begin_again(run, entry)
    run.emit("run_rewound", "", entry.at, {"path": entry.path, **kept(taken)})
    restore(run, entry.path, taken, entry.at, has_state=entry.has_state)
    if entry.has_input:
        _give(run, entry.path, entry.input)


def kept(taken: tuple[Taken, ...]) -> dict[str, Json]:
    """Return what an event tells of what was taken over: the outermost paths, and how many there are."""
    shown: list[str] = []
    inside = "\n"
    for item in taken:
        if item.status == "open" or is_internal(item.path.rpartition("/")[2]) or item.path.startswith(inside):
            continue
        shown.append(item.path)
        inside = f"{item.path}/"
    return {"kept": shown[:MAX_KEPT_SHOWN], "kept_count": len(shown)}


def numbered(run: RunState, decision: Decision) -> Decision:
    """Return a decision with the attempt's number behind those of the same path before the run went back."""
    if isinstance(decision, Scheduled) and (last := run.retired.get(decision.path, 0)) >= decision.attempt:
        return msgspec.structs.replace(decision, attempt=last + 1)
    return decision


def _retire(run: RunState) -> None:
    """Note what of the old nodes counts on."""
    for node in run.nodes.values():
        if node.attempt:
            run.retired[node.path] = max(node.attempt, run.retired.get(node.path, 0))
        run.spent_keys.update(node.resume_keys)
    run.left.extend(node for node in run.frames if node.parent is not None)


def _begin_again(run: RunState, entry: Rewound) -> None:
    """Leave nothing of the run but its root."""
    run.rewinds += 1
    run.base_state = entry.state if entry.has_state else run.base_state
    root = run.root = make_root(run.started, run.bundle)
    assert root.frame is not None  # noqa: S101 - the root always has one
    root.frame.state = dict(run.base_state)
    root.timeline = run.rewinds
    run.nodes = {"": root}
    run.frames = [root]
    agenda, waits = (run.agenda, run.around, run.ready), (run.timers, run.waiters, run.callers)
    for kept_until_now in (*agenda, *waits, run.needs, run.given):
        kept_until_now.clear()
    run.status = RunStatus.PENDING
    run.error = run.finished_at = run.is_timed_out = None
    run.reason = ""
    run.is_cancel_requested = False
    run.request_context.update(entry.request_context)
    if entry.key is not None:
        run.rewind_keys.add(entry.key)


def _give(run: RunState, path: str, value: Json) -> None:
    """Let a step begin with this input."""
    known = run.nodes.get(path)
    if known is not None:  # a child that a body called
        known.input = value
        return
    agent = run.nodes[path.rpartition("/")[0]]
    segment = path.rpartition("/")[2]
    calls = agent.frame.calls if agent.frame is not None else []
    call = next((call for call in calls if call["segment"] == segment), None)
    if call is not None:  # what is approved is what is executed
        call["arguments"], call["args_hash"] = value, hash_arguments(value)
    else:
        run.given[path] = value
