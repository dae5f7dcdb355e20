"""Who may begin: limits are never passed, nobody waits for nothing, and workspaces get their shares."""

from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greenroom.runtime.contracts.plan import LimitPlan
from greenroom.runtime.core.admission import Admission, Ticket
from greenroom.runtime.core.fair_queue import FairQueue

LIMITS = {
    "two": LimitPlan(concurrency=2),
    "each": LimitPlan(concurrency=1, each="workspace"),
    "slow": LimitPlan(rate=3, per_s=10.0),
    "own": LimitPlan(rate=2, per_s=5.0, each="workspace"),
}

steps = st.lists(
    st.one_of(
        st.tuples(
            st.just("enter"),
            st.sampled_from("abc"),
            st.sets(st.sampled_from(sorted(LIMITS)), min_size=1),
            st.integers(-1, 1),
        ),
        st.tuples(st.just("leave"), st.integers(0, 30)),
        st.tuples(st.just("wait"), st.floats(0.0, 12.0)),
    ),
    max_size=40,
)


def ticket(number: int, workspace: str = "a", needs: Any = ("two",), priority: int = 0) -> Ticket:
    """Return the attempt of a number."""
    return Ticket(f"r{number}", "s", workspace, tuple(sorted(needs)), priority, float(number))


def begin_all(admission: Admission, now: float = 0.0) -> list[str]:
    """Admit what may begin, one after the other, each ending at once; return their runs."""
    found: list[str] = []
    while admitted := admission.admit(now, 1):
        found += [one.run_id for one in admitted]
        admission.leave(admitted[0].place)
    return found


@settings(max_examples=300)
@given(steps)
def test_no_limit_is_ever_passed_and_nobody_waits_for_nothing(script: list[Any]) -> None:
    """At any moment; a rate counts over every window of its length, wherever it begins."""
    admission = Admission(LIMITS)
    now, count = 0.0, 0
    running: dict[str, Ticket] = {}
    waiting: dict[str, Ticket] = {}
    begun: list[tuple[float, Ticket]] = []

    def counts_of(name: str, mine: Ticket) -> list[Ticket]:
        each = LIMITS[name].each == "workspace"
        return [one for one in running.values() if name in one.needs and (not each or one.workspace == mine.workspace)]

    def recent(name: str, mine: Ticket) -> list[float]:
        limit = LIMITS[name]
        each = limit.each == "workspace"
        return [
            at
            for at, one in begun
            if name in one.needs and at + limit.per_s > now and (not each or one.workspace == mine.workspace)
        ]

    for kind, *rest in script:
        if kind == "enter":
            one = ticket(count, *rest)
            count += 1
            waiting[one.run_id] = one
            admission.enter(one)
        elif kind == "leave":
            place = (f"r{rest[0]}", "s")
            admission.leave(place)
            running.pop(place[0], None)
            waiting.pop(place[0], None)
        else:
            now += rest[0]
        for one in admission.admit(now, 100):
            running[one.run_id] = waiting.pop(one.run_id)
            begun.append((now, one))
        for one in [*running.values(), *waiting.values()]:
            for name in one.needs:
                limit = LIMITS[name]
                assert limit.concurrency is None or len(counts_of(name, one)) <= limit.concurrency
                assert limit.rate is None or len(recent(name, one)) <= limit.rate
        for one in waiting.values():
            assert any(
                (LIMITS[name].concurrency is not None and len(counts_of(name, one)) >= (LIMITS[name].concurrency or 0))
                or (LIMITS[name].rate is not None and len(recent(name, one)) >= (LIMITS[name].rate or 0))
                for name in one.needs
            )
        assert len(admission) == len(waiting)


@settings(max_examples=100)
@given(steps)
def test_the_next_time_is_when_a_rate_has_room(script: list[Any]) -> None:
    """Waiting until then, again and again, lets everybody begin whose concurrency has room."""
    admission = Admission({name: limit for name, limit in LIMITS.items() if limit.rate is not None})
    now, count = 0.0, 0
    for kind, *rest in script:
        if kind == "enter":
            admission.enter(ticket(count, *rest))
            count += 1
    found = len(admission.admit(now, 100))
    while (at := admission.next_at(now)) is not None:
        assert at > now
        now = at
        found += len(admission.admit(now, 100))
    assert (found, len(admission)) == (count, 0)


