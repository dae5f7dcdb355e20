"""Performance: what a scripted reply makes of an answer: its turn, its pace, its faults. Pure."""

import json
import math
from dataclasses import dataclass, replace

from greenroom.actors.rehearsal.brain import FinishReason, Turn, think
from greenroom.actors.rehearsal.request import ChatRequest
from greenroom.actors.rehearsal.script import Fault, FaultKind, Reply
from greenroom.actors.rehearsal.toolbox import Call
from greenroom.actors.rehearsal.wire import Refused


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How long an answer takes: before its first token, and for each token."""

    first_token_s: float = 0.0
    per_token_s: float = 0.0


def play(reply: Reply, request: ChatRequest, seed: str) -> Turn:
    """Gives the scripted turn; rehearsal's own where the reply has neither text nor tool calls."""
    if reply.text is None and not reply.tool_calls:
        return think(request, seed)
    calls = tuple(
        Call(
            name=call.name,
            arguments=call.arguments if isinstance(call.arguments, str) else json.dumps(call.arguments),
        )
        for call in reply.tool_calls
    )
    usual: FinishReason = "tool_calls" if calls else "stop"
    return Turn(text=reply.text, calls=calls, finish_reason=reply.finish_reason or usual)


def spoil(turn: Turn, fault: Fault | None) -> Turn:
    """Cuts the arguments of tool calls when the fault says so: half of a JSON object is none."""
    if not fault or fault.kind is not FaultKind.MALFORMED_ARGUMENTS:
        return turn
    calls = [replace(call, arguments=call.arguments[: max(1, len(call.arguments) // 2)]) for call in turn.calls]
    return replace(turn, calls=tuple(calls))


def pace_of(usual: Pace, reply: Reply) -> Pace:
    """Gives how fast to answer: as the reply says, else as usual, plus the wait of a slow fault."""
    first = usual.first_token_s if reply.first_token_s is None else reply.first_token_s
    if reply.fault and reply.fault.kind is FaultKind.SLOW:
        first += reply.fault.delay_s
    return Pace(first_token_s=first, per_token_s=usual.per_token_s if reply.per_token_s is None else reply.per_token_s)


def refusal(fault: Fault) -> Refused:
    """Gives the HTTP error of a status fault."""
    headers = {}
    if fault.retry_after_s is not None:  # whole seconds are all the header knows; the other header is OpenAI's own
        headers = {
            "retry-after": str(math.ceil(fault.retry_after_s)),
            "retry-after-ms": str(round(fault.retry_after_s * 1000)),
        }
    return Refused(fault.status, fault.message, code="rehearsal_fault", headers=headers)
