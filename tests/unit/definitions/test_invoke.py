"""Arguments for bodies, and results of bodies."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from pydantic import BaseModel, field_validator
from typing_extensions import TypedDict

from greenroom import App, StepContext, Workflow, step
from greenroom.runtime.contracts.errors import InvalidInput
from greenroom.runtime.definitions.body import Body
from greenroom.runtime.definitions.invoke import (
    bind,
    check_resume,
    dump_result,
    dump_suspend,
    load_resume,
    load_run_input,
)


class Draft(BaseModel):
    text: str
    length: int = 3


class Even(BaseModel):
    n: int

    @field_validator("n")
    @classmethod
    def _is_even(cls, n: int) -> int:
        if n % 2:
            raise ValueError("must be even")
        return n


class Row(TypedDict):
    id: int


@dataclass
class Point:
    x: int


CONTEXT = object()


def body_of(function: Callable[..., Any], **options: Any) -> Body:
    workflow = Workflow("w", input=Draft).then(step(id="s", **options)(function))
    return App(workflows=[workflow]).code["w/s"]


def call(function: Callable[..., Any], value: Any = None, **options: Any) -> Any:
    arguments, keywords = bind(body_of(function, **options), value, CONTEXT)
    return function(*arguments, **keywords)


def test_bodies_get_what_they_ask_for() -> None:
    """Nothing, the value, or the value and the context."""
    assert call(lambda: "nothing") == "nothing"
    assert call(lambda value: value, 3) == 3
    assert call(lambda value, ctx: (value, ctx is CONTEXT), 3) == (3, True)
    assert call(lambda value, *, ctx: (value, ctx is CONTEXT), 3) == (3, True)
    assert call(lambda ctx: ctx is CONTEXT) is True
    assert call(lambda value, factor=2: value * factor, 3) == 6


def test_a_parameter_gets_its_annotated_type() -> None:
    """Models, lists of models, dataclasses, typed dicts, plain types; others get JSON."""

    def takes_model(value: Draft) -> Any:
        return value

    def takes_models(value: list[Draft], ctx: StepContext) -> Any:
        del ctx
        return value

    def takes_point(value: Point) -> Any:
        return value

    def takes_row(value: Row) -> Any:
        return value

    def takes_anything(value: Any) -> Any:
        return value

    draft = {"text": "x"}
    assert call(takes_model, draft) == Draft(text="x", length=3)
    assert call(takes_models, [draft]) == [Draft(text="x")]
    assert call(takes_point, {"x": "4"}) == Point(4)
    assert call(takes_row, {"id": 1}) == {"id": 1}
    assert call(takes_anything, draft) == draft


def test_wrong_input_lists_every_field() -> None:
    """The message is for a person, the issues are for a program."""

    def takes_model(value: Draft) -> Any:
        return value

    with pytest.raises(InvalidInput) as caught:
        call(takes_model, {"length": "many"})
    assert caught.value.message.startswith(
        "Invalid input for step 's': 2 fields are wrong: text: field required; length:"
    )
    assert [issue["field"] for issue in caught.value.facts["issues"]] == ["text", "length"]
    assert not caught.value.retryable


def test_validators_of_the_user_speak_for_themselves() -> None:
    """Their message reaches whoever sent the value."""

    def takes_even(value: Even) -> Any:
        return value

    with pytest.raises(InvalidInput, match="n: must be even"):
        call(takes_even, {"n": 3})


def test_without_validation_a_value_that_does_not_fit_is_handed_over() -> None:
    """`validate=False` still makes the model where it can."""

    def takes_model(value: Draft) -> Any:
        return value

    assert call(takes_model, {"text": "x"}, validate=False) == Draft(text="x")
    assert call(takes_model, {"length": "many"}, validate=False) == {"length": "many"}


def test_results_become_json_with_defaults() -> None:
    """By the annotation, if there is one."""

    def gives_model() -> Draft: ...  # type: ignore[empty-body]
    def gives_models() -> list[Draft]: ...  # type: ignore[empty-body]
    def gives_anything() -> Any: ...

    assert dump_result(body_of(gives_model), Draft(text="x")) == {"text": "x", "length": 3}
    assert dump_result(body_of(gives_models), [{"text": "x"}]) == [{"text": "x", "length": 3}]
    assert dump_result(body_of(gives_anything), {"at": (1, 2)}) == {"at": [1, 2]}
    assert dump_result(body_of(lambda: None), Point(3)) == {"x": 3}


def test_a_wrong_result_lists_every_field() -> None:
    """It is the step's own fault, and said so."""

    def gives_model() -> Draft: ...  # type: ignore[empty-body]

    with pytest.raises(InvalidInput, match=r"Invalid output of step 's': 2 fields are wrong: text: field required"):
        dump_result(body_of(gives_model), {"length": "x"})
    assert dump_result(body_of(gives_model, validate=False), {"length": "x"}) == {"length": "x"}


def test_a_result_of_nothing_is_none() -> None:
    """`-> None` means it."""

    def gives_nothing() -> None: ...

    assert dump_result(body_of(gives_nothing), None) is None


def test_binary_results_go_to_the_hook() -> None:
    """Typed or not."""

    def gives_bytes() -> bytes: ...  # type: ignore[empty-body]
    def gives_any() -> Any: ...

    for function in (gives_bytes, gives_any):
        assert dump_result(body_of(function), b"x", lambda value: {"size": len(value)}) == {"size": 1}


def test_resume_data_and_suspend_payloads_have_their_types() -> None:
    """What `ctx.suspend` shows and returns."""
    body = body_of(lambda value: value, resume=Even, suspend=Draft)
    assert load_resume(body, {"n": 2}) == Even(n=2)
    assert check_resume(body, {"n": "2"}) == {"n": 2}
    assert dump_suspend(body, {"text": "x"}) == {"text": "x", "length": 3}
    with pytest.raises(InvalidInput, match=r"resume data of step 's'.*n: must be even"):
        load_resume(body, {"n": 1})
    with pytest.raises(InvalidInput, match="suspend payload of step 's'"):
        dump_suspend(body, {})


def test_untyped_resume_data_is_json() -> None:
    """Without `resume=` and `suspend=` anything goes."""
    body = body_of(lambda value: value)
    assert load_resume(body, [1]) == [1]
    assert dump_suspend(body, Point(1)) == {"x": 1}


def test_the_runs_input_is_the_workflows_model() -> None:
    """`ctx.input` is typed; what does not fit any more is JSON."""
    body = body_of(lambda value: value)
    assert load_run_input(body, {"text": "x"}) == Draft(text="x")
    assert load_run_input(body, {"old": 1}) == {"old": 1}


def test_check_bodies_validate_and_give_json_back() -> None:
    """What the host asks a worker before it acknowledges a start."""
    app = App(workflows=[Workflow("w", input=Even).then(lambda value: value)])
    body = app.code["w.input"]
    arguments, keywords = bind(body, {"n": "4"})
    assert dump_result(body, body.function(*arguments, **keywords)) == {"n": 4}
    with pytest.raises(InvalidInput, match="Invalid input for workflow 'w': 1 field is wrong: n: must be even"):
        bind(body, {"n": 3})
