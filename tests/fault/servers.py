"""The tests' side of `crash_server`: processes that fork, and let what they forked be killed."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Awaitable, Callable, Generator, Iterable
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

_ROOT: Final = Path(__file__).parents[2]
_COMMAND: Final = (sys.executable, "-m", "tests.fault.crash_server")


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
        """Let a process work on the store and be killed at this operation.

        Args:
            at: From 1; 0 for no death; negative for so many milliseconds after it has opened the store.
        """
        answer = await asyncio.to_thread(self._ask, json.dumps([piece, at, str(root)]))
        assert answer.is_killed is (at != 0) or 0 < answer.calls < at
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


@contextmanager
def running() -> Generator[Servers, None, None]:
    """Start two of them, and end them."""
    processes = [
        subprocess.Popen(_COMMAND, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    try:
        yield Servers((Server(processes[0]), Server(processes[1])))
    finally:
        for process in processes:
            process.communicate()  # the end of its input is the end of its work
