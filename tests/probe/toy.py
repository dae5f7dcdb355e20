"""A system that keeps its six promises in one small file, and breaks any one of them when it is told to.

Each line of the file is a run as it is from there on, with a checksum; appending a line under a lock is a commit. An
effect is executed, then its outcome is committed.
"""

import fcntl
import json
import os
import zlib
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Self

from benchmarks.probe import story
from benchmarks.probe.promises import Promise
from benchmarks.probe.subject import Place, View

BREAKS: Final = {
    "forgets": Promise.COMPLETED,
    "races": Promise.CONSUMED,
    "rounds": Promise.STATE,
    "shares": Promise.FORK,
    "trusts": Promise.DAMAGE,
    "dawdles": Promise.BOUNDARIES,
}
"""What each defect breaks."""


class Toy:
    """See `Subject`."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._defect = place.options.get("defect")
        self._file = place.folder / "runs"
        self._lock = place.folder.parent / "lock"

    @classmethod
    def name(cls) -> str:
        return "Toy 1"

    @classmethod
    def not_offered(cls) -> Mapping[Promise, str]:
        return {}

    @classmethod
    def open(cls, place: Place) -> Self:
        place.commits.switch_on()
        return cls(place)

    def address(self) -> str:
        return ""

    def start(self, run: str, value: Any) -> None:
        self._commit(run, {"state": {"value": value}})
        self._go_on(run, self._read()[run])

    def resume(self, run: str, answer: Any) -> Any:
        with self._alone():
            found = self._read()[run]
            state = found["state"]
            if self._defect == "races":  # as if each had read the run before the others
                found = {"state": {name: state[name] for name in ("value", "prepared", "charged")}}
            elif "answer" in state:
                raise ValueError("it was answered already")
            found["state"]["answer"] = answer
            self._commit(run, found)
        return self._go_on(run, found)["result"]

    def recover(self, run: str) -> None:
        self._go_on(run, self._read()[run])

    def look(self, run: str) -> View | None:
        found = self._read().get(run)
        if found is None:
            return None
        state = found["state"]
        done = tuple(step for step, name in story.WRITTEN.items() if name in state)
        if "result" in found:
            return View(status="done", done=done, state=state, result=found["result"])
        is_suspended = "charged" in state and "answer" not in state
        return View(status="suspended" if is_suspended else "running", done=done, state=state)

    def pin(self, run: str) -> str:
        return run

    def fork(self, run: str, answer: Any) -> Any:
        parent = self._read()[run]["state"]
        name = run if self._defect == "shares" else f"{run}-fork"
        self._commit(name, {"state": {"value": parent["value"], "prepared": parent["prepared"]}})
        self._go_on(name, self._read()[name])
        return self.resume(name, answer)

    def history(self, run: str) -> list[str]:
        return [line for line in self._file.read_text().splitlines() if f'["{run}",' in line]

    def close(self) -> None:
        """Nothing is held open."""

    @classmethod
    def is_data(cls, file: Path) -> bool:
        return file.is_file()

    # ------------------------------------------------------------------------------------------------------- execution

    def _go_on(self, run: str, found: dict[str, Any]) -> dict[str, Any]:
        state = found["state"]
        if self._defect == "forgets" and "answer" in state:
            state.pop("charged", None)
        if "prepared" not in state:
            self._record(run, found, "prepared", story.prepare(state["value"]))
        if "charged" not in state:
            self._record(run, found, "charged", story.charge(state["prepared"]))
        if "answer" not in state:
            return found
        if "shipped" not in state:
            parts = [state[name] for name in ("value", "prepared", "charged", "answer")]
            self._record(run, found, "shipped", story.ship(*parts))
        if "closed" not in state:
            self._record(run, found, "closed", story.finish(state["shipped"]))
        if "result" not in found:
            found["result"] = story.ended(state)
            self._commit(run, found)
        return found

    def _record(self, run: str, found: dict[str, Any], name: str, outcome: Any) -> None:
        found["state"][name] = outcome
        if self._defect == "dawdles" and name == "shipped":
            # Says that it is done, and has lost the answer for those who read it: only a kill in between shows it.
            self._commit(run, {"state": {**found["state"], "answer": "lost"}})
        self._commit(run, found)

    # --------------------------------------------------------------------------------------------------------- storage

    @contextmanager
    def _alone(self) -> Generator[None]:
        with self._lock.open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _commit(self, run: str, found: dict[str, Any]) -> None:
        number = self._place.commits.begin()
        text = json.dumps([run, found])
        if self._defect == "rounds":
            text = json.dumps([run, json.loads(text, parse_int=lambda digits: int(float(digits)))])
        line = f"{zlib.crc32(text.encode()):08x} {text}\n".encode()
        file = os.open(self._file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        os.write(file, line)
        os.close(file)
        self._place.commits.end(number)

    def _read(self) -> dict[str, dict[str, Any]]:
        """Return the last line of each run; a last line without its end is torn and left out."""
        runs: dict[str, dict[str, Any]] = {}
        whole, _, _torn = (self._file.read_bytes() if self._file.exists() else b"").rpartition(b"\n")
        for line in whole.split(b"\n") if whole else []:
            if self._defect != "trusts" and int(line[:8], 16) != zlib.crc32(line[9:]):
                raise ValueError("a line is damaged")
            run, found = json.loads(line[9:])
            runs[run] = found
        return runs
