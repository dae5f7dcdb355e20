"""The systems that `make probe` knows, by name."""

from typing import Final, NamedTuple

_HOME: Final = "benchmarks.probe.subjects"


class System(NamedTuple):
    """Where a system's adapter is.

    Attributes:
        target: `module:class`.
        beside: The adapter for resumes from many processes, where that is another one.
        is_peer: Its packages are in the folder of what we compare with, not in our environment.
    """

    target: str
    beside: str | None = None
    is_peer: bool = True


SYSTEMS: Final = {
    "greenroom": System(f"{_HOME}.greenroom:Greenroom", f"{_HOME}.greenroom_cluster:GreenroomOnRay", is_peer=False),
    "langgraph": System(f"{_HOME}.langgraph:LangGraph"),
    "dbos": System(f"{_HOME}.dbos:Dbos"),
    "burr": System(f"{_HOME}.burr:Burr"),
}
