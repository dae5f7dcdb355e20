"""JSON on the command line: as it stands, from a file, or from stdin."""

import json
import sys
from pathlib import Path
from typing import Any

from greenroom.cli.failures import UsageError


def read_json(given: str | None, option: str = "--input") -> Any:
    """Return the value of `JSON`, `@file` or `-`; None if nothing was given.

    Raises:
        UsageError: The file cannot be read, or it is not JSON; the message shows where.
    """
    if given is None:
        return None
    text, where = given, option
    if given == "-":
        text, where = sys.stdin.read(), f"{option} (stdin)"
    elif given.startswith("@"):
        where = f"{option} ({given[1:]})"
        try:
            text = Path(given[1:]).expanduser().read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "is not UTF-8 text"
            raise UsageError(f"{given[1:]} cannot be read: {reason}") from None
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        shown = text.splitlines()[error.lineno - 1].strip()[:60] if text.strip() else "nothing"
        place = f"line {error.lineno}, column {error.colno}"
        raise UsageError(
            f"{where} is not JSON: {error.msg} at {place} ({shown}); text is written in quotes, '\"like this\"'"
        ) from None


def read_object(given: str | None, option: str = "--input") -> dict[str, Any]:
    """Return a JSON object, empty if nothing was given.

    Raises:
        UsageError: As `read_json`, or it is another kind of value.
    """
    value = read_json(given, option)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise UsageError(f'{option} is a JSON object, such as \'{{"query": "…"}}\', not {type(value).__name__}')
    return value
