"""`make bench-storage`: the file store beside SQLite with group commit and beside LangGraph's saver, in one table.

Everything is measured on one machine in one go, the contenders in turn; what is printed are medians, and medians of
the ratios of each round. Databases stand below the working folder, which has to be on a disk, and are removed.
"""

import argparse
import asyncio
import os
import sqlite3
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from benchmarks.storage import opening, size, steps
from benchmarks.storage.line import Line
from benchmarks.storage.scale import QUICK, Scale
from benchmarks.storage.table import show

_PARTS: Final[dict[str, Callable[[Path, Scale], Awaitable[list[Line]]]]] = {
    "steps": steps.steps,
    "lag": steps.lag,
    "size": size.size,
    "growth": size.growth,
    "open": opening.opening,
    "replay": opening.replaying,
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="make bench-storage ARGS=…", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", choices=_PARTS, action="append", help="measure this part only; may be repeated")
    parser.add_argument("--quick", action="store_true", help="one round of small sizes: whether it runs, not how fast")
    options = parser.parse_args()
    scale = QUICK if options.quick else Scale()
    lines: list[Line] = []
    for name in options.only or _PARTS:
        begin = time.perf_counter()
        with tempfile.TemporaryDirectory(dir=".", prefix=".bench-") as folder:
            lines += asyncio.run(_PARTS[name](Path(folder).absolute(), scale))
        print(f"{name}: {time.perf_counter() - begin:.0f} s", file=sys.stderr)
    show(lines, f"{os.cpu_count()} cores, SQLite {sqlite3.sqlite_version}, median of {scale.rounds}")


if __name__ == "__main__":
    main()
