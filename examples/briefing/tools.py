"""The tools: search the documents, draw a picture, check a draft."""

import asyncio
import base64
import os

import httpx

from examples.briefing.brief import Draft, Picture, Review
from examples.briefing.checking import find_problems
from examples.briefing.documents import load_documents
from examples.briefing.models import image_endpoint
from examples.briefing.search import Hit, index_of
from greenroom import ToolContext, tool


def documents_of(ctx: ToolContext) -> str:
    """Return the folder that the run's workflow reads; empty for the installed packages."""
    return str(ctx.state.get("documents") or "")


@tool
async def search(query: str, ctx: ToolContext, limit: int = 8) -> list[Hit]:
    """Search the documents; returns passages word for word, each with its source.

    Args:
        query: A few words.
        limit: How many passages.
    """
    index = await asyncio.to_thread(index_of, documents_of(ctx))
    hits = index.search(query, min(limit, 20))
    await ctx.write({"query": query, "hits": len(hits), "worker": os.getpid()}, durable=True)
    return hits


@tool(retries=1, timeout_s=180)
def image(prompt: str) -> Picture:
    """Draw a picture.

    Args:
        prompt: What is to be seen.
    """
    with image_endpoint() as (client, model):
        try:
            body = {"model": model, "prompt": prompt, "size": "1024x1024"}
            answer = client.post("/images/generations", json=body).raise_for_status().json()["data"][0]
            data = base64.b64decode(answer["b64_json"]) if answer.get("b64_json") else httpx.get(answer["url"]).content
        except httpx.HTTPStatusError as error:
            # Many endpoints draw nothing, and a brief without a cover is still one.
            return Picture(note=f"no cover: the images endpoint answered {error.response.status_code}")
    return Picture(png=data)


@tool
async def validate(draft: Draft, sections: int, ctx: ToolContext) -> Review:
    """Check whether a draft may be published: its schema, its sections, and every quotation word for word.

    Args:
        draft: The draft.
        sections: How many sections were researched.
    """
    documents = await asyncio.to_thread(load_documents, documents_of(ctx))
    return Review(problems=await asyncio.to_thread(find_problems, draft, sections, documents))
