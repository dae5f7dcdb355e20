"""What a virtual machine's host takes of its processors: others' work there, which shows in every tail here."""

import os
import time
from pathlib import Path


class Steal:
    """The share of processor time that the host took since this was made, as the kernel counts it (`proc(5)`)."""

    def __init__(self) -> None:
        self._begin = time.perf_counter()
        self._stolen_s = _stolen_s()

    def share(self) -> float:
        """Return it, from 0 to 1; 0 on a machine of its own."""
        every_s = (time.perf_counter() - self._begin) * (os.cpu_count() or 1)
        return (_stolen_s() - self._stolen_s) / every_s


def _stolen_s() -> float:
    of_all = Path("/proc/stat").read_text().partition("\n")[0].split()
    return int(of_all[8]) / os.sysconf("SC_CLK_TCK")
