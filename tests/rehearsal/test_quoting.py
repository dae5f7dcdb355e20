"""Answers after tool results: quotations with their sources, and nothing else."""

import json
from typing import Any

from openai import AsyncOpenAI

from greenroom.actors.rehearsal.brain import think
from greenroom.actors.rehearsal.request import ChatRequest

HITS = [
    {
        "source": "httpx",
        "title": "HTTPX",
        "text": "HTTPX is a client for Python. Timeouts are enforced strictly everywhere by default. Bananas are yellow"
        " and grow on plants.",
    },
    {"source": "tenacity", "title": "Tenacity", "text": "It simplifies the task of adding retry behavior to anything."},
]


async def after(client: AsyncOpenAI, question: str, *results: Any, **options: Any) -> str:
    """Gives the answer to a question for which `search` returned these results."""
    ids = [f"c{index}" for index in range(len(results))]
    called: Any = [
        {"id": id, "type": "function", "function": {"name": "search", "arguments": '{"query": "x"}'}} for id in ids
    ]
    messages: list[Any] = [
        {"role": "user", "content": question},
        {"role": "assistant", "tool_calls": called},
        *(
            {"role": "tool", "tool_call_id": id, "content": result if isinstance(result, str) else json.dumps(result)}
            for id, result in zip(ids, results, strict=True)
        ),
    ]
    reply = await client.chat.completions.create(model="rehearsal", messages=messages, **options)
    return reply.choices[0].message.content or ""


async def test_the_fitting_sentences_are_quoted_with_their_sources(client: AsyncOpenAI) -> None:
    """Sentences that meet the question come first, each beside the title and source of its hit."""
    text = await after(client, "How are timeouts enforced and retries added?", HITS)
    assert "“Timeouts are enforced strictly everywhere by default.” — HTTPX (httpx)" in text
    assert "“It simplifies the task of adding retry behavior to anything.” — Tenacity (tenacity)" in text
    assert "rehearsal model" in text.splitlines()[0]


async def test_every_quotation_is_in_the_results(client: AsyncOpenAI) -> None:
    """No bullet holds words that no tool returned."""
    text = await after(client, "What about clients, retries and timeouts?", HITS)
    returned = " ".join(str(hit["text"]) for hit in HITS)
    bullets = [line for line in text.splitlines() if line.startswith("- ")]
    assert bullets
    assert all(line.removeprefix("- “").split("”")[0] in returned for line in bullets)


async def test_plain_text_results_are_quoted_by_tool(client: AsyncOpenAI) -> None:
    """A text without labels has its tool for a source."""
    assert "“The sea is calm today and warm.” — search" in await after(
        client, "sea?", "The sea is calm today and warm."
    )


async def test_figures_are_quoted(client: AsyncOpenAI) -> None:
    """A record without text gives its members."""
    text = await after(client, "How warm is it in Oslo?", {"city": "Oslo", "temperature": 21.5})
    assert "city: Oslo, temperature: 21.5" in text


async def test_an_error_is_passed_on(client: AsyncOpenAI) -> None:
    """A tool that failed is reported as such."""
    assert await after(client, "retries?", {"error": {"message": "index is closed"}}) == (
        "The tool search reported an error: “index is closed”"
    )


async def test_nothing_found_is_said(client: AsyncOpenAI) -> None:
    """An empty result gives a plain statement and no fact."""
    text = await after(client, "What about retries?", [])
    assert text == "Rehearsal model: search returned nothing to quote about Retries."


async def test_a_terse_system_prompt_gives_fewer_quotations(client: AsyncOpenAI) -> None:
    """The system prompt sets the tone: terse means two quotations."""
    messages: list[Any] = [
        {"role": "system", "content": "Be concise."},
        {"role": "user", "content": "What about clients, retries and timeouts?"},
        {"role": "assistant", "tool_calls": [{"id": "c", "type": "function", "function": {"name": "search"}}]},
        {"role": "tool", "tool_call_id": "c", "content": json.dumps(HITS)},
    ]
    terse = await client.chat.completions.create(model="rehearsal", messages=messages)
    usual = await client.chat.completions.create(model="rehearsal", messages=messages[1:])
    counts = [(reply.choices[0].message.content or "").count("\n- ") for reply in (terse, usual)]
    assert counts == [2, 4]


def test_a_summary_does_not_say_a_sentence_twice() -> None:
    """A text and the sentence it was made of are both there to quote; one of them is enough."""
    sentence = "Tea is brewed with water below the boiling point."
    finding = {"summary": f"{sentence} Coffee needs it hotter.", "quotes": [{"text": sentence, "source": "tea"}]}
    schema = {"type": "object", "properties": {"summary": {"type": "string"}}, "required": ["summary"]}
    request = ChatRequest.model_validate(
        {
            "model": "rehearsal",
            "messages": [
                {"role": "user", "content": f"Sum up how tea is brewed.\n\nFindings:\n{json.dumps([finding])}"}
            ],
            "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}},
        }
    )
    assert json.loads(think(request).text or "")["summary"].count(sentence) == 1
