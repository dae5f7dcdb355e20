"""The effect counter: a file outside the system under test, with one line for each execution of an effect.

A line is one `write` to a file that was opened with O_APPEND, so that lines of many processes never mix, and what a
process has written is there after its kill -9. Which file it is stands in the environment, because bodies may run in
processes that only the system knows.
"""

import hashlib
import json
import os
import time
from collections import Counter
from pathlib import Path
from typing import Any, Final

VARIABLE: Final = "PROBE_EFFECTS"
_POLL_S: Final = 0.005
_LONG_S: Final = 3600.0


def exact(value: Any) -> str:
    """Return a text that two values share only if they are the same: type, order, sign of zero and all."""
    return repr(value)


def perform(step: str, argument: Any) -> None:
    """Execute the effect of a step: write its line. Takes its time, or stays here for a kill, where it was told to."""
    path = os.environ[VARIABLE]
    text = exact(argument)
    line = json.dumps([step, hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest(), text[:200]])
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(file, f"{line}\n".encode())
    finally:
        os.close(file)
    work = _beside(path, step, "takes")
    if work.exists():
        time.sleep(float(work.read_text()))
    while _beside(path, step, "trap").exists():
        time.sleep(_LONG_S)


def _beside(path: str | Path, step: str, what: str) -> Path:
    return Path(f"{path}.{what}-{step}")


class Effects:
    """The counter, as the one who asks sees it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def counts(self) -> Counter[str]:
        """Return how often each effect was executed."""
        return Counter(step for step, _, _ in self._lines())

    def arguments(self, step: str) -> list[str]:
        """Return the beginning of what each execution of a step's effect was given."""
        return [text for name, _, text in self._lines() if name == step]

    def was_given(self, step: str, argument: Any) -> bool:
        """Return whether every execution of a step's effect was given exactly this."""
        digest = hashlib.sha256(exact(argument).encode("utf-8", "surrogatepass")).hexdigest()
        found = [sha for name, sha, _ in self._lines() if name == step]
        return bool(found) and set(found) == {digest}

    def set_trap(self, step: str) -> None:
        """Let the next execution of a step's effect stay in its body, after it has acted."""
        _beside(self.path, step, "trap").touch()

    def remove_trap(self, step: str) -> None:
        """Let it pass again."""
        _beside(self.path, step, "trap").unlink()

    def let_take(self, step: str, seconds: float) -> None:
        """Let a step's body take as long as one that does something."""
        _beside(self.path, step, "takes").write_text(str(seconds))

    def wait_for(self, step: str, timeout_s: float) -> None:
        """Return once the effect was executed.

        Raises:
            TimeoutError: It was not.
        """
        give_up_at = time.monotonic() + timeout_s
        while not self.counts()[step]:
            if time.monotonic() > give_up_at:
                raise TimeoutError(f"the effect {step!r} was not executed within {timeout_s} s")
            time.sleep(_POLL_S)

    def _lines(self) -> list[tuple[str, str, str]]:
        if not self.path.exists():
            return []
        lines = self.path.read_text("utf-8").splitlines()
        return [(step, sha, text) for step, sha, text in map(json.loads, lines)]
