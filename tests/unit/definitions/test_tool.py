"""Tools: schemas from signatures, approval, state."""

import enum
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field

from greenroom import App, DefinitionError, StepContext, Tool, ToolContext, Workflow, tool
from greenroom.runtime.contracts.errors import InvalidInput
from greenroom.runtime.contracts.plan import StepNode
from greenroom.runtime.definitions.invoke import bind


class Page(BaseModel):
    body: str
    tags: list[str] = []


class Color(enum.Enum):
    RED = "red"


@dataclass
class Point:
    x: int


def test_parameters_become_properties_with_types_defaults_and_descriptions() -> None:
    """The schema a model sees is read off the function."""

    @tool
    def search(query: str, limit: int = 5, mode: Literal["fast", "slow"] = "fast") -> list[str]:
        """Search the documents.

        Only the workspace's own.

        Args:
            query: What to look for,
                in any language.
            limit: Most hits.

        Returns:
            Titles.
        """
        return [f"{query} {mode}"] * limit

    assert search.description == "Search the documents.\n\nOnly the workspace's own."
    schema = search.input_schema()
    assert schema["properties"] == {
        "query": {"type": "string", "title": "Query", "description": "What to look for, in any language."},
        "limit": {"type": "integer", "title": "Limit", "default": 5, "description": "Most hits."},
        "mode": {"type": "string", "title": "Mode", "default": "fast", "enum": ["fast", "slow"]},
    }
    assert (schema["required"], schema["additionalProperties"], schema["type"]) == (["query"], False, "object")


def test_field_descriptions_of_the_user_win_over_the_docstring() -> None:
    """What stands next to the type is the most specific."""

    @tool
    def f(a: Annotated[int, Field(description="mine", ge=1)], b: int = Field(2, description="yours")) -> None:
        """Do.

        Args:
            a: not this
            b: nor this
        """

    properties = f.input_schema()["properties"]
    assert properties["a"] == {"type": "integer", "title": "A", "description": "mine", "minimum": 1}
    assert (properties["b"]["description"], properties["b"]["default"]) == ("yours", 2)


@pytest.mark.parametrize("annotation", [ToolContext, StepContext])
def test_the_context_is_left_out_of_the_schema(annotation: Any) -> None:
    """It is found by its annotation."""

    def f(page: str, it: Any) -> None: ...

    f.__annotations__["it"] = annotation
    made = tool(f)
    assert list(made.input_schema()["properties"]) == ["page"]
    assert made.context_parameter == "it"


def test_the_context_is_found_by_its_name_too() -> None:
    """`ctx` needs no annotation."""

    def f(ctx, page: str):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202 - what users write
        return ctx, page

    assert tool(f).context_parameter == "ctx"


def test_arguments_arrive_as_the_annotated_types() -> None:
    """Models, enums and dataclasses are made; defaults are the function's."""

    @tool
    def f(page: Page, color: Color, point: Point, note: str = "n") -> None: ...

    body = App(tools=[f]).code["tool/f"]
    arguments, keywords = bind(body, {"page": {"body": "b"}, "color": "red", "point": {"x": 1}})
    assert arguments == ()
    assert keywords == {"page": Page(body="b"), "color": Color.RED, "point": Point(x=1), "note": "n"}


def test_wrong_arguments_are_listed_all_at_once() -> None:
    """Missing, unknown and ill-typed arguments, each with its field."""

    @tool
    def f(page: Page, limit: int) -> None: ...

    body = App(tools=[f]).code["tool/f"]
    with pytest.raises(InvalidInput) as caught:
        bind(body, {"page": {"tags": [1]}, "limits": 3})
    fields = [issue["field"] for issue in caught.value.facts["issues"]]
    assert sorted(fields) == ["limit", "limits", "page.body", "page.tags[0]"]
    assert "tool 'f'" in caught.value.message


@pytest.mark.parametrize("name", ["json", "schema", "_hidden", "copy", "model_config"])
def test_a_parameter_may_have_any_name(name: str) -> None:
    """Names that a model refuses for its fields are fine for parameters."""
    namespace: dict[str, Any] = {}
    exec(f"def f({name}: int) -> int: return {name}", namespace)  # noqa: S102 - makes a function with that parameter
    body = App(tools=[namespace["f"]]).code["tool/f"]
    assert bind(body, {name: "3"})[1] == {name: 3}


