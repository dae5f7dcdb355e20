"""Ids of steps on the wire: dotted, without the blocks around them, and only of what the user drew.

A run addresses its steps by path (`outer/confirm`, `research[3]`, `count[0]`). On the wire a nested step is
`outer.confirm`; the items of a foreach are one step; the iterations of a loop are visits of one step; what an agent
does inside is told by its chunks.
"""

from collections.abc import Iterator, Mapping

from greenroom.runtime.contracts.values import Json

_FOLDED = frozenset({"parallel", "branch", "loop", "turn"})


class StepIds:
    """What the paths of one run are.

    Args:
        steps: The steps of a run's view, by path.
    """

    __slots__ = ("_kinds",)

    def __init__(self, steps: Mapping[str, Json] | None = None) -> None:
        self._kinds: dict[str, str] = {}
        for path, step in (steps or {}).items():
            self.learn(path, step["kind"])

    def learn(self, path: str, kind: str) -> None:
        """Note what stands at a path."""
        self._kinds[path] = kind

    def kind(self, path: str) -> str:
        """Return what stands at a path; empty if it is not known."""
        return self._kinds.get(path, "")

    def is_shown(self, path: str) -> bool:
        """Tell whether the path is a step on the wire."""
        if not path or self.kind(path) in _FOLDED or self.foreach_of(path) is not None:
            return False
        return self.agent_above(path) is None

    def foreach_of(self, path: str) -> str | None:
        """Return the foreach whose item the path is; None if it is none."""
        owner, index = split_index(path)
        return owner if index is not None and self.kind(owner) == "foreach" else None

    def agent_above(self, path: str) -> str | None:
        """Return the path of the outermost agent that the path belongs to; None if it belongs to none."""
        return next((above for above in ancestors(path) if self.kind(above) == "agent"), None)

    def id_of(self, path: str) -> str:
        """Return the id of a step: dotted, without iterations; items of a foreach stay told apart inside."""
        segments: list[str] = []
        at = ""
        parts = path.split("/")
        for number, part in enumerate(parts):
            at = f"{at}/{part}" if at else part
            plain, index = split_index(part)
            is_last = number + 1 == len(parts)
            segments.append(part if index is not None and not is_last and self.foreach_of(at) is not None else plain)
        return ".".join(segments)

    def path_of(self, path: str) -> list[str]:
        """Return the ids along a path, as lists of suspended steps show it."""
        return [split_index(part)[0] for part in path.split("/")]


def split_index(path: str) -> tuple[str, int | None]:
    """Return a path without the index at its end, and the index.

    >>> split_index("outer/each[3]"), split_index("each[3]/outline")
    (('outer/each', 3), ('each[3]/outline', None))
    """
    if path.endswith("]"):
        owner, _, index = path[:-1].rpartition("[")
        if index.isdigit() and owner:
            return owner, int(index)
    return path, None


def ancestors(path: str) -> Iterator[str]:
    """Yield the paths a path stands below, outermost first.

    >>> list(ancestors("a/b[0]/c"))
    ['a', 'a/b[0]']
    """
    end = path.find("/")
    while end >= 0:
        yield path[:end]
        end = path.find("/", end + 1)


def is_below(path: str, above: str) -> bool:
    """Tell whether a path is another one, a part of it, or one of its items.

    >>> is_below("each[0]/ask", "each"), is_below("eachother", "each")
    (True, False)
    """
    return path == above or path.startswith((f"{above}/", f"{above}["))
