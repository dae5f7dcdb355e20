"""How the result of each kind of body is read."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

from greenroom.actors.values import Binaries, Values, holds_binary
from greenroom.runtime.contracts.values import Json
from greenroom.runtime.contracts.work import WorkKind
from greenroom.runtime.definitions.body import Body
from greenroom.runtime.definitions.invoke import dump_result


async def read_result(kind: WorkKind, body: Body, result: Any, binaries: Binaries, values: Values) -> Json:
    """Return what a body returned as the output of its attempt; binary and large parts are stored on the way.

    Raises:
        InvalidInput: It does not fit the body's output type, or has no JSON form.
        TypeError: A duration is neither seconds nor a time.
    """
    match kind:
        case "condition" | "approval":
            return bool(result)
        case "duration":
            return _read_duration(result)
        case _:
            pass
    if holds_binary(result):
        # In a thread: encoding and hashing 100 MB takes long enough to stall every other body on this loop.
        output = await asyncio.to_thread(dump_result, body, result, binaries)
    else:
        output = dump_result(body, result, binaries)
    await values.store(binaries)
    return await values.pack(output)


def _read_duration(result: Any) -> Json:
    match result:
        case bool():
            pass
        case int() | float():
            return float(result)
        case timedelta():
            return result.total_seconds()
        case datetime():
            return result.astimezone(UTC).isoformat()
        case str():
            return datetime.fromisoformat(result).astimezone(UTC).isoformat()
        case _:
            pass
    raise TypeError(f"A sleep takes seconds, a timedelta, a datetime or an ISO time, not {type(result).__name__}.")
