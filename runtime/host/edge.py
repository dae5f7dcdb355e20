"""The border of the runtime: bytes in, bytes out; every error becomes data here."""

import logging

import msgspec

from greenroom.runtime.contracts.errors import GreenroomError, InvalidInput
from greenroom.runtime.contracts.requests import Request
from greenroom.runtime.host.host import Host

log = logging.getLogger("greenroom.edge")

_decoder = msgspec.msgpack.Decoder(Request)
_encode = msgspec.msgpack.Encoder().encode


async def answer(host: Host, payload: bytes) -> bytes:
    """Answer an encoded request: `{"ok": …}` or `{"error": {code, message, retryable, facts}}`, as msgpack."""
    try:
        request = _decoder.decode(payload)
    except msgspec.ValidationError as error:
        refused = InvalidInput(f"the runtime does not understand this request: {error}")
        return _encode({"error": refused.to_json()})
    try:
        return _encode({"ok": await host.handle(request)})
    except GreenroomError as error:
        return _encode({"error": error.to_json()})
    except Exception as error:  # the border: an unknown error is told, with its trace in the log
        log.exception("request %s failed", type(request).__name__)
        message = f"the runtime failed at {type(request).__name__}: {type(error).__name__}: {error}"
        return _encode({"error": GreenroomError(message).to_json()})
