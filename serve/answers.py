"""JSON answers. Encoded by msgspec: what a run holds is JSON already, and a number that JSON lacks becomes null."""

from collections.abc import Mapping
from typing import Any

import msgspec
from starlette.responses import Response

from greenroom.runtime.contracts.values import Json

_encode = msgspec.json.Encoder().encode

TRACE_HEADER = "x-trace-id"


class JsonAnswer(Response):
    """An answer in JSON."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """Return the content as bytes."""
        return _encode(content)


def answer(
    content: Json, *, status: int = 200, trace_id: str = "", headers: Mapping[str, str] | None = None
) -> JsonAnswer:
    """Return an answer; with a trace id, also as a header."""
    told = dict(headers or {})
    if trace_id:
        told[TRACE_HEADER] = trace_id
    return JsonAnswer(content, status_code=status, headers=told)
