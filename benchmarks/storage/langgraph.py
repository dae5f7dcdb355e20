"""LangGraph's AsyncSqliteSaver, called as its loop calls it in each step: the writes, then the checkpoint."""

import uuid
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from langgraph.checkpoint.base.id import uuid6
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

from benchmarks.storage.workload import Run

_CHANNEL = "state"


class LangGraph:
    """See `Contender`."""

    name = "LangGraph"

    def __init__(self, saver: AsyncSqliteSaver, opened: AbstractAsyncContextManager[AsyncSqliteSaver]) -> None:
        self._saver = saver
        self._opened = opened
        self._configs: dict[str, Any] = {}

    @classmethod
    async def open(cls, path: Path) -> Self:
        """Return the saver on this database, with its own settings."""
        opened = AsyncSqliteSaver.from_conn_string(str(path))
        saver = await opened.__aenter__()
        await saver.setup()
        async with saver.conn.execute("PRAGMA synchronous") as cursor:
            assert await cursor.fetchone() == (2,), "this build of SQLite does not sync every commit by default"
        return cls(saver, opened)

    async def step(self, run: Run) -> None:
        """See `Contender`."""
        row, _ = run.step()
        config = self._configs.get(run.run_id) or self._first(run)
        await self._saver.aput_writes(config, [(_CHANNEL, row.body)], str(uuid.uuid4()))
        self._configs[run.run_id] = await self._put(config, row.group, row.body)

    async def settle(self) -> None:
        """See `Contender`."""
        await self._saver.conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    async def close(self) -> None:
        """See `Contender`."""
        await self._opened.__aexit__(None, None, None)

    def _first(self, run: Run) -> Any:
        # As if the checkpoint of the input were there: a start is no step.
        return {"configurable": {"thread_id": run.run_id, "checkpoint_ns": "", "checkpoint_id": str(uuid6())}}

    async def _put(self, config: Any, step: int, body: bytes) -> Any:
        version = f"{step + 1:032}.{0.5}"
        checkpoint: Any = {
            "v": 4,
            "id": str(uuid6(clock_seq=step)),
            "ts": datetime.now(UTC).isoformat(),
            "channel_values": {_CHANNEL: body},
            "channel_versions": {_CHANNEL: version},
            "versions_seen": {"__input__": {}, "step": {_CHANNEL: version}},
            "updated_channels": [_CHANNEL],
        }
        metadata: Any = {"source": "loop", "step": step, "parents": {}}
        return await self._saver.aput(config, checkpoint, metadata, {_CHANNEL: version})
