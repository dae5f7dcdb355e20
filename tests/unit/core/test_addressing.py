"""What a resume means."""

import pytest

from greenroom import AmbiguousResume, App, NotFound, RunNotSuspended, Workflow
from greenroom.runtime.contracts.entries import Outcome, Succeeded, SuspendedHere
from greenroom.runtime.contracts.work import Scope, WorkItem
from greenroom.runtime.core.addressing import find_resumed, find_step, find_suspended, matches
from tests.unit.core.pure_run import PureRun
from tests.unit.core.test_advance import named


@pytest.mark.parametrize(
    ("path", "name", "is_match"),
    [
        ("review", "review", True),
        ("preview", "view", False),
        ("outer/inner/ask", "outer/inner/ask", True),
        ("outer/inner/ask", "outer.inner.ask", True),
        ("outer/inner/ask", "inner.ask", True),
        ("outer/inner/ask", "ask", True),
        ("outer/inner/ask", "inner", False),
        ("review#2", "review", True),
        ("review", "review#2", False),
        ("review#2", "review#2", True),
        ("items[3]/ask", "items[3].ask", True),
        ("items[3]/ask", "items.ask", False),
    ],
)
def test_a_name_fits_a_path_by_its_end(path: str, name: str, is_match: bool) -> None:
    """20. Path, dotted id, suffix, and with the count left out."""
    assert matches(path, name) is is_match


def suspended() -> PureRun:
    def ask(item: WorkItem, _: Scope) -> Outcome:
        return SuspendedHere(payload=None, label=f"l:{item.path}")

    items = Workflow("items").map({}).then(named("list")).foreach(Workflow("each").then(named("ask")))
    flow = Workflow("w").parallel(named("ask"), Workflow("deep").then(Workflow("er").then(named("q"))), items)
    bodies = {"ask": ask, "q": ask, "list": lambda *_: Succeeded(output=[1, 2])}
    pure = PureRun(App(workflows=[flow]), "w", 1, bodies)
    while pure.pending:
        pure.end(pure.pending[0][0])
    return pure


@pytest.mark.parametrize(
    ("step", "index", "label", "found"),
    [
        ("ask", None, None, ["ask"]),
        ("q", None, None, ["deep/er/q"]),
        ("er", None, None, ["deep/er/q"]),
        ("deep", None, None, ["deep/er/q"]),
        ("each", None, None, ["items/each[0]/ask", "items/each[1]/ask"]),
        ("items/each", None, None, ["items/each[0]/ask", "items/each[1]/ask"]),
        ("each", 1, None, ["items/each[1]/ask"]),
        ("each[0]", None, None, ["items/each[0]/ask"]),
        ("each.ask", 0, None, ["items/each[0]/ask"]),
        (None, None, "l:deep/er/q", ["deep/er/q"]),
    ],
)
def test_a_resume_finds_what_it_names(step: str | None, index: int | None, label: str | None, found: list[str]) -> None:
    """20, 21. An exact path first, then ids, then what is around, then a foreach's items."""
    run = suspended().run
    assert sorted(node.path for node in find_suspended(run, step, index=index, label=label)) == found


def test_what_fits_several_is_ambiguous_and_what_fits_none_is_refused() -> None:
    """20. Both errors list what waits."""
    run = suspended().run
    with pytest.raises(AmbiguousResume) as several:
        find_suspended(run, None)
    assert len(several.value.facts["candidates"]) == 4
    with pytest.raises(RunNotSuspended) as none:
        find_suspended(run, "nowhere")
    assert len(none.value.facts["suspended"]) == 4
    with pytest.raises(RunNotSuspended):
        find_suspended(run, "each", index=7)


def test_a_resume_that_came_too_late_is_known() -> None:
    """22. By every name it could have used."""
    pure = suspended()
    assert find_resumed(pure.run, "q") is None
    pure.resume("deep/er/q", 1)
    for name in ("q", "er.q", "deep", "deep/er/q"):
        found = find_resumed(pure.run, name)
        assert found is not None
        assert found.path == "deep/er/q"
    assert find_resumed(pure.run, None, label="l:deep/er/q") is not None
    assert find_resumed(pure.run, "ask") is None


def test_a_step_is_found_by_its_name_or_the_error_lists_the_candidates() -> None:
    """20. Wherever a path is asked for, what is unique will do."""
    run = suspended().run
    assert find_step(run, "er").path == "deep/er"
    with pytest.raises(NotFound) as caught:
        find_step(run, "nowhere")
    assert "deep/er/q" in caught.value.facts["candidates"]
