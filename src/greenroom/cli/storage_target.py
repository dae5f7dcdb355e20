"""Which store a command is about, and whether a runtime has it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, NamedTuple, TypeVar

import typer

from greenroom.cli.failures import UsageError

if TYPE_CHECKING:
    from greenroom.app import RunningRuntime
    from greenroom.runtime.contracts.records import Table
    from greenroom.runtime.contracts.storage import Storage

T = TypeVar("T")

StorageOption = Annotated[
    str | None,
    typer.Option("--storage", help="URL or folder of the store; left out, the one of the runtime or the project."),
]


class StoreTarget(NamedTuple):
    """A store.

    Attributes:
        running: The runtime that is up on it here, if one is.
        retention_s: How long its rows are kept, as this project's configuration says; another's store is left its own.
    """

    url: str
    running: "RunningRuntime | None"
    retention_s: "dict[Table, float]" = {}  # noqa: RUF012 - a field's default, which nobody changes

    @property
    def place(self) -> str:
        """Where it is, for people."""
        return self.url.removeprefix("file://")


def choose_store(given: str | None) -> StoreTarget:
    """Return the store that was named; else that of the runtime that is up for this project; else the project's.

    Raises:
        ConfigError: No store is known for the URL.
    """
    from greenroom.app import find_running, rows_kept_s, storage_url
    from greenroom.settings import load_config

    config = load_config({"storage": given})
    url, running = storage_url(config), find_running(config)
    if running is not None and (given is None or _same(running.storage, url)):
        return StoreTarget(running.storage, running)
    return StoreTarget(url, None, rows_kept_s(config) if given is None else {})


def refuse_memory(target: StoreTarget) -> None:
    """Refuse a store that only its runtime's process can see.

    Raises:
        UsageError: It is one.
    """
    if target.url == "memory://":
        raise UsageError("the store is memory://, which is in its runtime's process only; name a folder with --storage")


def open_and(target: StoreTarget, work: "Callable[[Storage], Awaitable[T]]") -> T:
    """Open the store for writing, do the work, and close it. One that is not there is not made.

    Raises:
        StorageError: There is no store there, or another process has it.
    """
    from greenroom.storage.open import open_storage
    from greenroom.storage.reader import StoreReader

    refuse_memory(target)
    StoreReader(target.url).stats()

    async def run() -> T:
        storage = await open_storage(target.url, retention_s=target.retention_s)
        try:
            return await work(storage)
        finally:
            await storage.close()

    return asyncio.run(run())


def _same(one: str, other: str) -> bool:
    return one.removeprefix("file://").rstrip("/") == other.removeprefix("file://").rstrip("/")
