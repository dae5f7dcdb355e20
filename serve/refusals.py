"""Errors as answers: one shape, `{"error": text}`, with a code, the wrong fields, and facts for programs beside it.

Callers repeat what answers 5xx, POST included. So what would fail again has a 4xx, and what may pass later a 5xx.
"""

import logging
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request

from greenroom.runtime.contracts.errors import GreenroomError, StepError
from greenroom.runtime.contracts.values import Json
from greenroom.serve.answers import JsonAnswer, answer

Handler: TypeAlias = Callable[[Request, Exception], Awaitable[JsonAnswer]]

FAILED_DEPENDENCY: Final = 424
"""A run was started, is recorded, and failed: sending the request again would run, and pay for, another one."""

_PLACES: Final = {
    "body": "Invalid request body",
    "query": "Invalid query parameters",
    "path": "Invalid path parameters",
    "header": "Invalid headers",
}
_RETRIED: Final = frozenset({429, 503, 507})
_NOT_JSON: Final = "send JSON, with the header content-type: application/json"

log = logging.getLogger("greenroom.serve")


def status_of(error: GreenroomError) -> int:
    """Return the HTTP status of an error."""
    return FAILED_DEPENDENCY if isinstance(error, StepError) else error.http_status


def refusal(error: GreenroomError) -> JsonAnswer:
    """Return an error of ours as an answer."""
    facts = dict(error.facts)
    body: dict[str, Json] = {"error": error.message, "code": error.code}
    issues = facts.pop("issues", None)
    if issues is not None:
        body["issues"] = issues
    trace_id = str(facts.pop("trace_id", None) or "")
    if trace_id:
        body["traceId"] = trace_id
    if "run_id" in facts:
        body["runId"] = facts.pop("run_id")
    if facts:
        body["facts"] = facts
    status = status_of(error)
    headers: dict[str, str] = {}
    if status in _RETRIED:
        headers["retry-after"] = str(max(1, math.ceil(float(facts.get("retry_after_s") or 1.0))))
    return answer(body, status=status, trace_id=trace_id, headers=headers)


async def _refuse(_request: Request, error: Exception) -> JsonAnswer:
    if not isinstance(error, GreenroomError):
        raise error
    return refusal(error)


async def _refuse_fields(_request: Request, error: Exception) -> JsonAnswer:
    if not isinstance(error, RequestValidationError):
        raise error
    problems: Sequence[Mapping[str, Any]] = error.errors()
    place = str(problems[0]["loc"][0]) if problems else "body"
    issues = [_issue(problem) for problem in problems]
    return answer({"error": _PLACES.get(place, _PLACES["body"]), "code": "invalid_input", "issues": issues}, status=400)


def _issue(problem: Mapping[str, Any]) -> dict[str, str]:
    if problem["type"] == "json_invalid":
        return {"field": "body", "message": f"it is not JSON: {(problem.get('ctx') or {}).get('error', '')}"}
    field = ".".join(str(part) for part in problem["loc"][1:]) or "root"
    if field == "root" and isinstance(problem.get("input"), bytes):
        return {"field": "body", "message": _NOT_JSON}
    return {"field": field, "message": str(problem["msg"]).removeprefix("Value error, ")}


async def _refuse_route(request: Request, error: Exception) -> JsonAnswer:
    if not isinstance(error, HTTPException):
        raise error
    headers = dict(error.headers or {})
    if error.status_code == 404:  # noqa: PLR2004 - the status itself
        message = f"there is no route {request.method} {request.url.path}"
        return answer({"error": message, "code": "not_found"}, status=404, headers=headers)
    if error.status_code == 405:  # noqa: PLR2004 - the status itself
        message = f"{request.url.path} does not take {request.method}"
        return answer({"error": message, "code": "method_not_allowed"}, status=405, headers=headers)
    return answer({"error": str(error.detail)}, status=error.status_code, headers=headers)


async def _refuse_value(_request: Request, error: Exception) -> JsonAnswer:
    """Refuse what JSON can say and the runtime's encoding cannot: integers beyond 64 bits, half a surrogate pair."""
    what = "a number is too large" if isinstance(error, OverflowError) else "a text is not valid Unicode"
    issues = [{"field": "body", "message": what}]
    return answer({"error": _PLACES["body"], "code": "invalid_input", "issues": issues}, status=400)


def install_refusals(app: FastAPI) -> None:
    """Let the app answer every kind of error in one shape."""
    app.add_exception_handler(GreenroomError, _refuse)
    app.add_exception_handler(RequestValidationError, _refuse_fields)
    app.add_exception_handler(HTTPException, _refuse_route)
    app.add_exception_handler(OverflowError, _refuse_value)
    app.add_exception_handler(UnicodeError, _refuse_value)
