"""`python -m benchmarks`: what a step, a fan-out, an HTTP call and a first token cost, all from one run.

Starts a runtime of its own (a cluster on this machine, a file store in a temporary folder, Serve on a free port), runs
every benchmark in it, prints one table and the machine it ran on, and leaves nothing behind.
"""

import argparse
import asyncio
import dataclasses
import json
import os
import socket
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks import first_token, http, memory, steps
from benchmarks.figures import Row, show
from greenroom.actors.rehearsal.server import RehearsalServer
from greenroom.app import connect
from greenroom.serve import deployment
from greenroom.settings import load_config


def main() -> None:
    """Run all benchmarks and print them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument("--quick", action="store_true", help="fewer repetitions, for a first look")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="grb-", dir="/tmp") as folder:
        rows = asyncio.run(_measure(Path(folder), is_quick=options.quick))
    if options.json:
        sys.stdout.write(json.dumps([dataclasses.asdict(row) for row in rows], indent=1) + "\n")
    else:
        show(rows, aim="first aim")


async def _measure(folder: Path, *, is_quick: bool) -> list[Row]:
    import ray  # noqa: PLC0415 - after the configuration, which says what Ray reads from the environment

    repetitions = 1 if is_quick else 5
    with RehearsalServer() as server:
        config = load_config(
            {
                "root": str(folder),
                "storage": f"file://{folder}/store",
                "runtime.ray_temp_dir": str(folder / "ray"),
                "models.rehearsal": {"base_url": server.base_url, "api_key": "rehearsal"},
                "serve.port": _free_port(),
            },
            start=folder,
        )
        runtime = await connect("benchmarks.app:app", config=config)
        try:
            deployment.deploy(config.serve.model_dump_json(), replicas=1)
            base_url = f"http://{config.serve.host}:{config.serve.port}"
            rows: list[Row] = []
            rows += await steps.sequential(runtime, repetitions)
            rows += await steps.fan_out(runtime, repetitions)
            rows += await http.round_trips(base_url, 40 * repetitions)
            rows += await first_token.added(runtime, server, 10 * repetitions)
            rows += memory.processes(os.getpid())
        finally:
            deployment.undeploy()
            await runtime.shutdown()
            ray.shutdown()
    return rows


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: Any = probe.getsockname()[1]
        return int(port)


if __name__ == "__main__":
    main()
