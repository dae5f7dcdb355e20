"""Which application a command is about."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from greenroom.cli.failures import UsageError

if TYPE_CHECKING:
    from greenroom.runtime.contracts.config import Config
    from greenroom.runtime.definitions.app import App


def choose_target(given: str | None, config: "Config") -> str:
    """Return `module:app`: the one that was given, else the configuration's.

    Raises:
        UsageError: There is neither.
    """
    target = given or config.app
    if not target:
        message = (
            'which application? Name it, `greenroom up module:app`, or set `app = "module:app"` in greenroom.toml '
            "(or below [tool.greenroom] in pyproject.toml)"
        )
        raise UsageError(message)
    return target


def load_target(target: str, config: "Config") -> "App":
    """Import an application from the current folder, the project's folder, or what is installed.

    Raises:
        DefinitionError: There is no such module, its import raised, the attribute is missing, or it is not an App.
    """
    for folder in (config.root, str(Path.cwd())):
        if folder not in sys.path:
            sys.path.insert(0, folder)
    from greenroom.runtime.definitions.bundle import resolve_target

    return resolve_target(target)
