"""A project's folder, a shell to type commands into, and a runtime in this process that they find up."""

import asyncio
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from typer.testing import CliRunner, Result

from greenroom.app import RunningRuntime, write_run_file
from greenroom.cli.program import program
from greenroom.settings import load_config
from greenroom.sync import BlockingRuntime, EventLoopThread
from tests.serve.cast import make_app
from tests.serve.stage import ScriptedTurns, Stage, staged

Shell = Callable[..., Result]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project, which is the current folder; what the machine's environment says does not count."""
    for name in list(os.environ):
        if name.startswith(("GREENROOM_", "OPENAI_")):
            monkeypatch.delenv(name)
    (tmp_path / "greenroom.toml").write_text("")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def shell(project: Path) -> Shell:
    """Runs a command line of `greenroom` in the project's folder."""
    del project
    runner = CliRunner()

    def run(*arguments: str, stdin: str | None = None) -> Result:
        return runner.invoke(program, list(arguments), input=stdin)

    return run


class RunningStage:
    """A whole runtime with its HTTP side, on a loop of its own."""

    def __init__(self) -> None:
        self.turns = ScriptedTurns()
        self.loop = EventLoopThread()
        self._opened = staged(make_app(), self.turns)
        self._stage: Stage | None = None
        self._server: uvicorn.Server | None = None
        self._serving: asyncio.Task[None] | None = None

    @property
    def handle(self) -> BlockingRuntime:
        """The runtime's own handle, as `sync.connect` gives it."""
        assert self._stage is not None
        return BlockingRuntime(self._stage.harness.client, self.loop)

    async def open(self, listener: socket.socket) -> None:
        """Serve at a socket."""
        self._stage = await self._opened.__aenter__()
        self._server = uvicorn.Server(uvicorn.Config(self._stage.api, lifespan="off", log_config=None))
        self._serving = asyncio.create_task(self._server.serve(sockets=[listener]))

    async def close(self) -> None:
        """Stop serving and end the runtime."""
        assert self._server is not None
        assert self._serving is not None
        self._server.should_exit = True
        await self._serving
        await self._opened.__aexit__(None, None, None)


@pytest.fixture
def running(project: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunningStage]:
    """A runtime that is up for the project: over real HTTP, and through the handle where a command would join Ray."""
    del project
    stage = RunningStage()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        # uvicorn's own signal handlers belong to a main thread.
        monkeypatch.setattr(uvicorn.Server, "capture_signals", lambda _server: _Nothing())
        stage.loop.run(stage.open(listener))
        here = RunningRuntime(address="127.0.0.1:1", http=url, pid=os.getpid(), storage="memory://")
        write_run_file(load_config(), here)
        monkeypatch.setattr("greenroom.sync.connect", lambda **_options: _Shared(stage.handle))
        yield stage
        stage.loop.run(stage.close())
    stage.loop.close()


class _Nothing:
    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        return None


class _Shared:
    """Gives a handle whose loop other commands use after this one."""

    def __init__(self, handle: BlockingRuntime) -> None:
        self._handle = handle

    def __enter__(self) -> Any:
        return self._handle

    def __exit__(self, *_: object) -> None:
        return None
