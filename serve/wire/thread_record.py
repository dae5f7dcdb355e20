"""Conversations and their messages as the memory routes show them."""

from collections.abc import Mapping

from greenroom.runtime.contracts.values import Json
from greenroom.serve.wire.times import iso


def thread_record(thread: Mapping[str, Json]) -> dict[str, Json]:
    """Return one conversation."""
    return {
        "id": thread["thread_id"],
        "title": thread.get("title") or "",
        "resourceId": thread.get("resource_id"),
        "createdAt": iso(thread.get("created_at")),
        "updatedAt": iso(thread.get("updated_at")),
        "metadata": thread.get("metadata") or {},
    }


def message_record(message: Mapping[str, Json], resource_id: str | None) -> dict[str, Json]:
    """Return one message in the form that databases of messages have."""
    content = message.get("content")
    parts = content if isinstance(content, list) else [{"type": "text", "text": content or ""}]
    stored: dict[str, Json] = {"format": 2, "parts": parts}
    if isinstance(content, str):
        stored["content"] = content
    return {
        "id": message["message_id"],
        "role": message["role"],
        "type": "text",
        "content": stored,
        "threadId": message["thread_id"],
        "resourceId": resource_id,
        "createdAt": iso(message.get("at")),
        "runId": message.get("run_id"),
    }
