"""The closed sets of statuses of runs and steps.

`StrEnum`s, so that they stand in JSON and in SQL as the words users read.
"""

from enum import StrEnum


class RunStatus(StrEnum):
    """Where a run stands. `running` while anything in it can move."""

    PENDING = "pending"
    RUNNING = "running"
    WAITING = "waiting"
    SUSPENDED = "suspended"
    PAUSED = "paused"
    SUCCESS = "success"
    FAILED = "failed"
    CANCELED = "canceled"
    TRIPWIRE = "tripwire"

    @property
    def is_final(self) -> bool:
        """True when nothing will ever change this run again by itself or by a resume."""
        return self in _FINAL

    @property
    def is_parked(self) -> bool:
        """True when the run waits for somebody: `result()` returns then."""
        return self in {RunStatus.SUSPENDED, RunStatus.PAUSED}


_FINAL = frozenset({RunStatus.SUCCESS, RunStatus.FAILED, RunStatus.CANCELED, RunStatus.TRIPWIRE})


class StepStatus(StrEnum):
    """Where a step of a run stands."""

    RUNNING = "running"
    WAITING = "waiting"
    SUSPENDED = "suspended"
    SUCCESS = "success"
    FAILED = "failed"
    CANCELED = "canceled"
    SKIPPED = "skipped"

    @property
    def is_final(self) -> bool:
        """True when the step has its outcome."""
        return self in _STEP_FINAL


_STEP_FINAL = frozenset({StepStatus.SUCCESS, StepStatus.FAILED, StepStatus.CANCELED, StepStatus.SKIPPED})
