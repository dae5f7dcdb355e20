"""An event loop without time and without luck: it jumps to the next timer, and a seed decides who runs next.

Nothing outside can wake it, so when nothing is ready and no timer is set, it is stuck for ever and says so.
"""

import asyncio
import contextlib
import math
import random
import selectors
from collections import deque
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from typing import Any, Final, TypeVar, TypeVarTuple, Unpack

T = TypeVar("T")
Arguments = TypeVarTuple("Arguments")

RESOLUTION_S: Final = 1e-11
"""How much too early a timer may be due: asyncio wants more than nothing, and whoever is early waits again."""

TICK_S: Final = 2.0**-20
"""The time stands at multiples of this, a float near `START` too: nothing is left over that is too small to pass."""

MAX_VIRTUAL_S: Final = 6 * 3600.0
"""Longest time a simulation may take before it counts as one that does not end."""

MAX_ENDINGS: Final = 8
"""How often what is left over is ended, when a simulation is."""

TURNS_TO_READ: Final = 2
"""Turns until an error has been read: in one the callbacks of the task's end run, in the next those they have woken."""


class Stuck(Exception):
    """Nothing is ready, nothing will be: what the simulation waits for never happens."""


class _Shuffled(deque[Any]):
    """A queue from which one is drawn that `seed` decides."""

    def __init__(self, chance: random.Random) -> None:
        super().__init__()
        self._draw = chance.random

    def popleft(self) -> Any:
        """Take one of those that are ready."""
        count = len(self)
        if count > 1:
            chosen = int(self._draw() * count)
            if chosen:
                self[0], self[chosen] = self[chosen], self[0]
        return super().popleft()


class _NumberedTask(asyncio.Task[Any]):
    """A task whose place in a set does not depend on its address: sets of tasks are walked when a runtime ends."""

    def __init__(self, number: int, *args: Any, **options: Any) -> None:
        self._number = number
        super().__init__(*args, **options)

    def __hash__(self) -> int:
        return self._number


class _Timeless(selectors.SelectSelector):
    """Waits for nothing: hands the time that the loop would have waited to `skip`."""

    def __init__(self, skip: Callable[[float | None], None]) -> None:
        super().__init__()
        self._skip = skip

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Let the time pass."""
        if timeout is None or timeout > 0:
            self._skip(timeout)
        return []


class SimulatedLoop(asyncio.SelectorEventLoop):
    """A loop on virtual time.

    Args:
        chance: Decides in which order what is ready runs; None keeps the order of the queue.

    Attributes:
        tasks: All that were made, in order.
    """

    def __init__(self, chance: random.Random | None = None) -> None:
        self._virtual_s = 0.0
        super().__init__(_Timeless(self._skip))
        # Two private places of asyncio (3.11 to 3.14): there is no public way to say which callback runs next.
        self._clock_resolution = RESOLUTION_S
        self.tasks: list[asyncio.Task[Any]] = []
        self.set_task_factory(self._task)
        if chance is not None:
            self._ready: deque[Any] = _Shuffled(chance)

    def _task(self, loop: asyncio.AbstractEventLoop, work: Any, **options: Any) -> asyncio.Task[Any]:
        task = _NumberedTask(len(self.tasks), work, loop=loop, **options)
        self.tasks.append(task)
        return task

    def unseen(self) -> list[asyncio.Task[Any]]:
        """Return the tasks that failed and whose error nobody asks for, for a loop that has come to its end.

        A task may have failed in the very last turn: whoever reads its error would do so in the next ones.
        """
        failed = [task for task in self.tasks if _is_unseen(task)]
        if failed:
            self._ready = deque(self._ready)  # in order, so that a turn leaves out nobody
            for _ in range(TURNS_TO_READ):
                self.call_soon(self.stop)
                self.run_forever()
        return [task for task in failed if _is_unseen(task)]

    def time(self) -> float:
        """Return the virtual time, from 0."""
        return self._virtual_s

    def _skip(self, seconds: float | None) -> None:
        if seconds is None:
            raise Stuck("nothing is ready and no timer is set")
        self._virtual_s = math.ceil((self._virtual_s + seconds) / TICK_S) * TICK_S
        if self._virtual_s > MAX_VIRTUAL_S:
            raise Stuck(f"not at its end after {MAX_VIRTUAL_S:.0f} virtual seconds")

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[Unpack[Arguments]], T], *args: *Arguments
    ) -> asyncio.Future[T]:
        """Call it on the loop's own thread, in its turn: threads would bring luck back."""
        del executor
        future: asyncio.Future[T] = self.create_future()

        def call() -> None:
            if future.done():
                return
            try:
                future.set_result(func(*args))
            except Exception as error:  # noqa: BLE001 - whoever waits is told
                future.set_exception(error)

        self.call_soon(call)
        return future


def run_simulated(
    work: Coroutine[Any, Any, T],
    chance: random.Random | None = None,
    complaints: list[str] | None = None,
) -> T:
    """Run work on a loop of its own, without waiting for any time to pass, and return its result.

    Args:
        work: What to run.
        chance: Decides in which order what is ready runs.
        complaints: Gets the errors of tasks that nobody has looked at.

    Raises:
        Stuck: It cannot come to its end.
    """
    loop = SimulatedLoop(chance)
    asyncio.set_event_loop(loop)
    try:
        return loop.run_until_complete(work)
    finally:
        if complaints is not None:
            complaints += [f"task {task.get_name()!r} failed unseen: {task.exception()!r}" for task in loop.unseen()]
        with contextlib.suppress(Stuck):
            _end_all(loop)
        _forget(loop)
        asyncio.set_event_loop(None)
        loop.close()


def _is_unseen(task: asyncio.Task[Any]) -> bool:
    # `_log_traceback` is what asyncio itself goes by when it complains of such a task.
    return task.done() and getattr(task, "_log_traceback", False)


def _end_all(loop: SimulatedLoop) -> None:
    # Not asyncio.all_tasks: it walks those of every simulation whose memory has not been collected yet.
    for _ in range(MAX_ENDINGS):  # what ends may begin something else
        tasks = [task for task in loop.tasks if not task.done()]
        if not tasks:
            return
        for task in tasks:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))


def _forget(loop: SimulatedLoop) -> None:
    """Take a loop's tasks out of asyncio's own set, where those of one number in every simulation have one place."""
    for task in loop.tasks:
        asyncio._unregister_task(task)  # noqa: SLF001 - documented in "Extending asyncio"
    loop.tasks.clear()