def test_workspaces_take_turns_and_do_not_queue_behind_each_other() -> None:
    """One with a hundred waiting does not delay one that comes with two."""
    admission = Admission({"two": LimitPlan(concurrency=1)})
    for number in range(100):
        admission.enter(ticket(number, "a"))
    admission.enter(ticket(100, "b"))
    admission.enter(ticket(101, "b"))
    assert begin_all(admission)[:5] == ["r0", "r100", "r1", "r101", "r2"]


def test_a_share_is_in_proportion_to_the_weight() -> None:
    """Twice the weight is served twice as often."""
    admission = Admission({"two": LimitPlan(concurrency=1)}, {"b": 2.0})
    for number in range(60):
        admission.enter(ticket(number, "ab"[number % 2]))
    served = Counter("ab"[int(run[1:]) % 2] for run in begin_all(admission)[:30])
    assert served == {"a": 10, "b": 20}


def test_the_higher_priority_goes_first_within_its_workspace_only() -> None:
    """A workspace cannot make its work more urgent than another's."""
    admission = Admission({"two": LimitPlan(concurrency=1)})
    for number, (workspace, priority) in enumerate([("a", 0), ("b", 0), ("a", 9), ("a", 9), ("b", -1)]):
        admission.enter(ticket(number, workspace, priority=priority))
    assert begin_all(admission) == ["r2", "r1", "r3", "r4", "r0"]


def test_who_waits_for_one_limit_holds_up_nobody_who_waits_for_another() -> None:
    """The lines are apart, and one that has room goes on."""
    admission = Admission({"one": LimitPlan(concurrency=1), "other": LimitPlan(concurrency=1)})
    admission.hold(ticket(0, needs=("one",)))
    admission.enter(ticket(1, needs=("one",)))
    admission.enter(ticket(2, needs=("one", "other")))
    admission.enter(ticket(3, needs=("other",)))
    assert [one.run_id for one in admission.admit(0.0, 10)] == ["r3"]
    assert admission.uses() == {"one": (1, 2), "other": (1, 1)}


def test_a_workspace_that_was_away_has_saved_nothing_up() -> None:
    """It comes back beside the others, not before them."""
    queue = FairQueue[str]()
    for number in range(20):
        queue.push(f"a{number}", workspace="a")
    for _ in range(10):
        queue.pop()
    for number in range(5):
        queue.push(f"b{number}", workspace="b")
    assert [queue.pop() for _ in range(6)] == ["b0", "a10", "b1", "a11", "b2", "a12"]


@pytest.mark.parametrize("since", [None, 0.0])
def test_after_a_restart_a_rate_begins_evenly(since: float | None) -> None:
    """How many began before is not known: nothing is let through in a rush."""
    admission = Admission({"slow": LimitPlan(rate=4, per_s=8.0)})
    admission.since = since
    for number in range(6):
        admission.enter(ticket(number, needs=("slow",)))
    begun = [len(admission.admit(float(now), 10)) for now in range(9)]
    assert begun == ([4, 0, 0, 0, 0, 0, 0, 0, 2] if since is None else [0, 0, 1, 0, 1, 0, 1, 0, 1])


def test_tickets_that_leave_take_no_memory() -> None:
    """Starting and canceling over and over behind a full limit leaves nothing behind."""
    admission = Admission({"two": LimitPlan(concurrency=1)})
    admission.hold(ticket(0))
    for number in range(1, 1000):
        admission.enter(ticket(number))
        admission.leave(ticket(number).place)
    assert len(admission) == 0
    assert sum(len(line) for line in admission._lines.values()) < 100


def test_a_limit_that_is_changed_counts_right() -> None:
    """What began under the old limit gives back what it took."""
    limits = {"two": LimitPlan(concurrency=1)}
    admission = Admission(limits)
    admission.enter(ticket(0))
    assert len(admission.admit(0.0, 1)) == 1
    limits["two"] = LimitPlan(concurrency=1, each="workspace")
    admission.enter(ticket(1))
    assert [one.run_id for one in admission.admit(0.0, 2)] == ["r1"]
    assert admission.leave(ticket(0).place)
    assert admission.leave(ticket(1).place)
    assert admission.uses() == {"two": (0, 0)}
