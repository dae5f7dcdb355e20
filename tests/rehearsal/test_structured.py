"""Structured answers: they validate, and their words come from the conversation."""

import datetime as dt
import decimal
import enum
import json
import re
import uuid
from typing import Annotated, Any, Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openai import AsyncOpenAI
from openai.lib._pydantic import to_strict_json_schema
from pydantic import BaseModel, Field, create_model

from greenroom.actors.rehearsal.conversation import read_conversation
from greenroom.actors.rehearsal.fill import fill
from greenroom.actors.rehearsal.patterns import matching
from greenroom.actors.rehearsal.request import ChatRequest
from greenroom.actors.rehearsal.schema import UnsatisfiableSchema

FINDINGS = [
    {
        "section": "Retries",
        "text": "A retry waits longer than the one before it.",
        "quotes": ["A retry waits longer"],
        "sources": ["tenacity"],
    },
    {"section": "Timeouts", "text": "Timeouts are strict.", "quotes": ["Timeouts are strict."], "sources": ["httpx"]},
]
WRITE = (
    "Write a brief that answers the question.\n\nQuestion: How do clients handle retries?\n\n"
    f"Findings:\n{json.dumps(FINDINGS)}"
)


class Section(BaseModel):
    heading: str
    text: str
    quotes: list[str]
    sources: list[str]


class Brief(BaseModel):
    title: str = Field(min_length=5)
    sections: list[Section] = Field(min_length=2)


class Quotation(BaseModel):
    text: str
    source: str


class Finding(BaseModel):
    quotes: list[Quotation]


class Plan(BaseModel):
    title: str
    sections: list[str]


class Mood(enum.Enum):
    CALM = "calm"
    WILD = "wild"


class Leaf(BaseModel):
    kind: Literal["leaf"]
    value: Annotated[int, Field(gt=3, lt=6, multiple_of=5)] | None


class Tree(BaseModel):
    kind: Literal["tree"]
    left: "Tree | Leaf" = Field(discriminator="kind")
    children: list["Tree"]
    mood: Mood


class Everything(BaseModel):
    id: uuid.UUID
    day: dt.date
    at: dt.datetime
    clock: dt.time
    length: dt.timedelta
    amount: decimal.Decimal
    code: Annotated[str, Field(pattern=r"^[A-Z]{3}-\d{4}$")]
    slug: Annotated[str, Field(pattern=r"^[a-z0-9_]+$", min_length=20)]
    pair: tuple[int, str]
    names: set[str] = Field(min_length=4)
    ranks: set[int] = Field(min_length=3)
    table: dict[str, float] = Field(min_length=2)
    ratio: Annotated[float, Field(gt=0, lt=1)]
    tree: Tree | None
    anything: Any
    short: Annotated[str, Field(max_length=3)]
    next_cursor: str | None = None


def conversation(text: str = "Plan 3 sections about retries", **message: Any) -> Any:
    request = ChatRequest.model_validate({"model": "m", "messages": [{"role": "user", "content": text, **message}]})
    return read_conversation(request, seed="seed")


async def ask(client: AsyncOpenAI, prompt: str, model: type[BaseModel]) -> Any:
    wanted: Any = {"type": "json_schema", "json_schema": {"name": "wanted", "schema": model.model_json_schema()}}
    reply = await client.chat.completions.create(
        model="rehearsal", messages=[{"role": "user", "content": prompt}], response_format=wanted
    )
    return model.model_validate_json(reply.choices[0].message.content or "")


async def test_a_list_has_as_many_entries_as_asked(client: AsyncOpenAI) -> None:
    """Three sections asked for are three different ones about the question."""
    plan = await ask(client, "Plan 3 sections for a brief that answers: How do ferries handle storms?", Plan)
    assert len(set(plan.sections)) == 3
    assert plan.title == "Ferries handle storms"
    assert all("erries" in section for section in plan.sections)


