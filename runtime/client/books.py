"""Handles of what a workspace keeps besides runs: its ledger and its conversations. And of workspaces."""

from typing import TYPE_CHECKING, TypeAlias

from greenroom.runtime.contracts import requests
from greenroom.runtime.contracts.values import Json

if TYPE_CHECKING:
    from greenroom.runtime.client.runtime import RuntimeClient


Items: TypeAlias = list[dict[str, Json]]


class LedgerHandle:
    """Money of a workspace, in integer micros."""

    def __init__(self, runtime: "RuntimeClient") -> None:
        self._runtime = runtime

    async def balance(self) -> int:
        """Return grants less charges, in micros."""
        answer = await self._runtime.link.call(requests.Balance(workspace=self._runtime.workspace))
        return int(answer["balance_micros"])

    async def entries(self, run_id: str | None = None, limit: int = 100) -> list[dict[str, Json]]:
        """Return the newest entries, of one run or of all."""
        request = requests.LedgerEntries(workspace=self._runtime.workspace, run_id=run_id, limit=limit)
        return list((await self._runtime.link.call(request))["items"])

    async def grant(self, amount: int, *, key: str) -> None:
        """Give the workspace credit, once for each key. `amount` is in micros."""
        request = requests.Grant(workspace=self._runtime.workspace, amount_micros=amount, key=key)
        await self._runtime.link.call(request)


class ThreadsHandle:
    """Conversations of a workspace."""

    def __init__(self, runtime: "RuntimeClient") -> None:
        self._runtime = runtime

    async def list(self, resource_id: str | None = None, limit: int = 50) -> Items:
        """Return the newest conversations, of one resource or of all."""
        request = requests.ListThreads(workspace=self._runtime.workspace, resource_id=resource_id, limit=limit)
        return [*(await self._runtime.link.call(request))["items"]]

    async def get(self, thread_id: str, limit: int = 100) -> dict[str, Json]:
        """Return a conversation with its last messages, oldest first.

        Raises:
            NotFound: There is none.
        """
        request = requests.GetThread(workspace=self._runtime.workspace, thread_id=thread_id, limit=limit)
        thread: dict[str, Json] = await self._runtime.link.call(request)
        return thread

    async def messages(self, thread_id: str, limit: int = 100) -> Items:
        """Return the last messages of a conversation, oldest first."""
        return [*(await self.get(thread_id, limit))["messages"]]

    async def create(
        self,
        *,
        thread_id: str | None = None,
        resource_id: str | None = None,
        title: str | None = None,
        metadata: dict[str, Json] | None = None,
    ) -> dict[str, Json]:
        """Create a conversation."""
        return await self._put(
            requests.PutThread(
                workspace=self._runtime.workspace,
                thread_id=thread_id or self._runtime.ids.run_id(),
                resource_id=resource_id,
                title=title,
                metadata=metadata or {},
            )
        )

    async def update(
        self, thread_id: str, *, title: str | None = None, metadata: dict[str, Json] | None = None
    ) -> dict[str, Json]:
        """Change a conversation's title or metadata."""
        workspace = self._runtime.workspace
        return await self._put(
            requests.PutThread(workspace=workspace, thread_id=thread_id, title=title, metadata=metadata)
        )

    async def delete(self, thread_id: str, *, key: str | None = None) -> None:
        """Delete a conversation with its messages. The runs that wrote them keep what they were told and said.

        Two deletions with one key are one: the second is no error.

        Raises:
            NotFound: There is none.
        """
        workspace = self._runtime.workspace
        request = requests.Delete(
            workspace=workspace, scope="thread", id=thread_id, key=key or self._runtime.ids.run_id()
        )
        await self._runtime.link.call(request)

    async def _put(self, request: requests.PutThread) -> dict[str, Json]:
        thread: dict[str, Json] = await self._runtime.link.call(request)
        return thread


class WorkspacesHandle:
    """Workspaces of the runtime. One begins with the first thing that is done in it."""

    def __init__(self, runtime: "RuntimeClient") -> None:
        self._runtime = runtime

    async def delete(self, name: str) -> None:
        """Delete everything of a workspace at once: runs, conversations, money, keys. An empty one may be deleted too.

        Nothing of another workspace is touched. `purge` then takes the bytes off the disk.

        Raises:
            RunStillRunning: Something moves in runs of it; `facts["runs"]` names them: cancel them first.
        """
        request = requests.Delete(workspace=name, scope="workspace", key=self._runtime.ids.run_id())
        await self._runtime.link.call(request)
