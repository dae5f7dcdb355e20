"""Runs as HTTP shows them, turned back into the runtime's own names and seconds. Pure."""

import re
from collections.abc import Mapping
from typing import Any, Final

from greenroom.runtime.contracts.values import Json

_RENAMED: Final = {"last_event_id": "event_seq", "cached_input_tokens": "cached_tokens"}
_UPPER: Final = re.compile(r"(?<!^)(?=[A-Z])")


def run_from_wire(shown: Mapping[str, Json]) -> dict[str, Json]:
    """Return a run's view as the runtime gives it.

    >>> view = run_from_wire({"runId": "r", "createdAt": 1500, "steps": {"a/bC": {"startedAt": 2000}}})
    >>> view["run_id"], view["created_at"], view["steps"]
    ('r', 1.5, {'a/bC': {'started_at': 2.0}})
    """
    view = _plain(shown)
    view["steps"] = {path: _plain(step) for path, step in (shown.get("steps") or {}).items()}
    view["usage"] = _plain(shown.get("usage") or {})
    return view


def summary_from_wire(shown: Mapping[str, Json]) -> dict[str, Json]:
    """Return a row of a list as the runtime gives it."""
    return _plain(shown)


def _plain(shown: Mapping[str, Json]) -> dict[str, Any]:
    """Rename the members of one object, not of what they hold: that is the user's."""
    found: dict[str, Any] = {}
    for name, value in shown.items():
        plain = _UPPER.sub("_", name).lower()
        is_time = plain.endswith("_at") and isinstance(value, int | float)
        found[_RENAMED.get(plain, plain)] = value / 1000 if is_time else value
    return found
