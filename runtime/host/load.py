"""How many runs are in motion, and the refusal of more.

A run in motion is in memory. What was accepted goes on whatever the load; only new runs are refused.
"""

from collections import Counter
from typing import Final

from greenroom.runtime.contracts.errors import RateLimited
from greenroom.runtime.core.state import RunState

RETRY_AFTER_S: Final = 1.0


class Load:
    """Counts runs in motion.

    Args:
        most: Most runs in motion.
        most_of: The same for single workspaces, by name.
        most_of_each: The same for every other workspace; None leaves them to share `most`.
    """

    def __init__(self, most: int, most_of: dict[str, int] | None = None, most_of_each: int | None = None) -> None:
        self._most = most
        self._most_of = most_of or {}
        self._most_of_each = most_of_each
        self._moving: dict[str, str] = {}
        self._of: Counter[str] = Counter()

    def __len__(self) -> int:
        """How many runs are in motion."""
        return len(self._moving)

    def note(self, run: RunState) -> None:
        """Take notice of whether a run is in motion now."""
        if run.root.busy and run.run_id not in self._moving:
            self._moving[run.run_id] = run.started.workspace
            self._of[run.started.workspace] += 1
        elif not run.root.busy:
            self.forget(run.run_id)

    def forget(self, run_id: str) -> None:
        """Count a run no more."""
        workspace = self._moving.pop(run_id, None)
        if workspace is not None:
            self._of[workspace] -= 1
            if not self._of[workspace]:
                del self._of[workspace]

    def check(self, workspace: str) -> None:
        """Refuse a new run where there are too many.

        Raises:
            RateLimited: `facts["retry_after_s"]` says when to try again.
        """
        most = self._most_of.get(workspace, self._most_of_each)
        if most is not None and self._of[workspace] >= most:
            self._refuse(
                f"workspace {workspace!r} has {self._of[workspace]} runs in motion, and {most} are its limit", most
            )
        if len(self._moving) >= self._most:
            self._refuse(f"{len(self._moving)} runs are in motion, and {self._most} are the limit", self._most)

    def _refuse(self, found: str, most: int) -> None:
        message = f"{found}; nothing was recorded, try again in a moment"
        raise RateLimited(message, {"retry_after_s": RETRY_AFTER_S, "max_running": most})
