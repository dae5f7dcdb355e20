"""Measurements in a process of their own: opening, reading and replaying, with nothing warm in the process.

    python -m benchmarks.storage.child <what> <path> <number>

Prints seconds and the peak of the memory as JSON. Imports are not part of the seconds.
"""

import asyncio
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Final, NamedTuple

_SQLITE: Final = "sqlite-"


class Result(NamedTuple):
    """What the child saw.

    Attributes:
        found: What it counted, to be sure that both sides did the same work.
        process_s: From the start of the process to its end, imports and all.
    """

    seconds: float
    found: list[int]
    peak_bytes: int
    process_s: float


def run(what: str, path: Path, number: int = 0) -> Result:
    """Measure in a new process."""
    begin = time.perf_counter()
    command = [sys.executable, "-m", "benchmarks.storage.child", what, str(path), str(number)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)  # noqa: S603 - this module again
    return Result(**json.loads(done.stdout), process_s=time.perf_counter() - begin)


def cool(path: Path) -> None:
    """Drop the file's pages, or those of all files below, from the system's cache."""
    for file in [path] if path.is_file() else [found for found in path.rglob("*") if found.is_file()]:
        descriptor = os.open(file, os.O_RDWR)
        os.fsync(descriptor)  # only clean pages can be dropped
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)


def main() -> None:
    """Do one thing and print what it took. The store is not closed: that would flush, and change the next round."""
    what, path, number = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    if what.startswith(_SQLITE):
        from benchmarks.storage import sqlite_child  # noqa: PLC0415 - each side without the other's libraries

        seconds, found = getattr(sqlite_child, what.removeprefix(_SQLITE))(path, number)
    else:
        from benchmarks.storage import greenroom_child  # noqa: PLC0415 - the same

        seconds, found = asyncio.run(getattr(greenroom_child, what)(path, number))
    print(json.dumps({"seconds": seconds, "peak_bytes": _peak_bytes(), "found": found}), flush=True)
    os._exit(0)


def _peak_bytes() -> int:
    # Not getrusage: its maximum counts what the parent had before the child was started.
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM"))


if __name__ == "__main__":
    main()
