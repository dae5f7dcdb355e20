"""Greenroom: a durable runtime for agents and workflows on Ray.

The public names. Each is loaded on first use, so that `import greenroom` costs next to nothing and needs no Ray.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from greenroom.app import connect
    from greenroom.runtime.contracts.errors import (
        AlreadyClaimed,
        AmbiguousResume,
        AuthError,
        ConfigError,
        CreditError,
        DefinitionError,
        DuplicateName,
        Fenced,
        ForbiddenError,
        GreenroomError,
        InDoubt,
        InvalidGraph,
        InvalidInput,
        ModelError,
        NotFound,
        RateLimited,
        RequestError,
        RunCanceled,
        RunFinished,
        RunNotFound,
        RunNotSuspended,
        RunStillRunning,
        RuntimeUnavailable,
        StepError,
        StepTimeout,
        StorageCorrupt,
        StorageError,
        StorageFull,
        ToolFailed,
        UnknownStep,
        WorkerDied,
    )
    from greenroom.runtime.definitions.agent import Agent, Memory, Recall, WorkingMemory
    from greenroom.runtime.definitions.app import App
    from greenroom.runtime.definitions.context import StepContext, ToolContext
    from greenroom.runtime.definitions.limit import Limit
    from greenroom.runtime.definitions.schedule import Schedule, every
    from greenroom.runtime.definitions.sources import constant, from_context, from_input, from_state, from_step
    from greenroom.runtime.definitions.step import Step, step
    from greenroom.runtime.definitions.tool import Tool, tool
    from greenroom.runtime.definitions.workflow import Workflow

__version__: str

_ERRORS = "greenroom.runtime.contracts.errors"
_DEFINITIONS = "greenroom.runtime.definitions"

_HOMES = {
    "Agent": f"{_DEFINITIONS}.agent",
    "AlreadyClaimed": _ERRORS,
    "AmbiguousResume": _ERRORS,
    "App": f"{_DEFINITIONS}.app",
    "AuthError": _ERRORS,
    "ConfigError": _ERRORS,
    "CreditError": _ERRORS,
    "DefinitionError": _ERRORS,
    "DuplicateName": _ERRORS,
    "Fenced": _ERRORS,
    "ForbiddenError": _ERRORS,
    "GreenroomError": _ERRORS,
    "InDoubt": _ERRORS,
    "InvalidGraph": _ERRORS,
    "InvalidInput": _ERRORS,
    "Limit": f"{_DEFINITIONS}.limit",
    "Memory": f"{_DEFINITIONS}.agent",
    "ModelError": _ERRORS,
    "NotFound": _ERRORS,
    "RateLimited": _ERRORS,
    "Recall": f"{_DEFINITIONS}.agent",
    "RequestError": _ERRORS,
    "RunCanceled": _ERRORS,
    "RunFinished": _ERRORS,
    "RunNotFound": _ERRORS,
    "RunNotSuspended": _ERRORS,
    "RunStillRunning": _ERRORS,
    "RuntimeUnavailable": _ERRORS,
    "Schedule": f"{_DEFINITIONS}.schedule",
    "Step": f"{_DEFINITIONS}.step",
    "StepContext": f"{_DEFINITIONS}.context",
    "StepError": _ERRORS,
    "StepTimeout": _ERRORS,
    "StorageCorrupt": _ERRORS,
    "StorageError": _ERRORS,
    "StorageFull": _ERRORS,
    "Tool": f"{_DEFINITIONS}.tool",
    "ToolContext": f"{_DEFINITIONS}.context",
    "ToolFailed": _ERRORS,
    "UnknownStep": _ERRORS,
    "WorkerDied": _ERRORS,
    "Workflow": f"{_DEFINITIONS}.workflow",
    "WorkingMemory": f"{_DEFINITIONS}.agent",
    "connect": "greenroom.app",
    "constant": f"{_DEFINITIONS}.sources",
    "every": f"{_DEFINITIONS}.schedule",
    "from_context": f"{_DEFINITIONS}.sources",
    "from_input": f"{_DEFINITIONS}.sources",
    "from_state": f"{_DEFINITIONS}.sources",
    "from_step": f"{_DEFINITIONS}.sources",
    "step": f"{_DEFINITIONS}.step",
    "tool": f"{_DEFINITIONS}.tool",
}

__all__ = [
    "Agent",
    "AlreadyClaimed",
    "AmbiguousResume",
    "App",
    "AuthError",
    "ConfigError",
    "CreditError",
    "DefinitionError",
    "DuplicateName",
    "Fenced",
    "ForbiddenError",
    "GreenroomError",
    "InDoubt",
    "InvalidGraph",
    "InvalidInput",
    "Limit",
    "Memory",
    "ModelError",
    "NotFound",
    "RateLimited",
    "Recall",
    "RequestError",
    "RunCanceled",
    "RunFinished",
    "RunNotFound",
    "RunNotSuspended",
    "RunStillRunning",
    "RuntimeUnavailable",
    "Schedule",
    "Step",
    "StepContext",
    "StepError",
    "StepTimeout",
    "StorageCorrupt",
    "StorageError",
    "StorageFull",
    "Tool",
    "ToolContext",
    "ToolFailed",
    "UnknownStep",
    "WorkerDied",
    "Workflow",
    "WorkingMemory",
    "__version__",
    "connect",
    "constant",
    "every",
    "from_context",
    "from_input",
    "from_state",
    "from_step",
    "step",
    "tool",
]


def __getattr__(name: str) -> Any:
    """Load a public name on its first use."""
    if name == "__version__":
        return _find_version()
    if name not in _HOMES:
        raise AttributeError(f"module 'greenroom' has no attribute {name!r}")
    found = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = found
    return found


def __dir__() -> "list[str]":  # in quotes: an old Python gets as far as the clear line of `cli.main`
    return __all__


def _find_version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("greenroom")
    except PackageNotFoundError:  # run from its source, uninstalled
        return "0+source"
