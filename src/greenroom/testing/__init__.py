"""For tests of applications: a runtime in one process, a clock that is told the time, a model that is told its lines.

Nothing here needs Ray, a network, a disk or a key. With pytest the same comes as fixtures (`greenroom.testing.plugin`).
Names load on first use, so that pytest does not load a runtime for tests that use none.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from greenroom.testing.clock import FakeClock
    from greenroom.testing.fake_runtime import FakeRuntime
    from greenroom.testing.faults import CrashPlan
    from greenroom.testing.scenario import Scenario
    from greenroom.testing.scripted_model import ScriptedModel, ToolCall, tool_call
    from greenroom.testing.simulation import Simulation, Story

_HOMES = {
    "CrashPlan": "faults",
    "FakeClock": "clock",
    "FakeRuntime": "fake_runtime",
    "Scenario": "scenario",
    "ScriptedModel": "scripted_model",
    "Simulation": "simulation",
    "Story": "simulation",
    "ToolCall": "scripted_model",
    "tool_call": "scripted_model",
}

__all__ = [
    "CrashPlan",
    "FakeClock",
    "FakeRuntime",
    "Scenario",
    "ScriptedModel",
    "Simulation",
    "Story",
    "ToolCall",
    "tool_call",
]


def __getattr__(name: str) -> Any:
    """Load a public name on its first use."""
    if name not in _HOMES:
        raise AttributeError(f"module 'greenroom.testing' has no attribute {name!r}")
    found = getattr(importlib.import_module(f"greenroom.testing.{_HOMES[name]}"), name)
    globals()[name] = found
    return found
