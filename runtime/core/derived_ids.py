"""Ids that follow from a run and a path, so that every replay makes the same ones."""

import hashlib


def child_run_id(run_id: str, path: str) -> str:
    """Return the id of a nested part as a run of its own: the same in every replay."""
    return f"{run_id}-{hashlib.sha256(path.encode()).hexdigest()[:12]}"


def idempotency_key(run_id: str, path: str, timeline: int = 0) -> str:
    """Return the key that all attempts at `path` share; another one after each time that the run went back."""
    again = f"\x00{timeline}" if timeline else ""
    return hashlib.sha256(f"{run_id}\x00{path}{again}".encode()).hexdigest()[:32]


def suspension_token(run_id: str, path: str, timeline: int, attempt: int) -> str:
    """Return the name of one suspension of the step at `path`; another one each time that the step suspends.

    Each is reached by an attempt of its own, and an approval is asked for before the first.
    """
    return hashlib.sha256(f"{run_id}\x00{path}\x00{timeline}\x00{attempt}".encode()).hexdigest()[:16]
