"""The way to a runtime: one request, one answer. In Ray it is the named actor, in tests the host itself.

Ray promises at most one delivery or at least one, never exactly one. Every request that changes something carries an
id or a key of the client's making, so the link sends it again after a failure and it takes effect once.
"""

import asyncio
import random
import time
from typing import Any, Final, Protocol

import msgspec

from greenroom.runtime.contracts.errors import RuntimeUnavailable, error_from_json
from greenroom.runtime.contracts.requests import Advance, Request
from greenroom.runtime.contracts.values import Json

ACTOR_NAME: Final = "greenroom-runtime"
NAMESPACE: Final = "greenroom"

RETRY_FOR_S: Final = 60.0
"""How long a request is sent again while the runtime restarts."""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder().decode


class RuntimeLink(Protocol):
    """Carries requests to a runtime."""

    async def call(self, request: Request) -> Json:
        """Return the answer.

        Raises:
            GreenroomError: What the request led to.
        """
        ...


def read_answer(payload: bytes) -> Json:
    """Return an answer, or raise the error that it is."""
    answer = _decode(payload)
    if "error" in answer:
        raise error_from_json(answer["error"])
    return answer["ok"]


class RayLink:
    """Talks to the runtime actor of the Ray cluster this process is connected to.

    Args:
        retry_for_s: How long to go on while the actor restarts.
    """

    def __init__(self, retry_for_s: float = RETRY_FOR_S) -> None:
        self._retry_for_s = retry_for_s
        self._actor: Any = None

    async def call(self, request: Request) -> Json:
        """Return the answer; sent again, with the same id or key, while the actor restarts.

        Raises:
            RuntimeUnavailable: No runtime answered in time.
        """
        import ray  # noqa: PLC0415 - importing greenroom must not import ray
        from ray.exceptions import RayActorError  # noqa: PLC0415

        if not ray.is_initialized():
            # Asked for an actor, Ray would start a cluster of its own here.
            raise _gone("this process is not connected to Ray")
        payload = _encode(request)
        give_up_at = time.monotonic() + self._retry_for_s
        wait_s = 0.05
        while True:
            try:
                if self._actor is None:
                    self._actor = ray.get_actor(ACTOR_NAME, namespace=NAMESPACE)
                return read_answer(await self._actor.call.remote(payload))
            except (RayActorError, ValueError) as error:
                self._actor = None
                if isinstance(request, Advance) or time.monotonic() + wait_s > give_up_at:
                    raise _gone(str(error).splitlines()[0]) from error
            except RuntimeUnavailable as error:
                is_unsafe = isinstance(request, Advance) and "in_doubt" in error.facts
                if is_unsafe or time.monotonic() + wait_s > give_up_at:
                    raise
            await asyncio.sleep(wait_s * (0.5 + random.random()))
            wait_s = min(2.0, wait_s * 2)


def _gone(why: str) -> RuntimeUnavailable:
    message = f"the runtime cannot be reached ({why}); is it up? `greenroom status` tells, `greenroom up` starts one"
    return RuntimeUnavailable(message, {"retry_after_s": 2.0})


class LocalLink:
    """Talks to a host in this process, through the same bytes as over Ray."""

    def __init__(self, answer: Any) -> None:
        self._answer = answer

    async def call(self, request: Request) -> Json:
        """Return the answer."""
        return read_answer(await self._answer(_encode(request)))
