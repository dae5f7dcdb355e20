"""The blocking twin of every handle, for scripts: `with greenroom.sync.connect(app) as runtime: …`.

Nothing of the client is written twice. One thread runs an event loop; what a handle's methods await is awaited there,
and what they yield is yielded here.
"""

import asyncio
import inspect
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

if TYPE_CHECKING:
    from greenroom.runtime.client.runtime import RuntimeClient
    from greenroom.runtime.contracts.config import Config
    from greenroom.runtime.definitions.app import App

T = TypeVar("T")

_HANDLES: Final = "greenroom.runtime.client."
_STOP_S: Final = 10.0


class EventLoopThread:
    """An event loop in a thread of its own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="greenroom-sync", daemon=True)
        self._thread.start()

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Return what the coroutine returns; it is cancelled when this thread is interrupted.

        Raises:
            RuntimeError: The loop was closed, or this is its own thread.
        """
        if self._loop.is_closed() or threading.current_thread() is self._thread:
            coroutine.close()
            raise RuntimeError("this handle was closed; connect again")
        future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def iterate(self, source: AsyncIterator[T]) -> Iterator[T]:
        """Yield what the source yields; it is closed when the caller stops early."""
        end = object()
        try:
            while (item := self.run(_next(source, end))) is not end:
                yield item
        finally:
            close = getattr(source, "aclose", None)
            if close is not None and not self._loop.is_closed():
                self.run(close())

    def close(self) -> None:
        """Cancel what is still awaited and end the thread. Safe to repeat."""
        if self._loop.is_closed():
            return
        self.run(_cancel_others())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_STOP_S)
        self._loop.close()


async def _next(source: AsyncIterator[Any], end: object) -> Any:
    return await anext(source, end)


async def _cancel_others() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


class Blocking:
    """A handle whose coroutine methods block and whose async iterators are plain ones.

    Has the attributes of the handle it stands for; handles that come out of it are blocking too.

    Args:
        handle: A handle of `greenroom.runtime.client`.
        loop: Where it lives.
    """

    def __init__(self, handle: Any, loop: EventLoopThread) -> None:
        self._handle = handle
        self._loop = loop

    def __getattr__(self, name: str) -> Any:
        return _blocking(getattr(self._handle, name), self._loop)

    def __dir__(self) -> list[str]:
        return [name for name in dir(self._handle) if not name.startswith("_")]

    def __repr__(self) -> str:
        return f"<blocking {self._handle!r}>"


class BlockingRuntime(Blocking):
    """A runtime's handle for scripts; closes its event loop, not the runtime, when it is left."""

    def workflow(self, workflow_id: str) -> Any:
        """Return a handle of a workflow: `start`, `run`."""
        return Blocking(self._handle.workflow(workflow_id), self._loop)

    def agent(self, agent_id: str) -> Any:
        """Return a handle of an agent: `generate`, `stream`, `approve`, `decline`."""
        return Blocking(self._handle.agent(agent_id), self._loop)

    def tool(self, tool_id: str) -> Any:
        """Return a handle of a tool: `execute`."""
        return Blocking(self._handle.tool(tool_id), self._loop)

    def run(self, run_id: str) -> Any:
        """Return a handle of an existing run: `get`, `result`, `events`, `resume`, `signal`, `cancel`.

        Raises:
            RunNotFound: There is none in this workspace.
        """
        return Blocking(self._loop.run(self._handle.run(run_id)), self._loop)

    def close(self) -> None:
        """Let go of the runtime, which stays up. Safe to repeat."""
        self._loop.close()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()


def _blocking(value: Any, loop: EventLoopThread) -> Any:
    if inspect.ismethod(value) or inspect.isfunction(value):
        return _call_blocking(value, loop)
    if type(value).__module__.startswith(_HANDLES) and type(value).__name__.endswith(("Handle", "Client")):
        return Blocking(value, loop)
    return value


def _call_blocking(function: Callable[..., Any], loop: EventLoopThread) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        result = function(*args, **kwargs)
        if inspect.iscoroutine(result):
            result = loop.run(result)
        elif isinstance(result, AsyncIterator):
            return loop.iterate(result)
        return _blocking(result, loop)

    call.__name__, call.__doc__ = getattr(function, "__name__", "call"), function.__doc__
    return call


def wrap(client: "RuntimeClient") -> BlockingRuntime:
    """Return the blocking twin of a client that no event loop uses yet."""
    return BlockingRuntime(client, EventLoopThread())


def connect(
    app: "App | str | None" = None,
    *,
    workspace: str = "default",
    address: str | None = None,
    config: "Config | None" = None,
    storage: str | None = None,
) -> BlockingRuntime:
    """Return a blocking handle of a runtime; arguments and errors are those of `greenroom.connect`."""
    from greenroom.app import connect as connect_async  # noqa: PLC0415 - importing greenroom.sync shall be quick

    loop = EventLoopThread()
    try:
        client = loop.run(connect_async(app, workspace=workspace, address=address, config=config, storage=storage))
    except BaseException:
        loop.close()
        raise
    return BlockingRuntime(client, loop)
