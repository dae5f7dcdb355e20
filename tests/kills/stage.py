"""A cluster of this machine's processes with a runtime on it, and the ways in which parts of it die.

Must be set up before Ray is imported: Ray reads the environment then. So whoever uses it is a process of its own.
"""

import contextlib
import os
import secrets
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from greenroom.cli.processes import descendants, list_processes
from tests.kills.notes import VARIABLE, Notes

OBJECT_STORE_BYTES: Final = 100 * 1024 * 1024

MAX_STARTS: Final = 3

RUNTIME: Final = ("RuntimeActor",)
WORKERS: Final = ("StepWorker", "AgentActor", "ToolActor")


def prepare(folder: Path) -> Notes:
    """Set the environment for clusters below a folder, and return the file that everybody writes to."""
    token = folder / "token"
    if not token.exists():
        token.touch(mode=0o600)
        token.write_text(secrets.token_hex(32))
    os.environ.update(
        {
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN_PATH": str(token),
            # Where a cluster's address is written for whoever names none: nobody else is to find this one.
            "RAY_TMPDIR": str(folder),
            "RAY_DEDUP_LOGS": "0",
            "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
            # A node that is silent for nine seconds is dead; by default it takes over a minute.
            "RAY_health_check_initial_delay_ms": "1000",
            "RAY_health_check_period_ms": "1000",
            "RAY_health_check_timeout_ms": "3000",
            "RAY_health_check_failure_threshold": "3",
            # By default Ray's processes yield to all others, and on a busy machine nothing comes up in time.
            "RAY_worker_niceness": "0",
            VARIABLE: str(folder / "notes"),
        }
    )
    return Notes(folder / "notes")


class Stage:
    """A head without CPUs and other nodes, which can be killed.

    Attributes:
        nodes: The other nodes, by the id of their main process.
    """

    def __init__(self, folder: Path) -> None:
        from ray.cluster_utils import Cluster

        self._cluster: Any = Cluster(
            initialize_head=True,
            head_node_args={
                "num_cpus": 0,
                "include_dashboard": False,
                "object_store_memory": OBJECT_STORE_BYTES,
                "temp_dir": str(folder / "ray"),
                "dashboard_agent_listen_port": None,  # any: the usual one is another cluster's, if there is one
            },
        )
        self.address = str(self._cluster.address)
        self.nodes: dict[int, Any] = {}

    def add_node(self, **options: Any) -> int:
        """Add a node and return the id of its main process."""
        node = self._started(options)
        pid = raylet(node)
        self.nodes[pid] = node
        return pid

    def _started(self, options: dict[str, Any]) -> Any:
        """Return a new node; Ray gives up after thirty seconds, which may be too few on a busy machine."""
        for _ in range(MAX_STARTS - 1):
            with contextlib.suppress(Exception):
                return self._cluster.add_node(num_cpus=2, object_store_memory=OBJECT_STORE_BYTES, **options)
        return self._cluster.add_node(num_cpus=2, object_store_memory=OBJECT_STORE_BYTES, **options)

    def kill_node(self, pid: int) -> None:
        """Kill every process of a node at once: its workers die with it."""
        for child in (pid, *processes_below([pid])):
            kill(child)

    def bury(self, pid: int) -> None:
        """Strike a killed node off the list."""
        self._cluster.remove_node(self.nodes.pop(pid), allow_graceful=False)

    def runtimes(self) -> list[int]:
        """Return the processes of the runtime actor: one, or none while it is between two lives."""
        return self.find(RUNTIME)

    def workers(self) -> list[int]:
        """Return the processes that execute bodies and model turns."""
        return self.find(WORKERS)

    def find(self, titles: Sequence[str]) -> list[int]:
        """Return the processes of actors of these classes, on all nodes."""
        return processes_below([raylet(self._cluster.head_node), *self.nodes], titles)

    def close(self) -> None:
        """End every process of the cluster."""
        import ray

        ray.shutdown()
        left = processes_below([os.getpid()])
        self._cluster.shutdown()
        for pid in left:
            kill(pid)


def raylet(node: Any) -> int:
    """Return a node's main process: the actors on it are its children."""
    return int(node.all_processes["raylet"][0].process.pid)


def processes_below(pids: Sequence[int], titles: Sequence[str] = ("",)) -> list[int]:
    """Return the descendants of processes whose command has one of these words in it."""
    among = list_processes()
    found: set[int] = set()
    for pid in pids:
        for child in descendants(pid, among).values():
            if any(title in child.command for title in titles):
                found.add(child.pid)
    return sorted(found)


def kill(pid: int, number: signal.Signals = signal.SIGKILL) -> bool:
    """Send a signal to a process; False when it is gone already."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


def is_there(pid: int) -> bool:
    """Tell whether a process lives."""
    return pid in list_processes()