async def test_listed_sections_are_kept(client: AsyncOpenAI) -> None:
    """Sections that the request lists are the sections of the answer."""
    plan = await ask(client, "Make a plan with these sections:\n- Retries\n- Timeouts", Plan)
    assert plan.sections == ["Retries", "Timeouts"]


async def test_a_brief_is_made_of_its_findings(client: AsyncOpenAI) -> None:
    """Entries are filled from the findings in order, field by field."""
    brief = await ask(client, WRITE, Brief)
    assert [section.heading for section in brief.sections] == ["Retries", "Timeouts"]
    assert [section.quotes for section in brief.sections] == [["A retry waits longer"], ["Timeouts are strict."]]
    assert [section.sources for section in brief.sections] == [["tenacity"], ["httpx"]]
    assert brief.title == "Clients handle retries"


async def test_delegated_results_become_sections(client: AsyncOpenAI) -> None:
    """As many entries as tool calls: each quotes the result of its own call."""
    topics = {"Retries": "A retry waits longer than before.", "Timeouts": "A timeout ends the wait for good."}
    called = [
        {"id": name, "type": "function", "function": {"name": "researcher", "arguments": json.dumps({"prompt": name})}}
        for name in topics
    ]
    results = [{"role": "tool", "tool_call_id": name, "content": text} for name, text in topics.items()]
    messages: Any = [{"role": "user", "content": "Write it"}, {"role": "assistant", "tool_calls": called}, *results]
    parsed = await client.chat.completions.parse(model="rehearsal", messages=messages, response_format=Brief)
    brief = parsed.choices[0].message.parsed
    assert brief is not None
    assert [section.heading for section in brief.sections] == list(topics)
    assert [section.quotes for section in brief.sections] == [[text] for text in topics.values()]


def test_quotations_are_sentences_of_their_source() -> None:
    """Entries of `quotes` are single verbatim sentences beside the source they stand in, never a whole hit."""
    hits = {
        "ferry": "# Ferry\n\n![badge](x)\n\n    pip install ferry\n\nA ferry carries cars\nover the water at night.",
        "train": "Train\n=====\n\nA night train carries people while they sleep. It stops rarely.",
    }
    results = json.dumps([{"source": name, "text": text} for name, text in hits.items()])
    call = {"id": "c", "type": "function", "function": {"name": "search"}}
    messages = [
        {"role": "user", "content": "What is carried at night?"},
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": results},
    ]
    request = ChatRequest.model_validate({"model": "m", "messages": messages})
    found = Finding.model_validate(fill(Finding.model_json_schema(), read_conversation(request)))
    assert {(quote.text, quote.source) for quote in found.quotes[:2]} == {
        ("A ferry carries cars\nover the water at night.", "ferry"),
        ("A night train carries people while they sleep.", "train"),
    }


async def test_without_material_quotes_are_empty(client: AsyncOpenAI) -> None:
    """Nothing is quoted when there is nothing to quote, and bodies say so."""
    brief = await ask(client, "Write 2 sections about ferries", Brief)
    assert all(section.quotes == [] for section in brief.sections)
    assert all(section.text.startswith("Rehearsal model") for section in brief.sections)


async def test_a_correction_keeps_to_the_request(client: AsyncOpenAI) -> None:
    """A message that sends the answer back is no new request: the findings still count, and the count it asks for."""
    wanted: Any = {"type": "json_schema", "json_schema": {"name": "brief", "schema": Brief.model_json_schema()}}
    messages: Any = [
        {"role": "user", "content": WRITE},
        {"role": "assistant", "content": "{}"},
        {"role": "user", "content": "The answer failed validation. Errors: 'title' is a required property."},
    ]
    reply = await client.chat.completions.create(model="rehearsal", messages=messages, response_format=wanted)
    brief = Brief.model_validate_json(reply.choices[0].message.content or "")
    assert [section.heading for section in brief.sections] == ["Retries", "Timeouts"]


async def test_json_objects_have_the_named_keys(client: AsyncOpenAI) -> None:
    """Without a schema the keys are those that the request names."""
    reply = await client.chat.completions.create(
        model="rehearsal",
        messages=[{"role": "user", "content": 'Give JSON with "title" and "sources" about night trains'}],
        response_format={"type": "json_object"},
    )
    assert json.loads(reply.choices[0].message.content or "") == {"title": "Night trains", "sources": []}