def test_keyword_collectors_take_what_is_left() -> None:
    """`**rest` lets unknown arguments through."""

    @tool
    def f(a: int, **rest: Any) -> None: ...

    body = App(tools=[f]).code["tool/f"]
    assert f.input_schema()["additionalProperties"] is True
    assert bind(body, {"a": 1, "b": 2})[1] == {"a": 1, "b": 2}


def test_a_tool_without_parameters_has_an_empty_schema() -> None:
    """No arguments are an empty object, and None does too."""

    @tool
    def now() -> str:
        return "now"

    assert now.input_schema() == {"type": "object", "properties": {}, "additionalProperties": False}
    assert bind(App(tools=[now]).code["tool/now"], None) == ((), {})


def test_approval_is_a_claim_or_code() -> None:
    """True asks always; a callable becomes code that a worker runs."""

    def is_dear(arguments: dict[str, Any], ctx: ToolContext) -> bool:
        return bool(arguments and ctx)

    always = tool(id="a", requires_approval=True)(lambda: None)
    asked = tool(id="b", requires_approval=is_dear)(lambda: None)
    never = tool(id="c")(lambda: None)
    app = App(tools=[always, asked, never])
    shown = [(plan.requires_approval, plan.approval) for plan in app.plan.tools.values()]
    assert shown == [(True, None), (False, "tool/b.approval"), (False, None)]
    assert app.code["tool/b.approval"].function is is_dear


def test_a_class_is_a_stateful_tool() -> None:
    """Its parameters are those of `__call__`; the body is the class."""

    @tool
    class Counter:
        """Counts."""

        def setup(self) -> None:
            self.count = 10

        def __call__(self, by: int = 1) -> int:
            self.count += by
            return self.count

    made: Any = Counter
    plan = App(tools=[Counter]).plan.tools["Counter"]
    assert (plan.options.stateful, list(plan.input_schema["properties"]), plan.description) == (True, ["by"], "Counts.")
    assert (made(2), made(3)) == (12, 15)


async def test_an_async_stateful_tool_is_set_up_before_its_first_call() -> None:
    """Direct calls work for unit tests."""

    @tool(stateful=True)
    class Browser:
        async def setup(self) -> None:
            self.pages = 0

        async def __call__(self, url: str) -> str:
            self.pages += 1
            return f"{url} {self.pages}"

    made: Any = Browser
    assert [await made("a"), await made("b")] == ["a 1", "b 2"]


def test_a_stateful_tool_needs_a_call() -> None:
    """A class without `__call__` is refused, and so is a function that claims state."""
    with pytest.raises(DefinitionError, match="__call__"):
        Tool(type("Empty", (), {}))
    with pytest.raises(DefinitionError, match="stateful"):
        tool(stateful=True)(lambda: None)


def test_positional_only_parameters_are_refused() -> None:
    """A model passes arguments by name."""

    def f(a: int, /) -> int:
        return a

    with pytest.raises(DefinitionError, match="by name"):
        App(tools=[f])


def test_a_direct_call_is_the_function_itself() -> None:
    """No validation, no runtime: unit tests see what they wrote."""

    @tool
    def double(value: int) -> int:
        return 2 * value

    assert double(4) == 8


def test_execution_options_reach_both_plan_and_node() -> None:
    """A tool runs alike, called by an agent or standing in a workflow."""

    @tool(retries=3, effect="once", reconcile=lambda key: key)
    def charge(amount: int) -> int:
        return amount

    app = App(workflows=[Workflow("w").then(charge)])
    plan, node = app.plan.tools["charge"], app.plan.workflows["w"].nodes[0]
    assert isinstance(node, StepNode)
    assert node.options == plan.options
    assert (plan.options.retries, plan.options.reconcile) == (3, "tool/charge.reconcile")
    assert not plan.options.takes_context
    assert "tool/charge.reconcile" in app.code
