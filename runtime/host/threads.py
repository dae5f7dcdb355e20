"""The conversations, as requests see them."""

from greenroom.runtime.contracts.errors import NotFound
from greenroom.runtime.contracts.records import MessageRow, Table, ThreadRow
from greenroom.runtime.contracts.requests import Delete, GetThread, ListThreads, PutThread
from greenroom.runtime.contracts.storage import Query
from greenroom.runtime.contracts.values import Json
from greenroom.runtime.host.deletion import deletion_of, is_carried_out
from greenroom.runtime.host.engine import Engine
from greenroom.runtime.host.named_locks import NamedLocks


class Threads:
    """Conversations of workspaces."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._locks = NamedLocks()

    async def list_threads(self, request: ListThreads) -> dict[str, Json]:
        """Return a workspace's conversations, newest first."""
        where: dict[str, tuple[Json, ...]] = {"deleted": (False,)}
        if request.resource_id is not None:
            where["resource_id"] = (request.resource_id,)
        query = Query(workspace=request.workspace, where=where, reverse=True, limit=request.limit)
        found: list[dict[str, Json]] = []
        async for page in self._engine.storage.scan(Table.THREADS, query):
            found.extend(_thread_view(row) for row in page if isinstance(row, ThreadRow))
        return {"items": found}

    async def get(self, request: GetThread) -> dict[str, Json]:
        """Return a conversation with its last messages, oldest first.

        Raises:
            NotFound: There is no such thread in this workspace.
        """
        row = await self._find(request.workspace, request.thread_id)
        if row is None:
            raise _no_thread(request.thread_id, request.workspace)
        query = Query(prefix=(request.workspace, request.thread_id), reverse=True, limit=request.limit)
        messages: list[dict[str, Json]] = []
        async for page in self._engine.storage.scan(Table.MESSAGES, query):
            messages.extend(_message_view(message) for message in page if isinstance(message, MessageRow))
        return {**_thread_view(row), "messages": messages[::-1]}

    async def put(self, request: PutThread) -> dict[str, Json]:
        """Create or change a conversation."""
        thread_id = request.thread_id or self._engine.ids.run_id()
        async with self._locks.hold(f"{request.workspace} {thread_id}"):
            now = self._engine.clock.now()
            old = await self._find(request.workspace, thread_id)
            row = ThreadRow(
                workspace=request.workspace,
                thread_id=thread_id,
                created_at=old.created_at if old else now,
                updated_at=now,
                resource_id=request.resource_id
                if request.resource_id is not None
                else (old.resource_id if old else None),
                title=request.title if request.title is not None else (old.title if old else None),
                metadata=request.metadata if request.metadata is not None else (old.metadata if old else {}),
            )
            await self._engine.append([row])
        return _thread_view(row)

    async def delete(self, request: Delete) -> None:
        """Delete a conversation with its messages. The runs that wrote them keep what they were told and said.

        Raises:
            NotFound: There is none.
        """
        async with self._locks.hold(f"{request.workspace} {request.id}"):
            if await self._find(request.workspace, request.id) is None:
                if await is_carried_out(self._engine, request):
                    return
                raise _no_thread(request.id, request.workspace)
            await self._engine.append([deletion_of(request, self._engine.clock.now())])

    async def _find(self, workspace: str, thread_id: str) -> ThreadRow | None:
        row = await self._engine.storage.get(Table.THREADS, (workspace, thread_id))
        return row if isinstance(row, ThreadRow) and not row.deleted else None


def _no_thread(thread_id: str, workspace: str) -> NotFound:
    message = f"no thread {thread_id!r} in workspace {workspace!r}"
    return NotFound(message, {"thread_id": thread_id})


def _thread_view(row: ThreadRow) -> dict[str, Json]:
    return {
        "thread_id": row.thread_id,
        "resource_id": row.resource_id,
        "title": row.title,
        "metadata": row.metadata,
        "created_at": row.created_at,
        "updated_at": row.updated_at,
    }


def _message_view(row: MessageRow) -> dict[str, Json]:
    return {
        "message_id": row.message_id,
        "thread_id": row.thread_id,
        "role": row.role,
        "content": row.content,
        "at": row.at,
        "run_id": row.run_id,
        "position": row.position,
    }
