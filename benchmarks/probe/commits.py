"""Where a system commits: counted, and where the process dies by its own kill -9 when it was told to.

An adapter calls `begin` right before what makes a commit durable, and `end` right after it.
"""

import os
import shutil
import signal
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Moment = Literal["before", "after"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Boundary:
    """A moment at a commit.

    Attributes:
        number: Of the commit, from 1, in this process since the system is open.
    """

    number: int
    moment: Moment

    def __str__(self) -> str:
        """Say it in words."""
        return f"{self.moment} commit {self.number}"


class Commits:
    """The commits of one process.

    Args:
        die_at: Where this process ends.
        copied: A folder that is copied after every commit, and where the numbered copies go.
    """

    def __init__(self, die_at: Boundary | None = None, copied: tuple[Path, Path] | None = None) -> None:
        self.count = 0
        self._die_at = die_at
        self._copied = copied
        self._is_on = False
        self._lock = threading.Lock()

    def switch_on(self) -> None:
        """Count from here: the system is open, and what it wrote for that is not part of any run."""
        self._is_on = True

    def begin(self) -> int:
        """Count a commit that is about to be made; return its number."""
        with self._lock:
            if self._is_on:
                self.count += 1
            number = self.count
        self._reach(number, "before")
        return number

    def end(self, number: int) -> None:
        """Say that the commit with this number is durable."""
        self._reach(number, "after")
        if self._copied is not None and self._is_on:
            source, target = self._copied
            shutil.copytree(source, target / f"{number:04}")

    def _reach(self, number: int, moment: Moment) -> None:
        if self._is_on and self._die_at == Boundary(number=number, moment=moment):
            os.kill(os.getpid(), signal.SIGKILL)
            signal.pause()  # the signal is on its way; nothing more is done here
