"""A file outside the system, to which everybody who takes part adds lines: what was begun, done, asked and killed.

One write of one line each, in append mode: the order of the lines is the order of events, whatever process dies.
"""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal

import msgspec

VARIABLE: Final = "KILLS_NOTES"
"""Names the file, for every process of the cluster."""

Kind = Literal["started", "resumed", "refused", "signaled", "finished", "began", "effect", "ended", "killed", "asked"]


class Note(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line.

    Attributes:
        kind: By customers: `started`, `resumed`, `signaled` (acknowledged), `refused` (a second resume), `finished`
            (told as final). By bodies: `began`, `effect` (what must not happen twice), `ended`. By the killer:
            `killed`.
        key: Idempotency key of the attempt.
        what: What was killed, or what the run finished with.
    """

    kind: Kind
    at: float
    run_id: str = ""
    path: str = ""
    attempt: int = 0
    key: str = ""
    pid: int = 0
    what: str = ""


class Notes:
    """The file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.touch()

    def add(
        self, kind: Kind, *, run_id: str = "", path: str = "", attempt: int = 0, key: str = "", what: str = ""
    ) -> None:
        """Add a line."""
        note = Note(
            kind=kind,
            at=time.time(),
            run_id=run_id,
            path=path,
            attempt=attempt,
            key=key,
            pid=os.getpid(),
            what=what,
        )
        file = os.open(self.path, os.O_WRONLY | os.O_APPEND)
        try:
            os.write(file, msgspec.json.encode(note) + b"\n")
        finally:
            os.close(file)

    def __iter__(self) -> Iterator[Note]:
        """Yield what was noted, in order."""
        for line in self.path.read_bytes().splitlines():
            yield msgspec.json.decode(line, type=Note)

    def of(self, kind: Kind, run_id: str | None = None, path: str | None = None) -> list[Note]:
        """Return the lines of one kind, of one run or of all, at one place or at all."""
        return [
            note for note in self if note.kind == kind and run_id in (None, note.run_id) and path in (None, note.path)
        ]


def my_notes() -> Notes:
    """Return the file that this process was told of."""
    return Notes(Path(os.environ[VARIABLE]))
