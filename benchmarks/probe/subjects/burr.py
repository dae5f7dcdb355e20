"""Apache Burr with its SQLite persister.

* Every effect is an action; the persister writes the state after each ("it writes state to the database after each
  action", *State persistence*).
* The suspension is `halt_before` an action that takes the answer as an input, `run(halt_after=…, inputs=…)` answers
  (the pattern of its human-in-the-loop examples).
* A resume, and what one does after a crash, is `initialize_from(persister, resume_at_next_action=True)` under the
  same `app_id`, and `run` ("this enables you to launch an application, pause it, and restart where you left off").
* A fork is `initialize_from(…, fork_from_app_id=…, fork_from_sequence_id=…)` under a new `app_id` (*Forking state*).
"""

import itertools
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, Self

from burr.core import ApplicationBuilder, State, action, default
from burr.core.persistence import SQLitePersister

from benchmarks.probe import sqlite_commits, story
from benchmarks.probe.promises import Promise
from benchmarks.probe.subject import Place, View

_TABLE: Final = "burr_state"
_ACTIONS: Final = ("prepare", "charge", "ask", "ship", "finish")


@action(reads=["value"], writes=["prepared"])
def prepare(state: State) -> State:
    """Take the value up."""
    return state.update(prepared=story.prepare(state["value"]))


@action(reads=["prepared"], writes=["charged"])
def charge(state: State) -> State:
    """Make a second part of the state."""
    return state.update(charged=story.charge(state["prepared"]))


@action(reads=[], writes=["answer"])
def ask(state: State, answer: Any) -> State:
    """Take the answer, an input of the run."""
    return state.update(answer=answer)


@action(reads=["value", "prepared", "charged", "answer"], writes=["shipped"])
def ship(state: State) -> State:
    """Act on the answer."""
    return state.update(shipped=story.ship(state["value"], state["prepared"], state["charged"], state["answer"]))


@action(reads=["shipped"], writes=["closed"])
def finish(state: State) -> State:
    """Close the run."""
    return state.update(closed=story.finish(state["shipped"]))


class Burr:
    """See `Subject`."""

    def __init__(self, path: Path) -> None:
        self._path = str(path)
        with self._persister() as persister:
            persister.initialize()

    @classmethod
    def name(cls) -> str:
        """See `Subject`."""
        return f"Burr {version('apache-burr')}, SQLitePersister"

    @classmethod
    def not_offered(cls) -> Mapping[Promise, str]:
        """See `Subject`."""
        return {}

    @classmethod
    def open(cls, place: Place) -> Self:
        """See `Subject`."""
        sqlite_commits.watch(place.commits)
        found = cls(place.folder / "burr.db")
        place.commits.switch_on()
        return found

    def address(self) -> str:
        """Return nothing: any process opens the database by itself."""
        return ""

    def _persister(self) -> SQLitePersister:
        """Return a persister for one call: "use the persister as a context manager" (*Persister usage*)."""
        return SQLitePersister.from_values(db_path=self._path, table_name=_TABLE)

    def _run(self, run: str, value: Any = None, fork: Mapping[str, Any] | None = None, **how: Any) -> Any:
        with self._persister() as persister:
            *_, state = _application(persister, run, value, fork or {}).run(**how)
            return state

    def start(self, run: str, value: Any) -> None:
        """See `Subject`."""
        self._run(run, value, halt_before=["ask"])

    def resume(self, run: str, answer: Any) -> Any:
        """See `Subject`."""
        return story.ended(self._run(run, halt_after=["finish"], inputs={"answer": answer}))

    def recover(self, run: str) -> None:
        """See `Subject`."""
        self._run(run, halt_before=["ask"], halt_after=["finish"])

    def look(self, run: str) -> View | None:
        """See `Subject`."""
        with self._persister() as persister:
            found = persister.load(None, run)
        if found is None:
            return None
        state = {name: value for name, value in found["state"].get_all().items() if not name.startswith("__")}
        done = tuple(step for step, name in story.WRITTEN.items() if name in state)
        if found["position"] == "finish":
            return View(status="done", done=done, state=state, result=story.ended(state))
        is_suspended = found["position"] == "charge"
        return View(status="suspended" if is_suspended else "running", done=done, state=state)

    def pin(self, run: str) -> str:
        """See `Subject`."""
        return run

    def fork(self, run: str, answer: Any) -> Any:
        """See `Subject`."""
        query = f"SELECT sequence_id FROM {_TABLE} WHERE app_id = ? AND position = 'prepare'"  # noqa: S608 - a constant
        with closing(sqlite3.connect(self._path)) as connection:
            (sequence,) = connection.execute(query, (run,)).fetchone()
        name = f"{run}-fork"
        fork = {"fork_from_app_id": run, "fork_from_sequence_id": sequence}
        self._run(name, fork=fork, halt_before=["ask"])
        return self.resume(name, answer)

    def history(self, run: str) -> list[str]:
        """See `Subject`."""
        query = f"SELECT * FROM {_TABLE} WHERE app_id = ? ORDER BY sequence_id, position"  # noqa: S608 - a constant
        with closing(sqlite3.connect(self._path)) as connection:
            return [repr(row) for row in connection.execute(query, (run,))]

    def close(self) -> None:
        """Do nothing: each call has its own connection."""

    @classmethod
    def is_data(cls, file: Path) -> bool:
        """See `Subject`."""
        return file.is_file()


def _application(persister: SQLitePersister, run: str, value: Any, fork: Mapping[str, Any]) -> Any:
    return (
        ApplicationBuilder()
        .with_actions(prepare=prepare, charge=charge, ask=ask, ship=ship, finish=finish)
        .with_transitions(*((one, other, default) for one, other in itertools.pairwise(_ACTIONS)))
        .initialize_from(
            persister,
            resume_at_next_action=True,
            default_state={"value": value},
            default_entrypoint="prepare",
            **fork,
        )
        .with_state_persister(persister)
        .with_identifiers(app_id=run)
        .build()
    )
