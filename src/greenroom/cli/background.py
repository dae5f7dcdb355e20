"""`up --detach`: the same command in a process of its own, watched until it serves."""

import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from greenroom.app import find_running
from greenroom.cli.failures import CommandFailed

if TYPE_CHECKING:
    from greenroom.runtime.contracts.config import Config

START_LIMIT_S: Final = 180.0
LOG_FILE: Final = Path(".greenroom") / "up.log"


def start_in_background(config: "Config", target: str, **options: Any) -> dict[str, Any]:
    """Start `greenroom up` in a session of its own and return its facts once it serves.

    Args:
        options: Of `up`, by name; None values are left out.

    Raises:
        CommandFailed: It ended, or does not serve in time; the message holds its last line.
    """
    log = Path(config.root) / LOG_FILE
    log.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "greenroom.cli.main", "up", target]
    for name, value in options.items():
        if value is not None:
            command += [f"--{name}", str(value)]
    with log.open("w") as output:
        process = subprocess.Popen(  # noqa: S603 - ourselves
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
    give_up_at = time.monotonic() + START_LIMIT_S
    while time.monotonic() < give_up_at:
        running = find_running(config)
        if running is not None and running.pid == process.pid:
            return {
                "http": running.http,
                "docs": f"{running.http}/docs",
                "app": target,
                "store": running.storage,
                "ray": running.address,
                "pid": running.pid,
                "log": str(log),
            }
        if process.poll() is not None:
            message = f"it did not come up: {_last_line(log)} (see {log})"
            raise CommandFailed(message, {"exit_code": process.returncode})
        time.sleep(0.1)
    process.terminate()
    message = f"it did not serve within {START_LIMIT_S:g} s (see {log})"
    raise CommandFailed(message)


def _last_line(log: Path) -> str:
    lines = [line for line in log.read_text("utf-8", errors="replace").splitlines() if line.strip()]
    return lines[-1].removeprefix("greenroom: ") if lines else "no word from it"
