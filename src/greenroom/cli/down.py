"""`greenroom down`: stop the runtime that `up` started for this project."""

import os
import signal
import time
from typing import Annotated

import typer

from greenroom.cli.terminal import JsonFlag, say, write_json


def down(
    *,
    timeout: Annotated[float, typer.Option("--timeout", help="Seconds to wait for it to end.")] = 60.0,
    as_json: JsonFlag = False,
) -> None:
    """Stop the runtime that is up for this project; what is suspended stays in the store."""
    from greenroom.app import find_running
    from greenroom.cli.failures import CommandFailed
    from greenroom.cli.processes import list_processes
    from greenroom.runtime.contracts.errors import RuntimeUnavailable
    from greenroom.settings import load_config

    config = load_config()
    running = find_running(config)
    if running is None:
        message = f"no runtime is up for {config.root}"
        raise RuntimeUnavailable(message)
    began = time.monotonic()
    os.kill(running.pid, signal.SIGTERM)
    while running.pid in list_processes():
        if time.monotonic() - began > timeout:
            message = f"process {running.pid} is still stopping after {timeout:g} s; look at .greenroom/up.log"
            raise CommandFailed(message, {"pid": running.pid})
        time.sleep(0.2)
    seconds = round(time.monotonic() - began, 2)
    if as_json:
        write_json({"stopped": True, "pid": running.pid, "seconds": seconds})
    else:
        say(f"stopped (process {running.pid}, {seconds:.1f} s)")
