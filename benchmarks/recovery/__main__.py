"""`make bench-recovery`: seconds from kill -9 to the next durable step of a run that was going.

Starts a runtime of its own on this machine (the runtime actor and two step workers on Ray, a file store below the
working folder, which has to be on a disk), lets runs wait for a person in it, and kills parts of it round after round.
Nothing is done for a run that was interrupted.
"""

import argparse
import asyncio
import dataclasses
import json
import os
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.figures import Row, percentile, show
from benchmarks.recovery import head
from benchmarks.recovery.app import TICKS_VARIABLE
from benchmarks.recovery.kills import Kills
from benchmarks.recovery.ticks import Ticks
from greenroom.app import connect
from greenroom.runtime.client.runtime import RuntimeClient
from greenroom.settings import load_config

WORKERS = 2
AT_ONCE = 200


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="make bench-recovery ARGS=…", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=100, help="kills of a worker, and of the runtime")
    parser.add_argument("--heads", type=int, default=10, help="kills of everything")
    parser.add_argument("--open", type=int, default=10_000, help="runs that wait for a person meanwhile")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(dir=".", prefix=".bench-") as folder,
        tempfile.TemporaryDirectory(prefix="grr-", dir="/tmp") as ray_folder,
    ):
        os.environ[TICKS_VARIABLE] = f"{Path(folder).absolute()}/ticks"
        rows = asyncio.run(_measure(Path(folder).absolute(), Path(ray_folder), options))
    if options.json:
        sys.stdout.write(json.dumps([dataclasses.asdict(row) for row in rows], indent=1) + "\n")
    else:
        show(rows, figure="to the next durable step")


async def _measure(folder: Path, ray_folder: Path, options: argparse.Namespace) -> list[Row]:
    import ray  # noqa: PLC0415 - after the configuration, which says what Ray reads from the environment

    store = f"file://{folder}/store"
    ticks = Ticks(folder / "ticks")
    overrides = {
        "root": str(folder),
        "storage": store,
        "runtime.ray_temp_dir": str(ray_folder / "ray"),
        "runtime.step_workers": WORKERS,
    }
    runtime = await connect("benchmarks.recovery.app:app", config=load_config(overrides, start=folder))
    few = max(1, options.rounds // 5)
    rows: list[Row] = []
    try:
        kills = Kills(runtime=runtime, ticks=ticks, workers=WORKERS)
        rows.append(_row("the worker with the step", await kills.of_workers(options.rounds), "p99 under 2 s"))
        rows.append(_row("all workers", await kills.of_all_workers(few)))
        begin = time.perf_counter()
        await _let_wait(runtime, options.open)
        waiting = f"{options.open:,} open runs"
        _say(f"{waiting} after {time.perf_counter() - begin:.0f} s")
        rows.append(_row(f"the runtime, {waiting}", await kills.of_the_runtime(options.rounds), "p99 under 5 s"))
        rows.append(_row(f"runtime and all workers, {waiting}", await kills.of_runtime_and_workers(few)))
    finally:
        await runtime.shutdown()
        ray.shutdown()
    times = await head.restarts(store, ticks, options.heads)
    rows.append(_row(f"the head with everything, {waiting}; a new cluster is started at once", times, "under 15 s"))
    ticks.close()
    return rows


async def _let_wait(runtime: RuntimeClient, count: int) -> None:
    workflow = runtime.workflow("asking")
    for start in range(0, count, AT_ONCE):
        runs = await asyncio.gather(*(workflow.start(number) for number in range(start, min(count, start + AT_ONCE))))
        await asyncio.gather(*(run.result() for run in runs))


def _row(what: str, times: list[float], aim: str = "") -> Row:
    p50, p99 = percentile(times, 0.5), percentile(times, 0.99)
    figure = f"p50 {p50:.2f} s, p99 {p99:.2f} s, longest {max(times):.2f} s of {len(times)}"
    _say(f"{what}: {figure}")
    return Row(name=f"kill -9 of {what}", figure=figure, aim=aim)


def _say(text: str) -> None:
    sys.stderr.write(f"{time.strftime('%H:%M:%S')}  {text}\n")


if __name__ == "__main__":
    main()
