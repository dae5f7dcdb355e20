"""The ledger and the conversations, as requests see them."""

from greenroom.runtime.contracts.errors import NotFound
from greenroom.runtime.contracts.records import LedgerRow, MessageRow, Table, ThreadRow
from greenroom.runtime.contracts.requests import Balance, GetThread, Grant, LedgerEntries, ListThreads, PutThread
from greenroom.runtime.contracts.storage import Query
from greenroom.runtime.contracts.values import Json
from greenroom.runtime.host.engine import Engine


class Accounts:
    """Money and threads of workspaces."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def balance(self, request: Balance) -> dict[str, Json]:
        """Return the sum of a workspace's entries: grants less charges."""
        granted = charged = 0
        async for page in self._engine.storage.scan(Table.LEDGER, Query(workspace=request.workspace)):
            for row in page:
                assert isinstance(row, LedgerRow)  # noqa: S101 - the table holds nothing else
                if row.amount_micros > 0:
                    granted += row.amount_micros
                else:
                    charged -= row.amount_micros
        return {"balance_micros": granted - charged, "granted_micros": granted, "charged_micros": charged}

    async def entries(self, request: LedgerEntries) -> dict[str, Json]:
        """Return the newest entries of a workspace, or of one run."""
        where: dict[str, tuple[Json, ...]] = {"run_id": (request.run_id,)} if request.run_id is not None else {}
        query = Query(workspace=request.workspace, where=where, reverse=True, limit=request.limit)
        found: list[dict[str, Json]] = []
        async for page in self._engine.storage.scan(Table.LEDGER, query):
            for row in page:
                assert isinstance(row, LedgerRow)  # noqa: S101 - the table holds nothing else
                found.append(
                    {
                        "entry_id": row.entry_id,
                        "at": row.at,
                        "kind": row.kind,
                        "amount_micros": row.amount_micros,
                        "run_id": row.run_id,
                        "path": row.path,
                        "model": row.model,
                        "input_tokens": row.input_tokens,
                        "output_tokens": row.output_tokens,
                    }
                )
        return {"items": found}

    async def grant(self, request: Grant) -> dict[str, Json]:
        """Give a workspace credit, once for each key."""
        entry_id = f"grant:{request.key}"
        known = await self._engine.storage.get(Table.LEDGER, (request.workspace, entry_id))
        if known is None:
            row = LedgerRow(
                workspace=request.workspace,
                entry_id=entry_id,
                at=self._engine.clock.now(),
                kind="grant",
                amount_micros=request.amount_micros,
            )
            await self._engine.storage.append([row])
        return {"entry_id": entry_id, "is_new": known is None}

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

    async def get_thread(self, request: GetThread) -> dict[str, Json]:
        """Return a conversation with its last messages, oldest first.

        Raises:
            NotFound: There is no such thread in this workspace.
        """
        row = await self._thread(request.workspace, request.thread_id)
        query = Query(prefix=(request.workspace, request.thread_id), reverse=True, limit=request.limit)
        messages: list[dict[str, Json]] = []
        async for page in self._engine.storage.scan(Table.MESSAGES, query):
            messages.extend(_message_view(message) for message in page if isinstance(message, MessageRow))
        return {**_thread_view(row), "messages": messages[::-1]}

    async def put_thread(self, request: PutThread) -> dict[str, Json]:
        """Create, change or delete a conversation.

        Raises:
            NotFound: It shall be deleted and does not exist.
        """
        now = self._engine.clock.now()
        thread_id = request.thread_id or self._engine.ids.run_id()
        known = await self._engine.storage.get(Table.THREADS, (request.workspace, thread_id))
        old = known if isinstance(known, ThreadRow) and not known.deleted else None
        if request.delete and old is None:
            raise _no_thread(thread_id, request.workspace)
        row = ThreadRow(
            workspace=request.workspace,
            thread_id=thread_id,
            created_at=old.created_at if old else now,
            updated_at=now,
            resource_id=request.resource_id if request.resource_id is not None else (old.resource_id if old else None),
            title=request.title if request.title is not None else (old.title if old else None),
            metadata=request.metadata if request.metadata is not None else (old.metadata if old else {}),
            deleted=request.delete,
        )
        await self._engine.storage.append([row])
        return _thread_view(row)

    async def _thread(self, workspace: str, thread_id: str) -> ThreadRow:
        row = await self._engine.storage.get(Table.THREADS, (workspace, thread_id))
        if not isinstance(row, ThreadRow) or row.deleted:
            raise _no_thread(thread_id, workspace)
        return row


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
