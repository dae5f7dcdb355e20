"""Items of one pool that wait for a worker with room, in fair order between workspaces."""

from greenroom.runtime.contracts.work import AttemptId, Scope, WorkItem
from greenroom.runtime.core.fair_queue import FairQueue

_Place = tuple[str, str]
_Waiting = tuple[Scope, WorkItem]

_MANY_STALE = 64


class Line:
    """What waits for the workers of one pool: bodies that take a thread, and those that do not, apart.

    Args:
        weights: Shares of workspaces.
    """

    def __init__(self, weights: dict[str, float]) -> None:
        self._queues = {is_threaded: FairQueue[_Waiting](weights) for is_threaded in (False, True)}
        self._waiting: dict[_Place, _Waiting] = {}
        self._stale = 0

    def __len__(self) -> int:
        """How many items wait."""
        return len(self._waiting)

    def push(self, scope: Scope, item: WorkItem, priority: int) -> None:
        """Let an item wait."""
        found = self._waiting[scope.run_id, item.path] = (scope, item)
        self._queues[item.options.is_threaded].push(found, workspace=scope.workspace, priority=priority)

    def pop(self, *, is_threaded: bool) -> _Waiting | None:
        """Return the item that comes next and take it out, or None."""
        while (found := self._queues[is_threaded].pop()) is not None:
            if self._waiting.get(_place(found)) is found:
                del self._waiting[_place(found)]
                return found
            self._stale -= 1
        return None

    def cancel(self, attempt: AttemptId) -> None:
        """Let an attempt wait no more."""
        place = (attempt.run_id, attempt.path)
        found = self._waiting.get(place)
        if found is None or found[1].attempt != attempt.attempt:
            return
        del self._waiting[place]
        self._stale += 1
        if self._stale > len(self._waiting) + _MANY_STALE:
            for queue in self._queues.values():
                queue.discard(lambda waiting: self._waiting.get(_place(waiting)) is not waiting)
            self._stale = 0


def _place(waiting: _Waiting) -> _Place:
    return waiting[0].run_id, waiting[1].path
