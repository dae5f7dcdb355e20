"""`make bench-parked`: what a hundred thousand runs cost that wait for somebody.

Starts a runtime of its own on this machine (the runtime actor and its workers on Ray, a file store below the working
folder, which has to be on a disk), parks the runs, kills the runtime once, resumes some of them, and prints the table.
"""

import argparse
import asyncio
import dataclasses
import json
import sys
import tempfile
from pathlib import Path

from benchmarks.figures import Row, show
from benchmarks.parked.lives import Lives
from benchmarks.parked.measure import Scale, measure
from greenroom.app import connect
from greenroom.settings import load_config


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="make bench-parked ARGS=…", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=100_000, help="how many wait")
    parser.add_argument("--sample", type=int, default=2_000, help="how many are resumed one after the other")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    options = parser.parse_args()
    scale = Scale(runs=options.runs, sample=min(options.sample, options.runs // 2))
    with (
        tempfile.TemporaryDirectory(dir=".", prefix=".bench-") as folder,
        tempfile.TemporaryDirectory(prefix="grp-", dir="/tmp") as ray_folder,
    ):
        rows = asyncio.run(_measure(Path(folder).absolute(), Path(ray_folder), scale))
    if options.json:
        sys.stdout.write(json.dumps([dataclasses.asdict(row) for row in rows], indent=1) + "\n")
    else:
        show(rows)


async def _measure(folder: Path, ray_folder: Path, scale: Scale) -> list[Row]:
    import ray  # noqa: PLC0415 - after the configuration, which says what Ray reads from the environment

    store = folder / "store"
    config = load_config(
        {"root": str(folder), "storage": f"file://{store}", "runtime.ray_temp_dir": str(ray_folder / "ray")},
        start=folder,
    )
    runtime = await connect("benchmarks.parked.app:app", config=config)
    try:
        return await measure(Lives(runtime, store), scale)
    finally:
        await runtime.shutdown()
        ray.shutdown()


if __name__ == "__main__":
    main()
