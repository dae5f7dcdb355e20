"""Steps: options, names, and being called."""

from datetime import timedelta
from typing import Any

import pytest

from greenroom import App, DefinitionError, Step, StepContext, Workflow, step
from greenroom.runtime.contracts.plan import StepNode, StepOptions


def plan_of(member: Any, **options: Any) -> StepNode:
    node = App(workflows=[Workflow("w", **options).then(member)]).plan.workflows["w"].nodes[0]
    assert isinstance(node, StepNode)
    return node


def test_a_bare_decorator_takes_id_and_description_from_the_function() -> None:
    """`@step` needs no arguments."""

    @step
    def outline(value: str) -> str:
        """Write an outline."""
        return value

    assert (outline.id, outline.description, outline("x")) == ("outline", "Write an outline.", "x")
    assert outline.__name__ == "outline"


def test_every_option_reaches_the_plan() -> None:
    """How a body is run is data."""

    @step(
        id="heavy",
        description="Heavy.",
        retries=2,
        backoff=(1, 30),
        timeout_s=9,
        num_cpus=2,
        num_gpus=0.5,
        memory=1000,
        resources={"disk": 1},
        labels={"zone": "a"},
        effect="once",
        reconcile=lambda key: key,
        validate=False,
    )
    def body(value: Any) -> Any:
        return value

    node = plan_of(body)
    assert (node.id, node.description) == ("heavy", "Heavy.")
    assert node.options == StepOptions(
        retries=2,
        backoff_s=1.0,
        max_backoff_s=30.0,
        timeout_s=9.0,
        num_cpus=2,
        num_gpus=0.5,
        memory_bytes=1000,
        resources={"disk": 1},
        labels={"zone": "a"},
        effect="once",
        reconcile="w/heavy.reconcile",
        validate=False,
        takes_context=False,
    )
    assert node.options.needs_task


def test_backoff_may_be_a_timedelta() -> None:
    """The first wait in any form of duration."""
    assert plan_of(step(backoff=timedelta(seconds=3))(lambda value: value)).options.backoff_s == 3.0


def test_retry_on_reaches_the_body() -> None:
    """Which exceptions are repeated is decided where the exception is."""
    app = App(workflows=[Workflow("w").then(step(id="s", retry_on=OSError)(lambda value: value))])
    assert app.code["w/s"].retry_on == (OSError,)


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"retries": -1}, "retries"),
        ({"retries": True}, "retries"),
        ({"timeout_s": 0}, "timeout_s"),
        ({"effect": "twice"}, "effect"),
        ({"backoff": -1}, "backoff"),
        ({"backoff": "long"}, "backoff"),
        ({"num_cpus": -1}, "num_cpus"),
        ({"retry_on": "OSError"}, "retry_on"),
        ({"id": "a/b"}, "id"),
        ({"id": ""}, "id"),
        ({"id": "a b"}, "id"),
        ({"id": "x" * 129}, "id"),
    ],
)
def test_a_wrong_option_is_refused_where_it_is_written(options: dict[str, Any], word: str) -> None:
    """The error names the option."""
    with pytest.raises(DefinitionError, match=word):
        step(**options)(lambda value: value)


def test_an_unknown_option_is_refused_with_the_nearest_known_one() -> None:
    """A misspelt option is never ignored."""
    with pytest.raises(TypeError, match="did you mean 'timeout_s'"):
        step(timeout=3)(lambda value: value)  # type: ignore[call-overload]


def test_a_step_is_not_made_of_anything_else() -> None:
    """Only callables become steps."""
    with pytest.raises(DefinitionError, match="function"):
        Step(3)  # type: ignore[arg-type]


def test_annotations_become_schemas_and_types() -> None:
    """The plan has schemas, the body has types."""

    @step(resume=int, suspend=list[str])
    def body(value: list[int], ctx: StepContext) -> dict[str, float]:
        del ctx
        return {"sum": float(sum(value))}

    node = plan_of(body)
    assert node.input_schema == {"type": "array", "items": {"type": "integer"}}
    assert node.output_schema == {"type": "object", "additionalProperties": {"type": "number"}}
    assert node.resume_schema == {"type": "integer"}
    assert node.suspend_schema == {"type": "array", "items": {"type": "string"}}


def test_a_workflow_without_validation_turns_it_off_for_its_steps() -> None:
    """`validate=False` of a workflow holds for all of it."""
    assert not plan_of(lambda value: value, validate=False).options.validate
