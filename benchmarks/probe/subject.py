"""The port: what the probe needs of a system. An adapter is a class with these methods; `docs/probe.md` shows how.

Every method is called in a process of the probe's own that may be killed at any moment. An adapter uses its system as
its documentation tells users to, and says in comments which documented call is which.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, Protocol, Self

from benchmarks.probe.commits import Commits
from benchmarks.probe.promises import Promise

MAX_TURNS: Final = 10
"""Of `drive`: how often a run may come to rest and need somebody before it counts as one that does not end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A run as the system shows it, read from its store. No ids and no times: two runs with one value look the same.

    Attributes:
        done: Steps whose outcome is recorded, in order.
        state: What the run has, by name.
    """

    status: Literal["running", "suspended", "done", "failed"]
    done: tuple[str, ...]
    state: Any = None
    result: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where and how a process opens a system.

    Attributes:
        folder: Everything the system keeps is below it; made if it is not there.
        still: Nothing is executed: the run is only looked at.
        address: Of a process that has the system open already (see `Subject.address`), to call it from another one.
        options: For adapters with variants.
    """

    folder: Path
    commits: Commits
    still: bool = False
    address: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])


class Subject(Protocol):
    """A system that is open in this process."""

    @classmethod
    def name(cls) -> str:
        """Return what the table calls it, with its version."""
        ...

    @classmethod
    def not_offered(cls) -> Mapping[Promise, str]:
        """Return what the system has no feature for, and why that is so."""
        ...

    @classmethod
    def open(cls, place: Place) -> Self:
        """Open the system, and switch `place.commits` on when it is open."""
        ...

    def address(self) -> str:
        """Return what another process needs to call the system while this one has it open."""
        ...

    def start(self, run: str, value: Any) -> None:
        """Start a run under this id, and return when it rests: suspended."""
        ...

    def resume(self, run: str, answer: Any) -> Any:
        """Answer the suspension, and return what the run ends with.

        Raises:
            Exception: The system says that it was answered already.
        """
        ...

    def recover(self, run: str) -> None:
        """Do what one does for a run that a crash interrupted, and return when it rests: suspended or ended."""
        ...

    def look(self, run: str) -> View | None:
        """Return the run as it is recorded, or None when the system knows no such run."""
        ...

    def pin(self, run: str) -> str:
        """Return the id under which this very run is found whatever is forked from it."""
        ...

    def fork(self, run: str, answer: Any) -> Any:
        """Fork a suspended run so that `charge` is executed again, answer the fork, return what it ends with."""
        ...

    def history(self, run: str) -> list[str]:
        """Return everything that is stored of a run, row by row and value for value."""
        ...

    def close(self) -> None:
        """Let go of everything, as a process does that ends in peace."""
        ...

    @classmethod
    def is_data(cls, file: Path) -> bool:
        """Return whether a file of the store holds anything that is read again."""
        ...


def drive(subject: Subject, run: str, value: Any, answer: Any) -> Any:
    """Bring a run to its end, whatever has become of it before, and return what it ends with.

    This is what a careful user does in a new process after a crash: start what was never acknowledged, recover what was
    under way, answer what waits.

    Raises:
        RuntimeError: It failed, or does not come to its end.
    """
    for _ in range(MAX_TURNS):
        view = subject.look(run)
        if view is None:
            subject.start(run, value)
            continue
        match view.status:
            case "running":
                subject.recover(run)
            case "suspended":
                return subject.resume(run, answer)
            case "done":
                return view.result
            case "failed":
                raise RuntimeError(f"run {run} failed: {view.result}")
    raise RuntimeError(f"run {run} does not come to its end")
