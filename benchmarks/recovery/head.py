"""The head of a cluster is killed with everything on it; a new cluster is started over the store.

`python -m benchmarks.recovery.head FOLDER NUMBER` is one life: it connects, as whoever comes next does, starts a run in
the first life only, and waits to be killed.
"""

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.recovery.app import TICKS_VARIABLE
from benchmarks.recovery.kills import WARM_TICKS
from benchmarks.recovery.ticks import Ticks
from greenroom.cli.processes import descendants


async def restarts(store: str, ticks: Ticks, rounds: int) -> list[float]:
    """Return the seconds from each kill to the run's next durable step in a cluster that was started at once.

    Args:
        store: URL of the store, with whatever else is in it.
    """
    run_id = f"restarted-{time.time_ns()}"
    times: list[float] = []
    with tempfile.TemporaryDirectory(prefix="grr-", dir="/tmp", ignore_cleanup_errors=True) as folder:
        life = _start(folder, 0, store, run_id)
        await ticks.reach(run_id, WARM_TICKS)
        for number in range(1, rounds + 1):
            killed_at = time.time()
            _kill(life)
            under_way = max(tick.number for tick in ticks.of(run_id))
            life = _start(folder, number, store, run_id)
            begun = await ticks.reach(run_id, under_way + 1)
            times.append(begun.at - killed_at)
            await ticks.reach(run_id, under_way + WARM_TICKS)
        _kill(life)
    return times


def _start(folder: str, number: int, store: str, run_id: str) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "benchmarks.recovery.head", folder, str(number), store, run_id]
    return subprocess.Popen(command, env={**os.environ}, stdout=subprocess.DEVNULL)  # noqa: S603 - ourselves


def _kill(life: "subprocess.Popen[bytes]") -> None:
    for pid in (life.pid, *descendants(life.pid)):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    life.wait()


async def live(folder: str, number: str, store: str, run_id: str) -> None:
    """Connect; in the first life, start the run."""
    from greenroom.app import connect  # noqa: PLC0415 - the import is part of what is measured, as in any program
    from greenroom.settings import load_config  # noqa: PLC0415 - as above

    config = load_config(
        {"root": folder, "storage": store, "runtime.ray_temp_dir": f"{folder}/{number}"}, start=Path(folder)
    )
    runtime: Any = await connect("benchmarks.recovery.app:app", config=config)
    if number == "0":
        await runtime.workflow("ticking").start(0, run_id=run_id)
    await asyncio.Event().wait()


if __name__ == "__main__":
    assert TICKS_VARIABLE in os.environ
    asyncio.run(live(*sys.argv[1:5]))
