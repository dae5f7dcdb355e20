"""DBOS with a SQLite system database.

* Every effect is a `@DBOS.step()` of a `@DBOS.workflow()` ("steps … are never re-executed after they complete").
* The suspension is `DBOS.recv`, behind a `DBOS.set_event` that tells callers so; `DBOS.send`, or `DBOSClient.send`
  from another process, answers (*Communicating with workflows*). The workflow waits in the process that runs it.
* After a crash: nothing but `DBOS.launch()` ("each time you restart your application's process, DBOS recovers all
  workflows that were executing before the restart").
* A fork is `DBOS.fork_workflow` from the step's id (*Forking workflows*), which gives it an id of its own.

Looking is `DBOSClient`, which executes nothing. DBOS shows what it cannot read back as text, with a warning; here
such a warning is an error, so that it does not count as wrong data.
"""

import logging
import time
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, Self

from dbos import DBOS, DBOSClient, SetWorkflowID

from benchmarks.probe import sqlite_commits, story
from benchmarks.probe.promises import Promise
from benchmarks.probe.subject import Place, View

_TOPIC: Final = "answer"
_EVENT: Final = "asks"
_WAIT_S: Final = 60.0
_POLL_S: Final = 0.02
_PARKED_S: Final = 86_400.0
_WRITTEN: Final = dict(story.WRITTEN)


@DBOS.step()
def prepare(value: Any) -> Any:
    """Take the value up."""
    return story.prepare(value)


@DBOS.step()
def charge(prepared: Any) -> Any:
    """Make a second part of the state."""
    return story.charge(prepared)


@DBOS.step()
def ship(value: Any, prepared: Any, charged: Any, answer: Any) -> Any:
    """Act on the answer."""
    return story.ship(value, prepared, charged, answer)


@DBOS.step()
def finish(shipped: Any) -> Any:
    """Close the run."""
    return story.finish(shipped)


@DBOS.workflow()
def probe(value: Any) -> Any:
    """Tell the story; its state is what its steps have returned."""
    prepared = prepare(value)
    charged = charge(prepared)
    DBOS.set_event(_EVENT, story.ASK)
    answer = DBOS.recv(_TOPIC, timeout_seconds=_PARKED_S)
    shipped = ship(value, prepared, charged, answer)
    closed = finish(shipped)
    return {**story.seen_by_ship(value, prepared, charged, answer), "shipped": shipped, "closed": closed}


class _Warnings(logging.Handler):
    """Remembers what could not be read back."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.unread: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if "could not be deserialized" in text:
            self.unread.append(text)


class Dbos:
    """See `Subject`."""

    def __init__(self, url: str, *, is_live: bool) -> None:
        self._url = url
        self._is_live = is_live
        self._warnings = _Warnings()
        logging.getLogger("dbos").addHandler(self._warnings)
        if is_live:
            DBOS(
                config={
                    "name": "probe-subject",
                    "system_database_url": url,
                    "run_admin_server": False,
                    "notification_listener_polling_interval_sec": _POLL_S,
                }
            )
            DBOS.launch()
        self._client = DBOSClient(system_database_url=url)

    @classmethod
    def name(cls) -> str:
        """See `Subject`."""
        return f"DBOS {version('dbos')}, SQLite"

    @classmethod
    def not_offered(cls) -> Mapping[Promise, str]:
        """See `Subject`."""
        return {}

    @classmethod
    def open(cls, place: Place) -> Self:
        """See `Subject`."""
        sqlite_commits.watch(place.commits)
        url = place.address or f"sqlite:///{place.folder / 'dbos.sqlite'}"
        found = cls(url, is_live=not place.still and place.address is None)
        place.commits.switch_on()
        return found

    def address(self) -> str:
        """Return the URL of the system database."""
        return self._url

    def start(self, run: str, value: Any) -> None:
        """See `Subject`."""
        with SetWorkflowID(run):
            DBOS.start_workflow(probe, value)
        assert DBOS.get_event(run, _EVENT, _WAIT_S) is not None, f"{run} does not come to ask"

    def resume(self, run: str, answer: Any) -> Any:
        """See `Subject`."""
        self._client.send(run, answer, _TOPIC)
        return self._client.retrieve_workflow(run).get_result(polling_interval_sec=_POLL_S)

    def recover(self, run: str) -> None:
        """See `Subject`. Launching has begun the recovery."""
        give_up_at = time.monotonic() + _WAIT_S
        while (view := self.look(run)) is not None and view.status == "running":
            assert time.monotonic() < give_up_at, f"{run} does not come to rest"
            time.sleep(_POLL_S)

    def look(self, run: str) -> View | None:
        """See `Subject`."""
        found = self._client.list_workflows(workflow_ids=[run])
        if not found:
            return None
        (status,) = found
        steps = self._client.list_workflow_steps(run)
        if self._warnings.unread:
            raise ValueError(self._warnings.unread[0])
        outputs = {step["function_name"].rpartition(".")[2]: step["output"] for step in steps}
        done = tuple(step for step in story.STEPS if step in outputs)
        state = {"value": status.input["args"][0] if status.input else None}
        state |= {name: outputs[step] for step, name in _WRITTEN.items() if step in outputs}
        if status.status == "SUCCESS":
            return View(status="done", done=done, state=state, result=status.output)
        if status.status not in {"PENDING", "ENQUEUED"}:  # a recovery puts it into a queue
            return View(status="failed", done=done, state=state, result=f"{status.status}: {status.error}")
        is_suspended = "setEvent" in outputs and "recv" not in outputs
        return View(status="suspended" if is_suspended else "running", done=done, state=state)

    def pin(self, run: str) -> str:
        """See `Subject`."""
        return run

    def fork(self, run: str, answer: Any) -> Any:
        """See `Subject`."""
        steps = self._client.list_workflow_steps(run)
        (at,) = [step["function_id"] for step in steps if step["function_name"].endswith("charge")]
        name = f"{run}-fork"
        with SetWorkflowID(name):
            DBOS.fork_workflow(run, at)
        assert DBOS.get_event(name, _EVENT, _WAIT_S) is not None, f"{name} does not come to ask"
        return self.resume(name, answer)

    def history(self, run: str) -> list[str]:
        """Return input, output, status, steps and events; the flag that a fork sets in its parent's row is none."""
        (status,) = self._client.list_workflows(workflow_ids=[run])
        rows = [repr((status.status, status.input, status.output, status.error, status.created_at))]
        rows += [repr(sorted(step.items())) for step in self._client.list_workflow_steps(run)]
        return [*rows, repr(self._client.get_event(run, _EVENT, timeout_seconds=0))]

    def close(self) -> None:
        """See `Subject`."""
        self._client.destroy()
        if self._is_live:
            DBOS.destroy()

    @classmethod
    def is_data(cls, file: Path) -> bool:
        """Return whether it is more than the index of a WAL, which SQLite makes anew."""
        return not file.name.endswith("-shm")
