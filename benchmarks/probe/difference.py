"""Where two values differ."""

from dataclasses import fields, is_dataclass
from typing import Any

from benchmarks.probe.effects import exact


def difference(found: Any, wanted: Any, path: str = "") -> str:
    """Return the first place at which two values differ, and what stands there."""
    if type(found) is type(wanted):
        for place, one, other in _parts(found, wanted):
            if exact(one) != exact(other):
                return difference(one, other, f"{path}{place}")
    return f"{path or 'it'} is {exact(found)[:100]} in place of {exact(wanted)[:100]}"


def _parts(found: Any, wanted: Any) -> list[tuple[str, Any, Any]]:
    """Return the parts of two values of one type, side by side; none if they do not have the same ones."""
    if isinstance(found, dict) and list(found) == list(wanted):
        return [(f".{key}", found[key], wanted[key]) for key in found]
    if isinstance(found, list | tuple) and len(found) == len(wanted):
        return [(f"[{index}]", one, other) for index, (one, other) in enumerate(zip(found, wanted, strict=True))]
    if is_dataclass(found):
        return [(f".{field.name}", getattr(found, field.name), getattr(wanted, field.name)) for field in fields(found)]
    return []
