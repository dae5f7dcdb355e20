"""Whether this process is up, and whether the runtime behind it can do its work."""

import asyncio
from typing import Final

from fastapi import APIRouter

from greenroom.runtime.contracts.errors import GreenroomError
from greenroom.serve.answers import JsonAnswer, answer
from greenroom.serve.caller import FromCaller

router = APIRouter(tags=["health"])

READY_WITHIN_S: Final = 3.0


@router.get("/healthz")
async def get_health() -> JsonAnswer:
    """Tell that this process answers."""
    return answer({"status": "ok"})


@router.get("/readyz")
async def get_readiness(caller: FromCaller) -> JsonAnswer:
    """Tell whether the runtime can be reached and its store can be written; else 503 and why not."""
    try:
        async with asyncio.timeout(READY_WITHIN_S):
            status = await caller.runtime.status()
    except TimeoutError:
        return _not_ready(f"the runtime did not answer within {READY_WITHIN_S:.0f} s")
    except GreenroomError as error:
        return _not_ready(error.message)
    if status.get("state") != "running":
        return _not_ready(f"the runtime is {status.get('state')}")
    storage = status.get("storage") or {}
    if not storage.get("is_writable", True):
        return _not_ready(f"the store cannot be written: {storage.get('error') or 'no reason given'}")
    return answer({"status": "ready", "bundle": status.get("bundle"), "recoveries": status.get("recoveries")})


def _not_ready(reason: str) -> JsonAnswer:
    told = {"status": "unavailable", "error": reason, "code": "runtime_unavailable"}
    return answer(told, status=503, headers={"retry-after": "2"})
