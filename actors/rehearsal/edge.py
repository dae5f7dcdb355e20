"""The edge: bodies in, refusals out. Every error leaves in OpenAI's shape, and no body is read without a bound."""

import json
from typing import Final, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from greenroom.actors.rehearsal.request import Json
from greenroom.actors.rehearsal.wire import Refused

MAX_BODY_BYTES: Final = 20 * 1024 * 1024

Body = TypeVar("Body", bound=BaseModel)


async def read_body(request: Request) -> bytes:
    """Gives the whole body.

    Raises:
        Refused: it is larger than `MAX_BODY_BYTES`.
    """
    raw = bytearray()
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > MAX_BODY_BYTES:
            raise Refused(413, f"the body is larger than {MAX_BODY_BYTES} bytes", code="request_too_large")
    return bytes(raw)


def parse(raw: bytes) -> Json:
    """Gives the JSON object a body is.

    Raises:
        Refused: it is none.
    """
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError) as problem:
        raise Refused(400, f"the body is not JSON: {problem}", code="invalid_json") from None
    if not isinstance(body, dict):
        raise Refused(400, f"the body must be a JSON object, not {type(body).__name__}", code="invalid_json")
    return body


def check(kind: type[Body], body: Json) -> Body:
    """Gives a body as its model.

    Raises:
        Refused: it does not fit; the message names the first field that is wrong.
    """
    try:
        return kind.model_validate(body)
    except ValidationError as problem:
        first = problem.errors(include_url=False, include_context=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        more = f" (and {problem.error_count() - 1} more)" if problem.error_count() > 1 else ""
        message = first["msg"].removeprefix("Value error, ")
        raise Refused(400, f"{where}: {message}{more}" if where else message, param=where or None) from None


async def refuse(_request: Request, problem: Exception) -> Response:
    """Answers a refusal."""
    if not isinstance(problem, Refused):
        raise problem
    return JSONResponse(problem.body(), status_code=problem.status, headers=problem.headers)


async def refuse_route(request: Request, problem: Exception) -> Response:
    """Answers an unknown path or method."""
    if not isinstance(problem, HTTPException):
        raise problem
    message = f"{request.method} {request.url.path}: {problem.detail}"
    refused = Refused(problem.status_code, message, code="unknown_url", headers=dict(problem.headers or {}))
    return await refuse(request, refused)


async def refuse_bug(_request: Request, problem: Exception) -> Response:
    """Answers an error of rehearsal's own; the trace goes to the server's log."""
    return await refuse(_request, Refused(500, f"rehearsal failed with {type(problem).__name__}: {problem}"))
