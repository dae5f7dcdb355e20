"""Routes that read JSON by the letter: no NaN, no half surrogates, no bytes that are not UTF-8."""

import json
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response


class StrictRequest(Request):
    """A request whose body is JSON by the letter."""

    async def json(self) -> Any:
        """Return the body as JSON.

        Raises:
            JSONDecodeError: It is not.
        """
        body = await self.body()
        try:
            return msgspec.json.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            reason = str(error) or type(error).__name__
            raise json.JSONDecodeError(reason, body.decode("utf-8", "replace"), 0) from None


class StrictRoute(APIRoute):
    """A route that hands its endpoint strict requests."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return what serves a request of this route."""
        handle = super().get_route_handler()

        async def strictly(request: Request) -> Response:
            return await handle(StrictRequest(request.scope, request.receive))

        return strictly
