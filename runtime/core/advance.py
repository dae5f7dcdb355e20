"""One move of a run: a fact comes in, decisions follow, and the run is at rest again.

`advance` gives the entries to be journaled in one commit; `replay` rebuilds a run from such commits. Both end with
`settle`, so that status, events and time limits are the same however a run came to its state.
"""

from collections.abc import Iterable, Sequence

from greenroom.runtime.contracts.entries import Entry, RunStarted
from greenroom.runtime.contracts.plan import BundlePlan, WorkflowPlan
from greenroom.runtime.contracts.statuses import RunStatus
from greenroom.runtime.contracts.work import Answer
from greenroom.runtime.core.apply import apply
from greenroom.runtime.core.decide import MAX_DECISIONS, decide
from greenroom.runtime.core.limits import limited
from greenroom.runtime.core.rewind import numbered
from greenroom.runtime.core.root import make_root
from greenroom.runtime.core.state import Check, RunState


def start(started: RunStarted, bundle: BundlePlan, check: Check) -> RunState:
    """Return a run that has not begun: apply its `RunStarted` next, through `advance` or `replay`."""
    root = make_root(started, bundle)
    run = RunState(started=started, bundle=bundle, check=check, root=root, created_at=started.at)
    run.nodes[""] = root
    run.frames.append(root)
    run.request_context = dict(started.request_context)
    run.base_state = started.state
    run.credits = 1
    return run


def advance(run: RunState, fact: Entry, at: float) -> list[Entry]:
    """Apply a fact and everything that follows from it; return all entries, the fact first.

    The entries form one commit. Nothing of them may be performed before they are durable.
    """
    apply(run, fact)
    entries = [fact]
    agenda = run.agenda
    while agenda or run.around:
        if not agenda:
            agenda.append(run.around.pop())
        for decided in decide(run, agenda.popleft(), at):
            decision = limited(run, numbered(run, decided))
            apply(run, decision)
            entries.append(decision)
        if len(entries) > MAX_DECISIONS:
            message = f"run {run.run_id} does not come to rest: {len(entries)} decisions after one fact"
            raise RuntimeError(message)
    settle(run, at)
    return entries


def replay(run: RunState, groups: Iterable[Sequence[Entry]]) -> RunState:
    """Apply the commits of a run again, in order."""
    for group in groups:
        for entry in group:
            apply(run, entry)
        run.agenda.clear()
        run.around.clear()
        settle(run, group[-1].at if group else run.updated_at)
    return run


def settle(run: RunState, at: float) -> None:
    """Bring to rest what follows from the whole of a commit: status, limits on time, calls whose child is parked."""
    run.groups += 1
    if not run.status.is_final:
        _budget(run, at)
        before, now = run.status, _status(run)
        if now is not before:
            run.status = now
            if now in _ANNOUNCED:
                run.emit(f"run_{now}", "", at, {})
    if run.callers:
        _park_callers(run)


_ANNOUNCED = {RunStatus.WAITING, RunStatus.SUSPENDED, RunStatus.PAUSED}


def _status(run: RunState) -> RunStatus:
    root = run.root
    if root.busy:
        return RunStatus.RUNNING
    if root.waiting:
        return RunStatus.WAITING
    if root.suspended:
        return RunStatus.SUSPENDED
    return RunStatus.PAUSED if run.started.single_step else RunStatus.RUNNING


def _budget(run: RunState, at: float) -> None:
    """Count the time each workflow with a limit runs; parked time does not count."""
    for node in run.frames:
        frame = node.frame
        if frame is None or not isinstance(frame.plan, WorkflowPlan) or frame.plan.timeout_s is None or node.is_final:
            continue
        is_active = node.busy > 0 or node.waiting > 0
        if is_active and frame.active_since is None:
            frame.active_since = at
            run.timers[node.path, "run"] = at + frame.plan.timeout_s - frame.spent_s
        elif not is_active and frame.active_since is not None:
            frame.spent_s += at - frame.active_since
            frame.active_since = None
            run.timers.pop((node.path, "run"), None)


def _park_callers(run: RunState) -> None:
    """Tell bodies that wait for a child which cannot go on by itself: they leave, and run again when it can."""
    for path in list(run.callers):
        caller = run.nodes[path]
        if caller.is_final:
            run.callers.discard(path)
            continue
        for name, child in caller.calls.items():
            if child.is_final or child.busy or name in caller.told_parked or not caller.has_attempt:
                continue
            caller.told_parked.add(name)
            run.answers.append((path, caller.attempt, name, Answer(status="parked")))
