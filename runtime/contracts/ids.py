"""Identifiers as distinct types.

Holds the `NewType`s of everything that is addressed by a string. Knows nothing of what they address.
"""

from typing import NewType

RunId = NewType("RunId", str)
WorkspaceId = NewType("WorkspaceId", str)
BundleId = NewType("BundleId", str)
ThreadId = NewType("ThreadId", str)

StepPath = NewType("StepPath", str)
"""Address of a step in a run: `/` between levels, `[i]` for items and iterations, `#2` for a second use of an id."""

CodeKey = NewType("CodeKey", str)
"""Name of one callable of a bundle (a step's body, a condition, a map …): workers look it up, plans carry it."""
