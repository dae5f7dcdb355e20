"""A user's exception as data.

Type name, message, JSON attributes and causes cross the journal; the trace goes to the log and nowhere else.
"""

from typing import Any, Final

import msgspec
import pydantic

from greenroom.runtime.contracts.entries import ErrorInfo
from greenroom.runtime.contracts.errors import GreenroomError, InvalidInput
from greenroom.runtime.contracts.values import Json
from greenroom.runtime.definitions.body import Body

MAX_CAUSES: Final = 8
"""Longest chain of causes that is kept; a deeper one is cut at its far end."""

MAX_MESSAGE_CHARS: Final = 8_000
MAX_ATTRIBUTE_BYTES: Final = 16 * 1024
"""Largest attribute, encoded, that is kept; a larger one is left out."""


def describe_error(error: BaseException, body: Body | None = None) -> ErrorInfo:
    """Return the error and its causes as data.

    Args:
        body: Whose `retry_on` decides whether the attempt may be repeated; without one any error may.
    """
    chain: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and len(chain) < MAX_CAUSES and current not in chain:
        chain.append(current)
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
    info: ErrorInfo | None = None
    for link in reversed(chain):
        info = ErrorInfo(
            type=type(link).__name__,
            message=_message(link),
            attributes=_attributes(link),
            cause=info,
            code=link.code if isinstance(link, GreenroomError) else None,
            retryable=link is not error or is_retryable(error, body),
        )
    assert info is not None  # noqa: S101 - the chain holds at least `error`
    return info


def is_retryable(error: BaseException, body: Body | None) -> bool:
    """Return whether a repetition may help: by the body's `retry_on`, and never for values that do not fit."""
    if isinstance(error, InvalidInput):
        return False
    if body is None or body.retry_on is None:
        return True
    return isinstance(error, tuple(body.retry_on))


def _message(error: BaseException) -> str:
    try:
        # Lone surrogates (file names that are no UTF-8) cannot travel.
        return str(error)[:MAX_MESSAGE_CHARS].encode("utf-8", "replace").decode()
    except Exception:  # noqa: BLE001 - a user's __str__ may do anything; the failure must still be told
        return f"<{type(error).__name__} without a readable message>"


def _attributes(error: BaseException) -> dict[str, Json]:
    if isinstance(error, GreenroomError):
        return _json_fields(error.facts)
    found = _json_fields(dict(getattr(error, "__dict__", None) or {}))
    if isinstance(error, pydantic.ValidationError):
        found["issues"] = error.errors(include_url=False, include_context=False, include_input=False)
    return found


def _json_fields(fields: dict[str, Any]) -> dict[str, Json]:
    found: dict[str, Json] = {}
    for name, value in fields.items():
        if str(name).startswith("_"):
            continue
        try:
            encoded = msgspec.json.encode(value)
        except (TypeError, ValueError, OverflowError, RecursionError):
            continue
        if len(encoded) <= MAX_ATTRIBUTE_BYTES:
            found[str(name)] = msgspec.json.decode(encoded)
    return found
