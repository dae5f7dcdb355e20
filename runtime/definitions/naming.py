"""Names of definitions: where they come from, what they may hold, how a definition is found again by import.

Ids become segments of paths, so the signs that paths are made of are refused.
"""

# cloudpickle has no types.
# pyright: reportMissingTypeStubs=false, reportUnknownArgumentType=false, reportUnknownMemberType=false, reportUnknownVariableType=false

import re
import sys
from collections.abc import Callable
from typing import Any, Final

import cloudpickle

from greenroom.runtime.contracts.errors import DefinitionError

MAX_ID_LENGTH: Final = 128
_FORBIDDEN: Final = re.compile(r"[/\[\]#?~\s]")


def check_id(kind: str, id: Any) -> str:
    """Return the id if it can stand in a path.

    >>> check_id("step", "outline")
    'outline'

    Raises:
        DefinitionError: It is empty, too long, or holds a sign of paths.
    """
    if not isinstance(id, str) or not id or len(id) > MAX_ID_LENGTH or _FORBIDDEN.search(id):
        raise DefinitionError(
            f"{kind} id {id!r} is not allowed: 1 to {MAX_ID_LENGTH} characters, no spaces and none of / [ ] # ? ~",
            {"kind": kind, "id": str(id)},
        )
    return str(id)


def name_of(function: Callable[..., Any]) -> str:
    """Return the id a function gives its step or tool.

    >>> name_of(lambda value: value)
    'lambda'
    """
    inner = getattr(function, "func", function)  # functools.partial
    name = getattr(inner, "__name__", type(inner).__name__)
    return str(name).strip("<>")


def find_global(definition: object) -> str | None:
    """Return the qualified name under which the definition stands in its module, or None.

    A definition that its module can give back is pickled by that name; what the module holds besides (clients,
    locks) then never has to be pickled.
    """
    module = sys.modules.get(getattr(definition, "__module__", None) or "")
    name = getattr(definition, "__qualname__", None)
    if module is None or name is None or module.__name__ == "__main__" or _goes_by_value(module.__name__):
        return None
    at: object = module
    for part in name.split("."):
        at = getattr(at, part, None)
    return str(name) if at is definition else None


def _goes_by_value(module: str) -> bool:
    """Tell whether somebody asked that code of this module, or of a package around it, is pickled whole."""
    registered = cloudpickle.list_registry_pickle_by_value()
    return any(module == name or module.startswith(f"{name}.") for name in registered)
