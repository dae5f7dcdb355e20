"""Apps: what they collect, and every way in which definitions can be wrong."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pytest
from pydantic import BaseModel

from greenroom import (
    Agent,
    App,
    DefinitionError,
    DuplicateName,
    InvalidGraph,
    UnknownStep,
    Workflow,
    from_step,
    step,
    tool,
)


class Draft(BaseModel):
    text: str = ""


@step
def a(value: Any) -> Any:
    return value


@step
def b(value: Any) -> Any:
    return value


def holds(_value: Any) -> bool:
    return True


@step
def to_draft(_value: Any) -> Draft:
    return Draft()


@step
def to_list(_value: Any) -> list[str]:
    return []


@step
def to_maybe(_value: Any) -> list[str] | None:
    return None


@tool
def search(query: str) -> str:
    return query


def recursive() -> Workflow:
    outer = Workflow("outer")
    inner = Workflow("inner").then(a).then(outer)
    return outer.then(inner)


def test_what_definitions_use_is_part_of_the_app() -> None:
    """Nobody has to list a thing twice."""
    helper = Agent(id="helper", model="openai/x", tools=[search])
    chief = Agent(id="chief", model="openai/x", tools=[helper, Workflow("report").then(a)])
    app = App(workflows=[Workflow("w").parallel(a, chief)])
    assert (set(app.agents), set(app.workflows), set(app.tools)) == ({"chief", "helper"}, {"w", "report"}, {"search"})


def test_the_same_object_may_be_listed_any_number_of_times() -> None:
    """Listing what is reached anyway changes nothing."""

    def plain(x: int) -> int:
        return x

    first = Agent(id="one", model="openai/x", tools=[search, plain])
    second = Agent(id="two", model="openai/x", tools=[plain, search, first])
    app = App(agents=[first, second, first], tools=[search, search, plain])
    assert list(app.tools) == ["search", "plain"]


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (lambda: App(workflows=[Workflow("x").then(a), Workflow("x").then(a)]), "workflow"),
        (lambda: App(agents=[Agent(id="x", model="openai/x"), Agent(id="x", model="openai/x")]), "agent"),
        (lambda: App(tools=[tool(id="x")(holds), tool(id="x")(holds)]), "tool"),
        (lambda: App(workflows=[Workflow("w").then(Workflow("x").then(a)), Workflow("x").then(b)]), "workflow"),
    ],
)
def test_two_different_definitions_of_one_id_are_refused(make: Callable[[], App], kind: str) -> None:
    """The error names the kind and the id."""
    with pytest.raises(DuplicateName, match=f"{kind}.*'x'") as caught:
        make()
    assert caught.value.facts == {"kind": kind, "id": "x"}


def test_an_agent_and_a_workflow_may_share_an_id() -> None:
    """Names are unique per kind."""
    app = App(agents=[Agent(id="x", model="openai/x")], workflows=[Workflow("x").then(a)], tools=[tool(id="x")(holds)])
    assert len(app.plan.agents) == len(app.plan.workflows) == len(app.plan.tools) == 1


@dataclass(frozen=True)
class Wrong:
    build: Callable[[Any], object]  # Any: much of this is what a type checker would refuse too
    error: type[DefinitionError]
    message: str


WRONG = {
    "empty": Wrong(lambda w: w, InvalidGraph, r"workflow 'w' is empty"),
    "not a member": Wrong(lambda w: w.then(3), InvalidGraph, r"workflow 'w', node 1 \(then\): 3 is not a step"),
    "a class": Wrong(lambda w: w.then(Draft), InvalidGraph, r"node 1 \(then\)"),
    "empty parallel": Wrong(lambda w: w.then(a).parallel(), InvalidGraph, r"node 2 \(parallel\): it has no members"),
    "empty branch": Wrong(lambda w: w.branch(), InvalidGraph, r"node 1 \(branch\): it has no members"),
    "twice in parallel": Wrong(
        lambda w: w.parallel(a, b, a), DuplicateName, r"workflow 'w', node 1 \(parallel\): two members have the id 'a'"
    ),
    "twice in branch": Wrong(
        lambda w: w.then(a).branch((holds, a), (holds, a)), DuplicateName, r"node 2 \(branch\): two members.*'a'"
    ),
    "no condition": Wrong(lambda w: w.branch((holds, a), b), InvalidGraph, r"node 1 \(branch\): member 2 has no cond"),
    "condition is None": Wrong(lambda w: w.branch((None, a)), InvalidGraph, r"condition of member 1 is not a function"),
    "loop without condition": Wrong(lambda w: w.do_until(a, None), InvalidGraph, r"node 1 \(do_until\): its condition"),
    "no iterations": Wrong(
        lambda w: w.do_while(a, holds, max_iterations=0), InvalidGraph, r"node 1 \(do_while\): max_iterations .* not 0"
    ),
    "no concurrency": Wrong(lambda w: w.foreach(a, concurrency=0), InvalidGraph, r"\(foreach\): concurrency .* not 0"),
    "concurrency of a half": Wrong(lambda w: w.foreach(a, concurrency=0.5), InvalidGraph, r"concurrency"),
    "foreach over a model": Wrong(
        lambda w: w.then(to_draft).foreach(a), InvalidGraph, r"node 2 \(foreach\): its input is not a list.*'Draft'"
    ),
    "foreach over parallel": Wrong(lambda w: w.parallel(a).foreach(a), InvalidGraph, r"not a list.*object"),
    "foreach over a map": Wrong(lambda w: w.map({}).foreach(a), InvalidGraph, r"not a list.*object"),
    "foreach over text": Wrong(
        lambda w: w.then(Agent(id="r", model="openai/x")).foreach(a), InvalidGraph, r"not a list.*string"
    ),
    "foreach over a signal": Wrong(
        lambda w: w.wait_for_signal("s", int).foreach(a), InvalidGraph, r"not a list.*integer"
    ),
    "foreach after sleep": Wrong(lambda w: w.then(to_draft).sleep(1).foreach(a), InvalidGraph, r"node 3 \(foreach\)"),
    "unknown step": Wrong(
        lambda w: w.then(a).map({"x": from_step("ghost")}),
        UnknownStep,
        r"workflow 'w', node 2 \(map\): 'x' is taken from step 'ghost'.*there is: a",
    ),
    "later step": Wrong(lambda w: w.then(a).map({"x": from_step(b)}).then(b), UnknownStep, r"'b'.*not before it"),
    "one of several unknown": Wrong(lambda w: w.then(a).map({"x": from_step([a, "g"])}), UnknownStep, r"'g'"),
    "map of no sources": Wrong(lambda w: w.map({"x": 1}), InvalidGraph, r"node 1 \(map\): 'x' does not say"),
    "map of nothing": Wrong(lambda w: w.map(3), InvalidGraph, r"node 1 \(map\): it takes a function"),
    "sleep of text": Wrong(lambda w: w.sleep("long"), InvalidGraph, r"node 1 \(sleep\): it takes seconds"),
    "time without zone": Wrong(
        lambda w: w.sleep_until(datetime(2030, 1, 1)),  # noqa: DTZ001 - what is refused
        InvalidGraph,
        r"node 1 \(sleep_until\): its time has no zone",
    ),
    "signal in no time": Wrong(lambda w: w.wait_for_signal("s", timeout_s=0), InvalidGraph, r"timeout_s is above 0"),
    "three parameters": Wrong(
        lambda w: w.then(lambda x, y, z: (x, y, z)), DefinitionError, r"node 1 \(then\): step 'la"
    ),
    "one code key": Wrong(
        lambda w: w.then(step(id="s", reconcile=holds)(holds)).then(step(id="s.reconcile")(holds)),
        DuplicateName,
        r"code key 'w/s.reconcile'",
    ),
    "nested in itself": Wrong(lambda w: w.then(recursive()), InvalidGraph, r"nests itself: outer → inner → outer"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_graph_that_cannot_run_is_refused_by_its_place(case: str) -> None:
    """The app is checked as a whole when it is built; building the workflow itself never fails."""
    workflow = Workflow("w")
    WRONG[case].build(workflow)
    with pytest.raises(WRONG[case].error, match=WRONG[case].message) as caught:
        App(workflows=[workflow])
    assert type(caught.value) is WRONG[case].error


@pytest.mark.parametrize(
    "build",
    [
        lambda w: w.foreach(a),
        lambda w: w.then(to_list).foreach(a).foreach(b),
        lambda w: w.then(to_maybe).foreach(a),
        lambda w: w.then(a).foreach(a),
        lambda w: w.map(lambda value: value).foreach(a),
        lambda w: w.do_until(to_list, holds).foreach(a),
        lambda w: w.then(to_list).sleep(1).foreach(a),
        lambda w: w.then(Workflow("inner").then(to_draft)).foreach(a),
        lambda w: w.then(Agent(id="r", model="openai/x", output=list[str])).foreach(a),
    ],
)
def test_a_foreach_over_what_may_be_a_list_is_legal(build: Any) -> None:
    """Only what is known not to be a list is refused."""
    workflow = Workflow("w")
    build(workflow)
    App(workflows=[workflow])


def test_a_foreach_over_the_input_is_checked_against_the_input() -> None:
    """The first node's input is the workflow's."""
    App(workflows=[Workflow("w", input=list[int]).foreach(a)])
    with pytest.raises(InvalidGraph, match="not a list"):
        App(workflows=[Workflow("w", input=Draft).foreach(a)])


def test_members_of_blocks_and_bodies_of_loops_may_be_taken_from() -> None:
    """Whatever ran before is visible, by id or by name."""
    workflow = Workflow("w").then(a).parallel(a, b).do_until(to_draft, holds)
    App(workflows=[workflow.map({"x": from_step(b), "y": from_step("a#2"), "z": from_step(to_draft)})])


def test_a_nested_workflow_may_take_from_the_one_around() -> None:
    """Only from steps before it, and only where it is nested."""

    def nested() -> Workflow:
        return Workflow("inner").map({"x": from_step(a)})

    App(workflows=[Workflow("w").then(a).then(nested())])
    with pytest.raises(UnknownStep, match="workflow 'inner', node 1"):
        App(workflows=[Workflow("w").then(nested()).then(a)])
    with pytest.raises(UnknownStep, match="there is: nothing"):
        App(workflows=[nested()])


def test_using_one_step_twice_is_legal() -> None:
    """Paths keep the uses apart."""
    assert len(App(workflows=[Workflow("w").then(a).then(a).then(a)]).code) == 3


def test_an_agent_may_call_the_workflow_it_stands_in() -> None:
    """That is a call at run time, not a graph without end."""
    workflow = Workflow("w")
    workflow.then(Agent(id="r", model="openai/x", tools=[workflow]))
    assert App(workflows=[workflow]).plan.agents["r"].tools[0].target == "w"


@pytest.mark.parametrize(
    ("options", "word"),
    [({"retries": -1}, "retries"), ({"timeout_s": 0}, "timeout_s"), ({"on_finish": 3}, "on_finish")],
)
def test_wrong_options_of_a_workflow_are_refused(options: dict[str, Any], word: str) -> None:
    """With the workflow's name."""
    with pytest.raises(DefinitionError, match=f"workflow 'w'.*{word}"):
        App(workflows=[Workflow("w", **options).then(a)])


def test_a_type_that_cannot_be_read_is_named_with_its_place() -> None:
    """Also a type deep inside a dataclass."""

    @dataclass
    class Holder:
        thing: "Unknown"  # type: ignore[name-defined] # noqa: F821 - what is refused

    with pytest.raises(DefinitionError, match=r"workflow 'w', node 1 \(then\).*Holder"):
        App(workflows=[Workflow("w").then(step(id="s", resume=Holder)(lambda value: value))])


def test_the_wrong_kind_in_a_list_is_refused() -> None:
    """An agent among the workflows is a slip worth telling."""
    with pytest.raises(DefinitionError, match="workflows"):
        App(workflows=[Agent(id="r", model="openai/x")])  # type: ignore[list-item]


def test_an_app_shows_what_it_holds() -> None:
    """In a notebook its name and ids tell enough."""
    assert repr(App(workflows=[Workflow("w").then(a)], name="shop")) == "<app 'shop': workflows: w>"
    assert repr(App()) == "<app: empty>"
