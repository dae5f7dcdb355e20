"""Who comes next among workspaces that share something: each in proportion to its weight.

Start-time fair queueing (Goyal, Vin, Cheng 1996): every workspace has a virtual time that grows by 1/weight with each
item it is served, and the one that is furthest behind comes next. A workspace that was away comes back at the time of
those that stayed, so that nobody saves up. Within a workspace the higher priority goes first, then the older.
"""

import heapq
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class FairQueue(Generic[T]):
    """Items that wait, by workspace.

    >>> queue = FairQueue[str]({"b": 2.0})
    >>> for item in ("a1", "a2", "b1", "b2", "b3"):
    ...     queue.push(item, workspace=item[0])
    >>> [queue.pop() for _ in range(5)]
    ['a1', 'b1', 'b2', 'a2', 'b3']

    Args:
        weights: Shares of workspaces; 1 for those that are not named.
    """

    def __init__(self, weights: dict[str, float] | None = None) -> None:
        self._weights = weights or {}
        self._items: dict[str, list[tuple[int, float, int, T]]] = {}
        self._times: dict[str, float] = {}
        self._order: list[tuple[float, str]] = []  # times of workspaces; one that is not in `_times` any more is stale
        self._now = 0.0
        self._count = 0

    def __len__(self) -> int:
        return sum(map(len, self._items.values()))

    def push(self, item: T, *, workspace: str, priority: int = 0, at: float = 0.0) -> None:
        """Let an item wait.

        Args:
            priority: Higher goes first, within the workspace.
            at: Since when it waits; of equal priorities the earliest goes first.
        """
        self._count += 1
        waiting = self._items.setdefault(workspace, [])
        if not waiting:
            self._place(workspace, max(self._times.get(workspace, 0.0), self._now))
        heapq.heappush(waiting, (-priority, at, self._count, item))

    def pop(self, may: Callable[[str], bool] = lambda _workspace: True) -> T | None:
        """Return the item that comes next and take it out, or None.

        Args:
            may: Whether a workspace may be served now.
        """
        passed: list[tuple[float, str]] = []
        found: T | None = None
        while self._order and found is None:
            time, workspace = place = heapq.heappop(self._order)
            if workspace not in self._items or self._times.get(workspace) != time:
                continue
            if not may(workspace):
                passed.append(place)
                continue
            found = heapq.heappop(self._items[workspace])[3]
            self._now = max(self._now, time)
            self._place(workspace, time + 1.0 / self._weights.get(workspace, 1.0))
            self._leave_if_empty(workspace)
        for place in passed:
            heapq.heappush(self._order, place)
        return found

    def discard(self, is_gone: Callable[[T], bool]) -> None:
        """Take items out that need not wait any more."""
        for workspace, waiting in list(self._items.items()):
            waiting[:] = [entry for entry in waiting if not is_gone(entry[3])]
            heapq.heapify(waiting)
            self._leave_if_empty(workspace)

    def waiting(self) -> dict[str, int]:
        """Return how many items of each workspace wait."""
        return {workspace: len(waiting) for workspace, waiting in self._items.items()}

    def _place(self, workspace: str, time: float) -> None:
        self._times[workspace] = time
        heapq.heappush(self._order, (time, workspace))

    def _leave_if_empty(self, workspace: str) -> None:
        if not self._items[workspace]:
            del self._items[workspace]
        if not self._items:  # nobody is behind anybody any more
            self._times.clear()
            self._order.clear()
            self._now = 0.0
