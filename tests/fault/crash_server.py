"""A process that forks one that does a fixed piece of work and is killed at its n-th file operation, or at any moment.

Reads lines of JSON, `[piece of work, n, folder]`: n = 0 for no death, negative for so many milliseconds after it has
opened the store. Answers each with what the process had promised, the number of operations and whether it was killed.
It imports everything once and starts no thread of its own, so a fork is cheap and safe.
"""

import asyncio
import gc
import json
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

from tests.fault.numbered_files import DyingFiles
from tests.fault.work import Say, go_on, work
from tests.fault.writer import write

WORKS: dict[str, Callable[[Path, DyingFiles, Say], Awaitable[None]]] = {
    "work": work,
    "recover": partial(go_on, life="recovered", first=100),
    "recover again": partial(go_on, life="again", first=200),
    "write": write,
}


async def _run(piece: str, at: int, root: Path, pipe: int) -> None:
    files = DyingFiles(at)

    def say(text: str) -> None:
        os.write(pipe, f"{text}\n".encode())

    try:
        await WORKS[piece](root, files, say)
    finally:
        say(f"calls {files.calls}")


def serve() -> None:
    """Answer until the input ends."""
    gc.freeze()  # or every fork would copy what its first collection touches
    for line in sys.stdin:
        piece, at, folder = json.loads(line)
        heard, pipe = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(heard)
            asyncio.run(_run(piece, at, Path(folder), pipe))
            os._exit(0)
        os.close(pipe)
        with os.fdopen(heard) as lines:
            said = [lines.readline().rstrip("\n")]
            if at < 0:
                time.sleep(-at / 1000)  # the moment of the kill is what is random there
                os.kill(child, signal.SIGKILL)
            said += [line.rstrip("\n") for line in lines if line.endswith("\n")]
        _, status = os.waitpid(child, 0)
        calls = next((int(text.split()[1]) for text in said if text.startswith("calls ")), 0)
        is_killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        print(json.dumps([said, calls, is_killed]), flush=True)  # noqa: T201 - its answer


if __name__ == "__main__":
    serve()
