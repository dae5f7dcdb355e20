"""What Greenroom's client calls come to in the words of the probe, in one process and on Ray alike."""

from importlib.metadata import version
from typing import Any, Final

from benchmarks.probe.story import STEPS
from benchmarks.probe.subject import View
from greenroom.runtime.client.results import RunResult
from greenroom.runtime.client.runtime import RuntimeClient
from greenroom.runtime.contracts.errors import RunNotFound

WORKFLOW: Final = "probe"
ASK: Final = "ask"
WAIT_S: Final = 60.0
_STATUS: Final[dict[str, Any]] = {"suspended": "suspended", "success": "done", "failed": "failed", "canceled": "failed"}


def greenroom_name() -> str:
    """Return what the table calls it."""
    return f"Greenroom {version('greenroom')}"


def view_of(result: RunResult) -> View:
    """Return a run as the client shows it."""
    done = tuple(step for step in STEPS if step in result.steps and result.steps[step].status == "success")
    shown = _STATUS.get(result.status, "running")
    end = result.output if shown == "done" else str(result.error) if shown == "failed" else None
    return View(status=shown, done=done, state=result.state, result=end)


async def look(client: RuntimeClient, run: str) -> View | None:
    """Return the run as it stands, without waiting."""
    try:
        return view_of(await (await client.run(run)).get())
    except RunNotFound:
        return None


async def start(client: RuntimeClient, run: str, value: Any) -> None:
    """Start, and return when the run rests."""
    handle = await client.workflow(WORKFLOW).start(value, run_id=run)
    await handle.result(WAIT_S)


async def recover(client: RuntimeClient, run: str) -> None:
    """Return when the run rests: recovery needs nobody."""
    await (await client.run(run)).result(WAIT_S)


async def resume(client: RuntimeClient, run: str, answer: Any) -> Any:
    """Answer, and return what the run ends with."""
    handle = await client.run(run)
    await handle.resume(ASK, answer)
    return ended(await handle.result(WAIT_S))


async def fork(client: RuntimeClient, run: str, answer: Any) -> Any:
    """Fork before `charge`, answer the fork, return what it ends with."""
    handle = await (await client.run(run)).fork(from_step="charge")
    await handle.result(WAIT_S)
    await handle.resume(ASK, answer)
    return ended(await handle.result(WAIT_S))


def ended(result: RunResult) -> Any:
    """Return what a run ended with.

    Raises:
        RuntimeError: It did not end well.
    """
    if result.status != "success":
        raise RuntimeError(f"the run is {result.status}: {result.error}")
    return result.output
