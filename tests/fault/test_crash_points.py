"""The process is killed at every single file operation of a fixed piece of work, and of the recovery that follows."""

import asyncio
import json
import shutil
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.fault.work import check

ROOT = Path(__file__).parents[2]


class Answer(NamedTuple):
    """What one process said before it ended."""

    said: list[str]
    calls: int
    is_killed: bool


class Server:
    """The process that forks. Counts those that were killed."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.kills = 0
        self._process = process

    async def run(self, piece: str, root: Path, at: int = 0) -> Answer:
        """Let a process work on the store and be killed at this operation."""
        answer = await asyncio.to_thread(self._ask, json.dumps([piece, at, str(root)]))
        assert answer.is_killed is (at > 0) or answer.calls < at
        self.kills += answer.is_killed
        return answer

    def _ask(self, line: str) -> Answer:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        return Answer(*json.loads(self._process.stdout.readline()))


class Servers(NamedTuple):
    """Two of them, so that one works while what the other left is looked at."""

    both: tuple[Server, Server]

    @property
    def kills(self) -> int:
        return sum(server.kills for server in self.both)

    async def do(self, kill: Callable[[Server, int], Awaitable[None]], places: Iterable[int]) -> None:
        """Call `kill` once for each place."""
        left = iter(places)

        async def work(server: Server) -> None:
            for at in left:
                await kill(server, at)

        await asyncio.gather(*(work(server) for server in self.both))


@pytest.fixture
def servers() -> Iterator[Servers]:
    command = [sys.executable, "-m", "tests.fault.crash_server"]
    processes = [
        subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    try:
        yield Servers((Server(processes[0]), Server(processes[1])))
    finally:
        for process in processes:
            process.communicate()  # the end of its input is the end of its work


async def test_a_kill_at_any_file_operation_loses_nothing(servers: Servers, memory: Path) -> None:
    """Each of open, append, roll, flush, manifest, merge, blob, deletion, purge, compact, sweep and close."""

    async def kill(server: Server, at: int) -> None:
        root = memory / str(at)
        await check(root, (await server.run("work", root, at)).said)
        shutil.rmtree(root)

    calls = (await servers.both[0].run("work", memory / "whole")).calls
    await servers.do(kill, range(1, calls + 1))
    assert servers.kills == calls > 200


async def test_a_kill_at_any_file_operation_of_recovery_loses_nothing(
    servers: Servers, memory: Path, is_long: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    """The recovery after a kill is killed at each of its own operations, and the one after that at one of its own."""

    async def kill(server: Server, at: int) -> None:
        died = memory / f"died-{at}"
        said = (await server.run("work", died, at)).said
        for recovery_at in range(1, 1000):
            root = memory / f"{at}-{recovery_at}"
            shutil.copytree(died, root)
            answer = await server.run("recover", root, recovery_at)
            if "opened" in answer.said:
                break
            later = (await server.run("recover again", root, recovery_at // 2)).said if recovery_at % 5 == 0 else []
            await check(root, [*said, *answer.said, *later])
            shutil.rmtree(root)
        else:
            pytest.fail("the recovery never ends")

    calls = (await servers.both[0].run("work", memory / "whole")).calls
    await servers.do(kill, range(5, calls, 3 if is_long else 59))
    assert servers.kills > (1000 if is_long else 80)
    with capsys.disabled():
        print(f" {servers.kills} kills of recoveries, 0 losses ", end="")  # noqa: T201 - the figure that is asked for
