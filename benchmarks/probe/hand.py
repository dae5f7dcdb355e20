"""A process of the probe's own with a system open in it, which does what it is told until it is killed.

Processes come from a fork server that has imported the adapter and nothing else of the probe's: each is a fresh process
of the operating system, without the second that imports take.
"""

import contextlib
import multiprocessing
import os
import sys
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final, Self

from benchmarks.probe.commits import Boundary, Commits
from benchmarks.probe.effects import VARIABLE
from benchmarks.probe.subject import Place, Subject, View, drive

TIMEOUT_S: Final = 120.0
"""How long a call may take; a system that hangs has not answered."""

END_S: Final = 30.0
"""How long a process may take to end in peace."""

_context = multiprocessing.get_context("forkserver")


class HandDied(Exception):
    """The process died before it answered."""


class HandFailed(Exception):
    """What it was told to do raised an error; the message begins with the error's type."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """How a process opens its system.

    Attributes:
        target: `module:class` of the adapter.
        root: Below it stand the store, the effects and the log of the processes.
        copies: Where the store is copied to after each commit.
    """

    target: str
    root: Path
    still: bool = False
    address: str | None = None
    die_at: Boundary | None = None
    copies: Path | None = None
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @property
    def store(self) -> Path:
        """Return the folder of the system's store."""
        return self.root / "store"

    @property
    def effects(self) -> Path:
        """Return the file of the effect counter."""
        return self.root / "effects"


def preload(*targets: str) -> None:
    """Name the adapters that processes will be asked for. To be called before the first process is started."""
    modules = [target.partition(":")[0] for target in targets]
    # Every process runs the main module of its parent again; where that is pytest's, it takes a while.
    _context.set_forkserver_preload(modules + ["pytest"] * ("pytest" in sys.modules))


def load(target: str) -> type[Subject]:
    """Return an adapter's class."""
    module, _, name = target.partition(":")
    found: type[Subject] = getattr(import_module(module), name)
    return found


class Hand:
    """One process. Leaving the `with` block ends it, in peace if it can be.

    Raises:
        HandFailed: From any call: the system raised an error. HandDied: the process is gone.
        TimeoutError: It did not answer in time.
    """

    def __init__(self, orders: Orders) -> None:
        self._pipe, theirs = _context.Pipe()
        self._process = _context.Process(target=_serve, args=(theirs, orders), daemon=True)
        self._process.start()
        theirs.close()

    def __enter__(self) -> Self:
        """Use it in a `with` block."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the process."""
        self.end()

    def call(self, method: str, *arguments: Any, timeout_s: float = TIMEOUT_S) -> Any:
        """Call a method of the adapter, or `drive`, or `ready`, and return what it returns."""
        self.begin(method, *arguments)
        return self.finish(timeout_s)

    def begin(self, method: str, *arguments: Any) -> None:
        """Call it without waiting."""
        try:
            self._pipe.send((method, arguments))
        except BrokenPipeError as error:
            raise HandDied(f"the process died before it was asked to {method}") from error

    def finish(self, timeout_s: float = TIMEOUT_S) -> Any:
        """Return what the call under way returns."""
        if not self._pipe.poll(timeout_s):
            raise TimeoutError(f"no answer within {timeout_s:.0f} s")
        try:
            is_ok, answer = self._pipe.recv()
        except (EOFError, ConnectionResetError) as error:
            self._process.join()
            raise HandDied(f"the process ended with exit code {self._process.exitcode}") from error
        if not is_ok:
            raise HandFailed(answer)
        return answer

    def kill(self) -> None:
        """Kill -9, and return when the process is gone."""
        self._process.kill()
        self._process.join()
        self._pipe.close()

    def end(self) -> None:
        """Close the system and end the process; kill it if it does not end."""
        if self._pipe.closed:
            return
        with contextlib.suppress(HandDied, HandFailed, TimeoutError):
            self.call("end", timeout_s=END_S)
        self._process.join(END_S if self._process.exitcode is None else 0)
        self.kill()


class _Session:
    """What the process holds: the system, opened when it is first needed."""

    def __init__(self, orders: Orders) -> None:
        self._orders = orders
        self._subject: Subject | None = None

    def run(self, method: str, arguments: tuple[Any, ...]) -> Any:
        match method:
            case "end":
                return self._close()
            case "ready":
                self._open()
                return None
            case "drive":
                return drive(self._open(), *arguments)
            case "examine":
                return self._examine(*arguments)
            case _:
                return getattr(self._open(), method)(*arguments)

    def _open(self, *, still: bool | None = None) -> Subject:
        if self._subject is None:
            orders = self._orders
            orders.store.mkdir(exist_ok=True)
            copied = (orders.store, orders.copies) if orders.copies is not None else None
            place = Place(
                folder=orders.store,
                commits=Commits(orders.die_at, copied),
                still=orders.still if still is None else still,
                address=orders.address,
                options=orders.options,
            )
            self._subject = load(orders.target).open(place)
        return self._subject

    def _examine(self, runs: list[str], value: Any, answer: Any) -> tuple[list[View | None], list[Any]]:
        """Look at runs without executing anything; then open the system as usual and bring each to its end."""
        still = self._open(still=True)
        views = [still.look(run) for run in runs]
        self._close()
        live = self._open()
        return views, [drive(live, run, value, answer) for run in runs]

    def _close(self) -> None:
        subject, self._subject = self._subject, None
        if subject is not None:
            subject.close()


def _serve(pipe: Connection, orders: Orders) -> None:
    """Do what comes through the pipe. What libraries print goes into a file beside the store."""
    log = os.open(orders.root / "log", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.environ[VARIABLE] = str(orders.effects)
    session = _Session(orders)
    while True:
        try:
            method, arguments = pipe.recv()
        except EOFError:  # whoever gave the orders is gone
            method, arguments = "end", ()
        try:
            answer = (True, session.run(method, arguments))
        except Exception as error:  # noqa: BLE001 - whatever a system raises is an answer here
            traceback.print_exc()
            answer = (False, f"{type(error).__name__}: {error}")
        with contextlib.suppress(BrokenPipeError):
            pipe.send(answer)
        if method == "end":
            os._exit(0)  # systems leave threads behind that would hold the process
