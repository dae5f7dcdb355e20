"""A run driven without a host: facts in an order of the test's choice, every commit replayed and compared."""

import random
from collections.abc import Callable, Mapping
from typing import Any

from greenroom import App
from greenroom.runtime import json_schema
from greenroom.runtime.contracts.entries import (
    AttemptEnded,
    AttemptLost,
    Called,
    Entry,
    Fact,
    Outcome,
    Resumed,
    RunStarted,
    Signaled,
    Succeeded,
    TimerFired,
)
from greenroom.runtime.contracts.events import Event
from greenroom.runtime.contracts.plan import ForeachNode, Schema
from greenroom.runtime.contracts.values import Json
from greenroom.runtime.contracts.work import Scope, WorkItem
from greenroom.runtime.core.addressing import suspended_steps
from greenroom.runtime.core.advance import advance, replay, start
from greenroom.runtime.core.dispatch import scope_of, work_item
from greenroom.runtime.core.state import NodeState, RunState

START = 1_800_000_000.0

Body = Callable[[WorkItem, Scope], Outcome | tuple[Outcome, dict[str, Json]]]
"""Gives the outcome of an attempt, or the outcome and what it set in the state."""


def check(schema: Schema, value: Json) -> Json:
    """Check as the host does."""
    return json_schema.check(schema, value)


def succeed(item: WorkItem, _: Scope) -> Outcome:
    """Return the input."""
    return Succeeded(output=item.input)


class PureRun:
    """One run in hand.

    Args:
        app: Its definitions; the bodies of it are not called.
        target: The workflow.
        bodies: What attempts give, by the last segment of their path without its index; others give their input.
    """

    def __init__(
        self,
        app: App,
        target: str,
        value: Json = None,
        bodies: Mapping[str, Body] | None = None,
        *,
        state: dict[str, Json] | None = None,
    ) -> None:
        self.bodies = bodies or {}
        self.app = app
        self.now = START
        self.events: list[Event] = []
        self.groups: list[list[Entry]] = []
        self.pending: list[tuple[NodeState, int]] = []
        self.ended: list[str] = []
        started = RunStarted(
            at=self.now,
            run_id="run",
            workspace="default",
            kind="workflow",
            target=target,
            bundle=app.plan.id,
            input=value,
            state=state or {},
        )
        self.run = start(started, app.plan, check)
        self.take(started)

    def take(self, fact: Fact) -> None:
        """Take a fact, and hold the state against that of a replay."""
        run = self.run
        self.groups.append(advance(run, fact, fact.at))
        self.events.extend(run.events)
        self.pending = [one for one in self.pending if one[0].has_attempt and one[0].attempt == one[1]]
        self.pending.extend((node, node.attempt) for node in run.ready if node.has_attempt)
        run.events, run.ready, run.dropped, run.answers, run.charges = [], [], [], [], []
        self._compare()
        _count(run)

    def _compare(self) -> None:
        again = replay(start(self.run.started, self.app.plan, check), self.groups)
        assert again.events == self.events
        assert [event.seq for event in self.events] == list(range(1, len(self.events) + 1))
        assert picture(again) == picture(self.run)

    def end(self, node: NodeState) -> None:
        """Let an attempt end as its body says."""
        name = node.path.rpartition("/")[2].partition("[")[0]
        given = self.bodies.get(name, succeed)(work_item(self.run, node), scope_of(self.run, node))
        outcome, patch = given if isinstance(given, tuple) else (given, {})
        self.ended.append(node.path)
        self.take(AttemptEnded(at=self.now, path=node.path, attempt=node.attempt, outcome=outcome, patch=patch))

    def finish(self, seed: int = 0, *, answer: Json = "yes", losses: int = 0) -> RunState:
        """Bring the run to rest for good, in an order that the seed gives; suspended steps get the answer."""
        chance = random.Random(seed)
        while True:
            moves: list[Callable[[], None]] = [lambda one=one: self.end(one[0]) for one in self.pending]  # type: ignore[misc]
            if losses and self.pending and chance.random() < 0.2:
                losses -= 1
                node = chance.choice(self.pending)[0]
                self.take(AttemptLost(at=self.now, path=node.path, attempt=node.attempt))
                continue
            moves.extend(lambda node=node: self.resume(node.path, answer) for node in suspended_steps(self.run))  # type: ignore[misc]
            moves.extend(lambda name=name: self.signal(name) for name, paths in self.run.waiters.items() if paths)  # type: ignore[misc]
            if self.run.timers and (not moves or chance.random() < 0.3):
                moves.append(self.wait)
            if not moves:
                return self.run
            chance.choice(moves)()

    def resume(self, path: str, data: Json) -> None:
        """Resume a step."""
        self.take(Resumed(at=self.now, path=path, data=data))

    def signal(self, name: str, payload: Json = "signal") -> None:
        """Send a signal."""
        self.take(Signaled(at=self.now, name=name, payload=payload))

    def call(self, path: str, name: str, target: str, value: Json) -> None:
        """Let the body at `path` call a workflow."""
        self.take(Called(at=self.now, path=path, name=name, kind="workflow", target=target, input=value))

    def wait(self) -> None:
        """Let the next timer fire."""
        (path, kind), at = min(self.run.timers.items(), key=lambda item: item[1])
        self.now = max(self.now, at)
        self.take(TimerFired(at=self.now, path=path, kind=kind))


def picture(run: RunState) -> dict[str, Any]:
    """Return all of a run's state that counts, comparable."""
    return {
        "status": run.status,
        "timers": run.timers,
        "signals": run.signals,
        "waiters": {name: paths for name, paths in run.waiters.items() if paths},
        "context": run.request_context,
        "usage": run.usage,
        "error": run.error,
        "groups": run.groups,
        "nodes": {path: _node(node) for path, node in run.nodes.items()},
    }


def _node(node: NodeState) -> tuple[Any, ...]:
    frame = node.frame
    return (
        (node.status, node.attempt, node.failures, node.deaths, node.has_attempt, node.is_restarted),
        (node.input, node.output, node.error, node.started_at, node.ended_at),
        (node.payload, node.label, node.resumes, node.pending, node.wake_at, node.answer, node.is_parked),
        (node.mark, node.busy, node.waiting, node.suspended, node.slots, node.done, node.next_index),
        [queued.path for queued in node.queue],
        list(node.children),
        list(node.calls),
        None if frame is None else (frame.run_id, frame.input, frame.value, frame.state, frame.bail, frame.spent_s),
    )


def _count(run: RunState) -> None:
    """Hold the counts that nodes keep against a walk, and foreachs to their limits."""
    for node in run.nodes.values():
        below = [node, *node.walk()]
        assert node.busy == sum(one.mark == "b" for one in below), node.path
        assert node.waiting == sum(one.mark == "w" for one in below), node.path
        assert node.suspended == sum(one.mark == "s" for one in below), node.path
        if isinstance(node.node, ForeachNode):
            holding = sum(child.busy > 0 or child.waiting > 0 for child in node.children.values())
            assert node.slots == holding <= node.node.concurrency, node.path
