"""Runs that a route names: looked up, and refused where they are not of what the path says."""

from dataclasses import dataclass

from greenroom.runtime.client.results import RunResult
from greenroom.runtime.client.run import RunHandle
from greenroom.runtime.contracts.errors import RunNotFound
from greenroom.runtime.contracts.values import Json
from greenroom.serve.caller import Caller


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownRun:
    """A run that exists, as it stood when it was looked up."""

    handle: RunHandle
    result: RunResult

    @property
    def view(self) -> dict[str, Json]:
        """All that the runtime said about it."""
        return self.result.view

    @property
    def event_seq(self) -> int:
        """The last durable event it had."""
        return int(self.view.get("event_seq") or 0)


async def get_run(caller: Caller, run_id: str, kind: str | None = None, target: str | None = None) -> KnownRun:
    """Return a run of the caller's workspace.

    Args:
        kind: What it must be a run of: `workflow` or `agent`; None takes any.
        target: The definition's id.

    Raises:
        RunNotFound: There is none, or it is a run of something else.
    """
    handle = caller.runtime.run_handle(run_id)
    result = await handle.get()
    if kind is not None and (result.kind, result.target) != (kind, target):
        message = f"run {run_id} is not one of {kind} {target!r} but of {result.kind} {result.target!r}"
        raise RunNotFound(message, {"run_id": run_id, "kind": result.kind, "target": result.target})
    return KnownRun(handle=handle, result=result)
