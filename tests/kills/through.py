"""Ways to a runtime that is not the one clients find by name, and outcomes as text."""

from collections.abc import Awaitable
from typing import Any

import msgspec

from greenroom.runtime.client.link import read_answer
from greenroom.runtime.contracts.errors import GreenroomError
from greenroom.runtime.contracts.requests import Request
from greenroom.runtime.contracts.values import Json


class ActorLink:
    """Carries requests to one runtime actor, whatever its name."""

    def __init__(self, actor: Any) -> None:
        self._actor = actor

    async def call(self, request: Request) -> Json:
        """Return the answer."""
        return read_answer(await self._actor.call.remote(msgspec.msgpack.encode(request)))


async def outcome(call: Awaitable[Any]) -> str:
    """Return the code of the error that a call led to, or its result as text."""
    try:
        return repr(await call)
    except GreenroomError as error:
        return error.code
