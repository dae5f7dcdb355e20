"""Plain chat: what is answered without tools, and how it is bounded."""

import openai
import pytest
from openai import AsyncOpenAI

from greenroom.actors.rehearsal.server import RehearsalServer

NOTES = (
    "Condense the notes about retries.\n\nNotes:\n"
    "Bananas are yellow and grow on large plants. Retries repeat a request that failed before. "
    "Every retry waits longer than the retry before it."
)


async def test_without_material_it_says_what_it_is(client: AsyncOpenAI) -> None:
    """Free prose names itself a rehearsal and states no fact."""
    reply = await client.chat.completions.create(
        model="rehearsal", messages=[{"role": "user", "content": "What is the capital of France?"}]
    )
    text = reply.choices[0].message.content or ""
    assert text.startswith("Rehearsal model")
    assert "Paris" not in text
    assert reply.choices[0].finish_reason == "stop"


async def test_usage_is_an_estimate_from_lengths(client: AsyncOpenAI) -> None:
    """Usage is always given, and adds up."""
    reply = await client.chat.completions.create(
        model="rehearsal/any", messages=[{"role": "user", "content": "x" * 40}]
    )
    assert reply.usage is not None
    assert reply.usage.prompt_tokens == 14
    assert reply.usage.total_tokens == reply.usage.prompt_tokens + reply.usage.completion_tokens


async def test_material_is_condensed_to_what_fits(client: AsyncOpenAI) -> None:
    """Pasted notes are quoted, the fitting sentences first."""
    reply = await client.chat.completions.create(model="rehearsal", messages=[{"role": "user", "content": NOTES}])
    text = reply.choices[0].message.content or ""
    assert "Retries repeat a request that failed before." in text
    assert text.index("retry waits longer") < text.index("Bananas")


async def test_a_list_has_as_many_items_as_asked(client: AsyncOpenAI) -> None:
    """A plan of 4 sections has four different items about the request."""
    reply = await client.chat.completions.create(
        model="rehearsal", messages=[{"role": "user", "content": "Plan 4 sections about night trains and ferries."}]
    )
    lines = [line for line in (reply.choices[0].message.content or "").splitlines() if line[:1].isdigit()]
    assert len(lines) == len(set(lines)) == 4
    assert any("ight trains" in line for line in lines)


async def test_an_earlier_turn_is_remembered(client: AsyncOpenAI) -> None:
    """What the user said before is quoted when it fits."""
    reply = await client.chat.completions.create(
        model="rehearsal",
        messages=[
            {"role": "user", "content": "My name is Ada and I like tea."},
            {"role": "assistant", "content": "Noted."},
            {"role": "user", "content": "What is my name?"},
        ],
    )
    assert "My name is Ada" in (reply.choices[0].message.content or "")


async def test_the_token_bound_cuts(client: AsyncOpenAI) -> None:
    """`max_completion_tokens` cuts the answer and says so."""
    reply = await client.chat.completions.create(
        model="rehearsal", messages=[{"role": "user", "content": NOTES}], max_completion_tokens=5
    )
    assert reply.choices[0].finish_reason == "length"
    assert reply.usage is not None
    assert reply.usage.completion_tokens == 5


async def test_a_stop_sequence_cuts(client: AsyncOpenAI) -> None:
    """The answer ends before a stop sequence."""
    reply = await client.chat.completions.create(
        model="rehearsal", messages=[{"role": "user", "content": "Hello there"}], stop=[":"]
    )
    assert reply.choices[0].message.content == "Rehearsal model"


async def test_the_same_request_gets_the_same_answer(client: AsyncOpenAI) -> None:
    """Two equal requests get equal answers, ids included."""
    first, second = [
        await client.chat.completions.create(model="rehearsal", messages=[{"role": "user", "content": NOTES}])
        for _ in range(2)
    ]
    assert first == second
    assert first.created == 1_700_000_000


async def test_temperature_and_seed_do_not_matter_to_the_words(client: AsyncOpenAI) -> None:
    """Sampling options are accepted and change no word."""
    first, second = [
        await client.chat.completions.create(
            model="rehearsal", messages=[{"role": "user", "content": NOTES}], temperature=heat, seed=int(heat)
        )
        for heat in (0.0, 1.0)
    ]
    assert first.choices[0].message.content == second.choices[0].message.content


async def test_several_choices_are_refused(client: AsyncOpenAI) -> None:
    """`n` above one is a plain 400."""
    with pytest.raises(openai.BadRequestError, match="n must be 1"):
        await client.chat.completions.create(model="rehearsal", messages=[{"role": "user", "content": "x"}], n=2)


async def test_models_are_listed(client: AsyncOpenAI) -> None:
    """The list of models holds rehearsal, and any model can be looked up."""
    assert "rehearsal" in [model.id async for model in client.models.list()]
    assert (await client.models.retrieve("rehearsal/other")).id == "rehearsal/other"


async def test_requests_are_logged(client: AsyncOpenAI, server: RehearsalServer) -> None:
    """The server can tell what it was asked."""
    await client.chat.completions.create(model="rehearsal", messages=[{"role": "user", "content": "Hello"}])
    (seen,) = server.requests
    assert (seen.path, seen.user, seen.outcome) == ("/v1/chat/completions", "Hello", "answered")
