"""Events: what is published about a run.

Durable events are a projection of the journal and are numbered from 1 without gaps. Ephemeral ones (`seq` 0: token
deltas, `ctx.write` chunks) come between them in order and are not kept.
"""

import msgspec

from greenroom.runtime.contracts.values import Json

EVENT_TYPES = (
    "run_started",
    "step_started",
    "step_finished",
    "step_failed",
    "step_retrying",
    "step_suspended",
    "step_canceled",
    "step_output",
    "foreach_progress",
    "run_waiting",
    "run_suspended",
    "run_paused",
    "run_resumed",
    "run_finished",
)
"""Types of events; chunks of agents are `agent_<chunk>` besides (`agent_text_delta`, `agent_tool_call`, …)."""


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One event of a run.

    Attributes:
        seq: Position in the run's stream from 1; 0 for an ephemeral event.
        at: Epoch seconds.
    """

    seq: int
    type: str
    path: str = ""
    at: float = 0.0
    data: Json = None
