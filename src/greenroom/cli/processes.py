"""The processes of this machine, as `ps` lists them: which ones descend from us, which ones are still there."""

import os
import signal
import subprocess
import time
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final

_PS: Final = ("ps", "-axo", "pid=,ppid=,state=,lstart=,command=")
_DATE_WORDS: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """One process; `started` tells it from a later one with the same id."""

    pid: int
    parent: int
    started: str
    command: str


def list_processes() -> dict[int, Process]:
    """Return every living process by its id; what has ended and only waits to be collected does not count."""
    listing = subprocess.run(_PS, check=True, capture_output=True, text=True).stdout  # noqa: S603 - a constant
    found: dict[int, Process] = {}
    for line in listing.splitlines():
        pid, parent, state, *rest = line.split(None, 3 + _DATE_WORDS)
        if not state.startswith("Z"):
            command = rest[_DATE_WORDS] if len(rest) > _DATE_WORDS else ""
            found[int(pid)] = Process(
                pid=int(pid), parent=int(parent), started=" ".join(rest[:_DATE_WORDS]), command=command
            )
    return found


def descendants(pid: int, among: dict[int, Process] | None = None) -> dict[int, Process]:
    """Return the processes that descend from one."""
    processes = list_processes() if among is None else among
    found: dict[int, Process] = {}
    grown = {pid}
    while grown:
        grown = {item.pid for item in processes.values() if item.parent in grown and item.pid not in found}
        found.update({item: processes[item] for item in grown})
    return found


class Watch:
    """Remembers every process that this one has started, so that it can be told afterwards which are left."""

    def __init__(self, *, marks: Iterable[str] = ()) -> None:
        self._marks = tuple(marks)
        self._before = set(list_processes())
        self._seen: dict[int, Process] = {}

    def look(self) -> int:
        """Note who descends from us now, or carries a mark in its command; return how many were ever seen."""
        processes = list_processes()
        self._seen.update(descendants(os.getpid(), processes))
        for process in processes.values():
            if process.pid not in self._before and any(mark in process.command for mark in self._marks):
                self._seen[process.pid] = process
        return len(self._seen)

    def left(self, within_s: float = 10.0) -> list[Process]:
        """Return the processes that are still there after at most `within_s`."""
        give_up_at = time.monotonic() + within_s
        while True:
            self.look()
            processes = list_processes()
            left = [
                process
                for pid, process in self._seen.items()
                if pid in processes
                and processes[pid].started == process.started
                and not process.command.startswith("ps ")
            ]
            if not left or time.monotonic() >= give_up_at:
                return left
            time.sleep(0.2)


def kill_all(pids: AbstractSet[int]) -> None:
    """End processes at once, those that are left."""
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