@pytest.mark.parametrize("model", [Brief, Plan, Everything, Section])
@pytest.mark.parametrize("is_strict", [False, True])
def test_hard_models_are_filled(model: type[BaseModel], is_strict: bool) -> None:
    """Formats, patterns, unions, recursion and sets come out valid, for pydantic too."""
    schema = to_strict_json_schema(model) if is_strict else model.model_json_schema()
    for prompt in ("Plan 3 sections about retries", WRITE):
        model.model_validate_json(json.dumps(fill(schema, conversation(prompt))))


def test_an_impossible_schema_is_named() -> None:
    """What has no instance is refused with the reason."""
    with pytest.raises(UnsatisfiableSchema, match="no instance"):
        fill({"type": "integer", "minimum": 3, "maximum": 1}, conversation())


@pytest.mark.parametrize(
    "pattern",
    [r"^\d{4}-\d{2}$", r"^(foo|bar)+$", r"[^a-z]{2}", r"^\w+@\w+\.(com|org)$", r"^#[0-9a-fA-F]{6}$", r"^$", r"\S"],
)
def test_patterns_are_matched(pattern: str) -> None:
    """A string is made for a pattern that no word of the text fits."""
    made = matching(pattern, "")
    assert made is not None
    assert re.search(pattern, made)


def test_a_pattern_takes_the_word_that_fits() -> None:
    """An order number in the request is the order number."""
    assert matching(r"^ORD-\d+$", "Where is my order ORD-1234, please?") == "ORD-1234"


def _numbers(kind: type) -> st.SearchStrategy[Any]:
    bounds = st.tuples(st.integers(-50, 50), st.integers(0, 40))
    return bounds.map(lambda pair: Annotated[kind, Field(ge=pair[0], le=pair[0] + pair[1])])


_TEXTS = st.tuples(st.integers(0, 60), st.integers(0, 60)).map(
    lambda pair: Annotated[str, Field(min_length=pair[0], max_length=pair[0] + pair[1])]
)
_LEAVES: st.SearchStrategy[Any] = st.one_of(
    _numbers(int),
    _numbers(float),
    _TEXTS,
    st.sampled_from([bool, dt.date, dt.datetime, uuid.UUID, Mood, Literal["red", "green"], Literal[3]]),
)
_NAMES = st.sampled_from("title summary sources quotes limit approved query email x url score".split())
_PROMPTS = st.sampled_from(["", WRITE, "List 2 titles"])


def _wrapped(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(
        st.builds(_list_of, inner, st.integers(0, 4), st.integers(0, 3)),
        inner.map(lambda kind: kind | None),
        inner.map(lambda kind: dict.__class_getitem__((str, kind))),
        _models(inner),
    )


def _list_of(kind: Any, least: int, more: int) -> Any:
    return Annotated[list.__class_getitem__(kind), Field(min_length=least, max_length=least + more)]


def _models(fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.dictionaries(_NAMES, fields, min_size=1, max_size=5).map(
        lambda made: create_model("Made", **{name: (kind, ...) for name, kind in made.items()})  # type: ignore[call-overload]
    )


@settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(model=_models(st.recursive(_LEAVES, _wrapped, max_leaves=6)), prompt=_PROMPTS)
def test_any_model_is_filled(model: type[BaseModel], prompt: str) -> None:
    """Whatever the model, rich and sparse instances validate against its schema and against itself."""
    schema = model.model_json_schema()
    for is_sparse in (False, True):
        value = fill(schema, conversation(prompt), is_sparse=is_sparse)
        model.model_validate_json(json.dumps(value))


def test_filling_is_deterministic() -> None:
    """The same schema and conversation give the same instance."""
    made = [json.dumps(fill(Everything.model_json_schema(), conversation(WRITE))) for _ in range(2)]
    assert made[0] == made[1]
