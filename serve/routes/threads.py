"""Memory: conversations and their messages."""

from typing import Annotated, Final, Literal

import msgspec
from fastapi import APIRouter, Query

from greenroom.runtime.contracts.errors import InvalidInput, NotFound
from greenroom.runtime.contracts.values import Json
from greenroom.serve.answers import JsonAnswer, answer
from greenroom.serve.bodies import CreateThreadBody, UpdateThreadBody
from greenroom.serve.caller import Caller, FromCaller
from greenroom.serve.strict_json import StrictRoute
from greenroom.serve.wire.thread_record import message_record, thread_record

router = APIRouter(prefix="/api/memory", tags=["memory"], route_class=StrictRoute)

MAX_LISTED: Final = 1000
"""Most conversations, or messages of one, that pages are cut from."""

AgentId = Annotated[str | None, Query(alias="agentId")]
ResourceId = Annotated[str | None, Query(alias="resourceId")]
Direction = Literal["ASC", "DESC"]


def _given(text: str | None) -> str | None:
    """Return a parameter, with the client's spelling of a missing one read as missing."""
    return None if text in {None, "", "undefined", "null"} else text


async def _memory(caller: Caller, agent_id: str | None) -> dict[str, Json] | None:
    if _given(agent_id) is None:
        return None
    plan = await caller.plans.get(caller.runtime, "agent", str(agent_id))
    memory: dict[str, Json] | None = plan.get("memory")
    return memory


@router.get("/status")
async def get_status(caller: FromCaller, agent_id: AgentId = None) -> JsonAnswer:
    """Tell whether an agent has a memory."""
    has_memory = await _memory(caller, agent_id) is not None
    return answer({"result": True, "memoryType": "local"} if has_memory else {"result": False})


@router.get("/config")
async def get_config(caller: FromCaller, agent_id: AgentId = None) -> JsonAnswer:
    """Return how an agent remembers."""
    memory = await _memory(caller, agent_id) or {}
    config = {
        "lastMessages": memory.get("last_messages", 0),
        "semanticRecall": False,
        "generateTitle": False,
        "workingMemory": {"enabled": False},
        "observationalMemory": {"enabled": False},
    }
    return answer({"config": config})


@router.get("/threads")
async def list_threads(
    caller: FromCaller,
    *,
    resource_id: ResourceId = None,
    metadata: str | None = None,
    page: Annotated[int, Query(ge=0)] = 0,
    per_page: Annotated[int, Query(alias="perPage", ge=1, le=MAX_LISTED)] = 100,
    field: Annotated[Literal["createdAt", "updatedAt"], Query(alias="orderBy[field]")] = "updatedAt",
    direction: Annotated[Direction, Query(alias="orderBy[direction]")] = "DESC",
) -> JsonAnswer:
    """List conversations, of one resource or of all."""
    wanted = _metadata(metadata)
    found = await caller.runtime.threads.list(resource_id=_given(resource_id), limit=MAX_LISTED)
    kept = [thread for thread in found if wanted.items() <= (thread.get("metadata") or {}).items()]
    key = "created_at" if field == "createdAt" else "updated_at"
    kept.sort(key=lambda thread: thread.get(key) or 0.0, reverse=direction == "DESC")
    shown = kept[page * per_page : (page + 1) * per_page]
    return answer({"threads": [thread_record(thread) for thread in shown], **_paging(len(kept), page, per_page)})


def _metadata(text: str | None) -> dict[str, Json]:
    if not text:
        return {}
    try:
        found = msgspec.json.decode(text)
    except msgspec.DecodeError:
        found = None
    if not isinstance(found, dict):
        message = "metadata must be a JSON object"
        raise InvalidInput(
            f"Invalid query parameters: {message}", {"issues": [{"field": "metadata", "message": message}]}
        )
    return found


def _paging(total: int, page: int, per_page: int) -> dict[str, Json]:
    return {"total": total, "page": page, "perPage": per_page, "hasMore": (page + 1) * per_page < total}


@router.post("/threads")
async def create_thread(caller: FromCaller, body: CreateThreadBody) -> JsonAnswer:
    """Create a conversation; one that exists is returned, changed as the body says."""
    thread = await caller.runtime.threads.create(
        thread_id=body.thread_id or None,
        resource_id=body.resource_id,
        title=body.title,
        metadata=body.metadata,
    )
    return answer(thread_record(thread))


async def _thread(caller: Caller, thread_id: str, resource_id: str | None, limit: int = 1) -> dict[str, Json]:
    thread = await caller.runtime.threads.get(thread_id, limit=limit)
    wanted = _given(resource_id)
    if wanted is not None and thread.get("resource_id") not in {None, wanted}:
        raise NotFound(f"no thread {thread_id!r} of resource {wanted!r}", {"thread_id": thread_id})
    return thread


@router.get("/threads/{thread_id}")
async def get_thread(caller: FromCaller, thread_id: str, resource_id: ResourceId = None) -> JsonAnswer:
    """Return one conversation."""
    return answer(thread_record(await _thread(caller, thread_id, resource_id)))


@router.patch("/threads/{thread_id}")
async def update_thread(caller: FromCaller, thread_id: str, body: UpdateThreadBody) -> JsonAnswer:
    """Change a conversation's title or metadata."""
    await caller.runtime.threads.get(thread_id, limit=1)
    return answer(
        thread_record(await caller.runtime.threads.update(thread_id, title=body.title, metadata=body.metadata))
    )


@router.delete("/threads/{thread_id}")
async def delete_thread(caller: FromCaller, thread_id: str) -> JsonAnswer:
    """Delete a conversation with its messages."""
    await caller.runtime.threads.delete(thread_id, key=caller.key)
    return answer({"result": "Thread deleted"})


@router.get("/threads/{thread_id}/messages")
async def list_messages(
    caller: FromCaller,
    *,
    thread_id: str,
    resource_id: ResourceId = None,
    page: Annotated[int, Query(ge=0)] = 0,
    per_page: Annotated[int, Query(alias="perPage", ge=1, le=MAX_LISTED)] = 40,
    order_by: Annotated[str | None, Query(alias="orderBy")] = None,
) -> JsonAnswer:
    """List a conversation's messages, always oldest first; with direction DESC the pages begin at the newest."""
    thread = await _thread(caller, thread_id, resource_id, limit=MAX_LISTED)
    messages = thread["messages"]
    total = len(messages)
    if '"DESC"' in (order_by or "").upper():
        shown = messages[max(0, total - (page + 1) * per_page) : max(0, total - page * per_page)]
    else:
        shown = messages[page * per_page : (page + 1) * per_page]
    records = [message_record(message, thread.get("resource_id")) for message in shown]
    return answer({"messages": records, "uiMessages": None, **_paging(total, page, per_page)})
