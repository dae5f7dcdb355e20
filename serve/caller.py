"""Who calls, and what every route is given: the runtime's client of the caller's workspace, the key, the trace."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Final, TypeAlias

from fastapi import Depends, Header
from starlette.requests import Request

from greenroom.runtime.client.runtime import RuntimeClient
from greenroom.serve.plans import Plans

WORKSPACE: Final = "default"

ClientFor: TypeAlias = Callable[[str], RuntimeClient]

# W3C Trace Context, section 3.2: version, trace id, parent id, flags.
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(?:-.*)?")
_TRACE_ID = re.compile(r"[0-9a-f]{32}")
_SPAN_ID = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """The trace a request belongs to; empty ids let the runtime begin one."""

    trace_id: str = ""
    parent_span_id: str = ""

    def overridden(self, trace_id: str | None, parent_span_id: str | None) -> "Trace":
        """Return the trace that a body names, where it names a valid one."""
        if trace_id is None or not _TRACE_ID.fullmatch(trace_id) or not trace_id.strip("0"):
            return self
        parent = parent_span_id if parent_span_id and _SPAN_ID.fullmatch(parent_span_id) else ""
        return Trace(trace_id=trace_id, parent_span_id=parent)


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """One request's caller.

    Attributes:
        runtime: The client of the caller's workspace.
        key: The `Idempotency-Key` of the request.
        trace: The trace the request belongs to.
        plans: Plans of workflows by bundle.
        heartbeat_s: How long a stream may be silent.
    """

    runtime: RuntimeClient
    key: str | None
    trace: Trace
    plans: Plans
    heartbeat_s: float


def read_traceparent(header: str | None) -> Trace:
    """Return the trace a header names; a malformed one counts as none, as the specification says.

    >>> read_traceparent("00-" + "a" * 32 + "-" + "b" * 16 + "-01").parent_span_id
    'bbbbbbbbbbbbbbbb'
    >>> read_traceparent("nonsense")
    Trace(trace_id='', parent_span_id='')
    """
    found = _TRACEPARENT.fullmatch((header or "").strip())
    if found is None or not found[1].strip("0") or not found[2].strip("0"):
        return Trace()
    return Trace(trace_id=found[1], parent_span_id=found[2])


async def read_caller(
    request: Request,
    idempotency_key: Annotated[str | None, Header(max_length=256)] = None,
    traceparent: Annotated[str | None, Header()] = None,
) -> Caller:
    """Return who calls; without `async` FastAPI would do this in a thread, at every request."""
    state = request.app.state
    client_for: ClientFor = state.client_for
    return Caller(
        runtime=client_for(WORKSPACE),
        key=idempotency_key or None,
        trace=read_traceparent(traceparent),
        plans=state.plans,
        heartbeat_s=state.heartbeat_s,
    )


FromCaller: TypeAlias = Annotated[Caller, Depends(read_caller)]
