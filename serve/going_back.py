"""Executing a run again from a step, as the routes for it ask: as a fork, or in place."""

from typing import Any

from greenroom.runtime.client.run import SAME, RunHandle
from greenroom.runtime.contracts.errors import InvalidInput
from greenroom.serve.bodies import AgainBody
from greenroom.serve.caller import Caller


async def fork_run(caller: Caller, run: RunHandle, body: AgainBody) -> RunHandle:
    """Fork a run; return the new one.

    Raises:
        InvalidInput: The body has what is not taken, or what does not fit.
    """
    return await run.fork(body.path, **_arguments(caller, body))


async def rerun_run(caller: Caller, run: RunHandle, body: AgainBody) -> RunHandle:
    """Let a run go back; return it.

    Raises:
        InvalidInput: The body has what is not taken, or what does not fit.
    """
    return await run.rerun(body.path, **_arguments(caller, body))


def _arguments(caller: Caller, body: AgainBody) -> dict[str, Any]:
    if body.refused:
        message = (
            f"Invalid request body: {', '.join(body.refused)} is not taken; the outcomes before the step are those of "
            "the run's own history, and a step that waits is resumed by a request of its own"
        )
        raise InvalidInput(message, {"issues": [{"field": name, "message": "is not taken"} for name in body.refused]})
    return {
        "input": body.input_data if body.has_input else SAME,
        "state": body.state,
        "key": caller.key,
        "request_context": body.request_context,
    }
