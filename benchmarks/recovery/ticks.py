"""The file in which steps note that they begin."""

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

LOOK_S: Final = 0.005
LIMIT_S: Final = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """A step began.

    Attributes:
        number: Of the step in its run, from 0; the same again when it is executed again.
        pid: The process that executes it.
    """

    at: float
    run_id: str
    number: int
    pid: int


class Ticks:
    """Reads the file as it grows."""

    def __init__(self, path: Path) -> None:
        path.touch()
        self._file = os.open(path, os.O_RDONLY)
        self._rest = b""
        self._seen: list[Tick] = []

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._file)

    def of(self, run_id: str) -> list[Tick]:
        """Return what has been noted of a run."""
        data = self._rest + os.read(self._file, 1 << 20)
        *lines, self._rest = data.split(b"\n")
        for line in lines:
            at, run, number, pid = line.decode().split()
            self._seen.append(Tick(at=float(at), run_id=run, number=int(number), pid=int(pid)))
        return [tick for tick in self._seen if tick.run_id == run_id]

    async def reach(self, run_id: str, number: int) -> Tick:
        """Return the beginning of a run's step with this number or a later one, once it has begun.

        Raises:
            TimeoutError: It does not.
        """
        async with asyncio.timeout(LIMIT_S):
            while True:
                found = [tick for tick in self.of(run_id) if tick.number >= number]
                if found:
                    return found[0]
                await asyncio.sleep(LOOK_S)
