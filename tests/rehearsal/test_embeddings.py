"""Embeddings: deterministic, of unit length, and closer for related texts."""

import math

from openai import AsyncOpenAI

from greenroom.actors.rehearsal.embedding import embed


def cosine(one: list[float], other: list[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


async def test_vectors_come_in_order_and_by_both_encodings(client: AsyncOpenAI) -> None:
    """The client's default (base64) and plain numbers are the same vectors, one for each text."""
    texts = ["night trains", "HTTP retries"]
    packed = await client.embeddings.create(model="rehearsal", input=texts, dimensions=64)
    plain = await client.embeddings.create(model="rehearsal", input=texts, dimensions=64, encoding_format="float")
    assert [item.index for item in packed.data] == [0, 1]
    for one, other in zip(packed.data, plain.data, strict=True):
        assert len(one.embedding) == 64
        assert all(math.isclose(a, b, abs_tol=1e-6) for a, b in zip(one.embedding, other.embedding, strict=True))
        assert math.isclose(cosine(other.embedding, other.embedding), 1.0, abs_tol=1e-9)
    assert packed.usage.total_tokens == 6


def test_related_texts_are_closer() -> None:
    """A text that shares words and forms of words is closer than one that shares none."""
    question = embed("How are failed requests retried?", 256)
    related = embed("A failed request is retried with a growing delay.", 256)
    unrelated = embed("Bananas grow on large plants in warm places.", 256)
    assert cosine(question, related) > cosine(question, unrelated) + 0.3


def test_every_text_has_a_direction() -> None:
    """Punctuation, blanks and other scripts still give unit vectors."""
    for text in ("?!", " ", "世界", "the"):
        vector = embed(text, 8)
        assert math.isclose(cosine(vector, vector), 1.0, abs_tol=1e-9)


async def test_token_lists_are_accepted(client: AsyncOpenAI) -> None:
    """Numbers of tokens count as words."""
    reply = await client.embeddings.create(model="rehearsal", input=[[1, 2, 3], [4]])
    assert len(reply.data) == 2
