"""What the fixtures of one test share: its clock, its model, its crashes, and the runtimes it has started."""

from greenroom.runtime.client.runtime import RuntimeClient
from greenroom.runtime.definitions.app import App
from greenroom.testing.clock import FakeClock
from greenroom.testing.fake_runtime import FakeRuntime
from greenroom.testing.faults import CrashPlan, Moment
from greenroom.testing.scripted_model import Script, ScriptedModel


class Stage:
    """One test's set.

    Attributes:
        clock: The time of all its runtimes.
        evicts: Whether runtimes are thrown away after every commit.
        runtimes: Those that were started, in order.
    """

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.evicts = False
        self.runtimes: list[FakeRuntime] = []
        self._plan = CrashPlan()
        self._model: ScriptedModel | None = None

    async def start(self, app: App, *, workspace: str = "default", workers: int = 2) -> RuntimeClient:
        """Start a runtime with this app and return the handle that `greenroom.connect` would give.

        Args:
            app: The application.
            workspace: The tenant all calls of the handle are for.
            workers: Workers of each pool.
        """
        runtime = FakeRuntime(
            app, clock=self.clock, model=self._model, workers=workers, faults=self._plan, evicts=self.evicts
        )
        await runtime.__aenter__()
        self.runtimes.append(runtime)
        return runtime.of_workspace(workspace)

    def crash_at(self, *commits: int, moment: Moment = "after") -> None:
        """Let the runtime die at these commits, counted from 1 for each runtime, and come back.

        Args:
            commits: A start is the first; so is, later, every outcome, resume, signal and timer.
            moment: Whether the commit is lost (`before`), or kept without anybody hearing of it (`after`).
        """
        self._plan.crash_at(*commits, moment=moment)

    def scripted_model(self, script: Script) -> ScriptedModel:
        """Let agents of runtimes that are started from here on say this, and return the model."""
        self._model = ScriptedModel(script)
        return self._model

    async def close(self) -> None:
        """End every runtime."""
        for runtime in reversed(self.runtimes):
            await runtime.__aexit__()
