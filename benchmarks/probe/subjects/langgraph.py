"""LangGraph with its SQLite checkpointer, in its most durable form.

* Every effect is a node of its own, so that its outcome is a checkpoint ("wrap any operations with side effects
  inside tasks or nodes", *Durable execution*), and every call says `durability="sync"` ("changes are persisted
  synchronously before the next step starts").
* The suspension is `interrupt()` in a node without effects; `invoke(Command(resume=…), config)` answers
  (*Interrupts*).
* After a crash: `invoke(None, config)` with the same thread ("executing the workflow with the same thread identifier
  by providing it with a `None` as the input value", *Durable execution*).
* A fork: `update_state` on a checkpoint of the history, then `invoke` with what it returns ("creates a new
  checkpoint that branches from the specified point; the original execution history remains intact", *Time travel*).
  It is in the same thread, so the parent is named by its thread and its checkpoint.
"""

import sqlite3
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, Self, TypedDict

from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, interrupt

from benchmarks.probe import sqlite_commits, story
from benchmarks.probe.promises import Promise
from benchmarks.probe.subject import Place, View

_AT: Final = "@"


class State(TypedDict, total=False):
    """The channels of the graph."""

    value: Any
    prepared: Any
    charged: Any
    answer: Any
    shipped: Any
    closed: Any
    note: str


def _prepare(state: State) -> State:
    return {"prepared": story.prepare(state["value"])}


def _charge(state: State) -> State:
    return {"charged": story.charge(state["prepared"])}


def _ask(_: State) -> State:
    return {"answer": interrupt(story.ASK)}


def _ship(state: State) -> State:
    return {"shipped": story.ship(state["value"], state["prepared"], state["charged"], state["answer"])}


def _finish(state: State) -> State:
    return {"closed": story.finish(state["shipped"])}


class LangGraph:
    """See `Subject`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._saver = SqliteSaver(connection)
        builder = StateGraph(State)
        nodes = {"prepare": _prepare, "charge": _charge, "ask": _ask, "ship": _ship, "finish": _finish}
        names = list(nodes)
        for name, node in nodes.items():
            builder.add_node(name, node)
        for one, other in zip([START, *names], [*names, END], strict=True):
            builder.add_edge(one, other)
        self._graph: Any = builder.compile(checkpointer=self._saver)

    @classmethod
    def name(cls) -> str:
        """See `Subject`."""
        return f"LangGraph {version('langgraph')}, SqliteSaver {version('langgraph-checkpoint-sqlite')}"

    @classmethod
    def not_offered(cls) -> Mapping[Promise, str]:
        """See `Subject`."""
        return {}

    @classmethod
    def open(cls, place: Place) -> Self:
        """See `Subject`."""
        sqlite_commits.watch(place.commits)
        # As SqliteSaver.from_conn_string opens it; the saver turns WAL on, and SQLite syncs every commit by default.
        found = cls(sqlite3.connect(place.folder / "checkpoints.sqlite", check_same_thread=False))
        found._saver.setup()
        place.commits.switch_on()
        return found

    def address(self) -> str:
        """Return nothing: any process opens the database by itself."""
        return ""

    def _invoke(self, given: Any, run: str) -> Any:
        return self._graph.invoke(given, _config(run), durability="sync")

    def start(self, run: str, value: Any) -> None:
        """See `Subject`."""
        self._invoke({"value": value}, run)

    def resume(self, run: str, answer: Any) -> Any:
        """See `Subject`."""
        return story.ended(self._invoke(Command(resume=answer), run))

    def recover(self, run: str) -> None:
        """See `Subject`."""
        self._invoke(None, run)

    def look(self, run: str) -> View | None:
        """See `Subject`."""
        config = _config(run)
        if self._saver.get_tuple(config) is None:
            return None
        snapshot = self._graph.get_state(config)
        state = {name: value for name, value in snapshot.values.items() if name != "note"}
        done = tuple(step for step, name in story.WRITTEN.items() if name in state)
        if "closed" in state and not snapshot.next:
            return View(status="done", done=done, state=state, result=story.ended(state))
        is_suspended = any(task.interrupts for task in snapshot.tasks)
        return View(status="suspended" if is_suspended else "running", done=done, state=state)

    def pin(self, run: str) -> str:
        """Return the thread with its newest checkpoint."""
        newest = self._graph.get_state(_config(run)).config["configurable"]
        return f"{run}{_AT}{newest['checkpoint_id']}"

    def fork(self, run: str, answer: Any) -> Any:
        """See `Subject`."""
        thread = run.partition(_AT)[0]
        before = next(state for state in self._graph.get_state_history(_config(thread)) if state.next == ("charge",))
        forked = self._graph.update_state(before.config, {"note": "fork"})
        self._graph.invoke(None, forked, durability="sync")
        return self.resume(thread, answer)  # the newest checkpoint of the thread is now the fork's

    def history(self, run: str) -> list[str]:
        """Return the rows of the pinned checkpoint, of those before it, and of their writes."""
        thread, _, checkpoint = run.partition(_AT)
        rows: list[str] = []
        while checkpoint:
            mine = "FROM checkpoints WHERE thread_id = ? AND checkpoint_id = ?"
            row = self._connection.execute(f"SELECT * {mine}", (thread, checkpoint)).fetchone()
            writes = "SELECT * FROM writes WHERE thread_id = ? AND checkpoint_id = ? ORDER BY task_id, idx"
            rows += [repr(row), *map(repr, self._connection.execute(writes, (thread, checkpoint)))]
            (checkpoint,) = self._connection.execute(
                f"SELECT parent_checkpoint_id {mine}", (thread, checkpoint)
            ).fetchone()
        return rows

    def close(self) -> None:
        """See `Subject`."""
        self._connection.close()

    @classmethod
    def is_data(cls, file: Path) -> bool:
        """Return whether it is more than the index of the WAL, which SQLite makes anew."""
        return not file.name.endswith("-shm")


def _config(run: str) -> dict[str, Any]:
    thread, _, checkpoint = run.partition(_AT)
    return {"configurable": {"thread_id": thread} | ({"checkpoint_id": checkpoint} if checkpoint else {})}
