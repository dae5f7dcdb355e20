"""Ray's own words kept off stdout: it prints errors of its parts there, where a command writes its result."""

import contextlib
import logging

_LOUD = ("ray", "ray.serve", "ray.data", "ray._private.worker")


def hush_ray() -> None:
    """Let Ray say nothing on this process's streams; what matters is in its session's log files.

    Call it once Ray can be imported, before it is connected.
    """
    for name in _LOUD:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    with contextlib.suppress(ImportError, AttributeError):  # no public switch: a version without it is only louder
        from ray._private import worker

        setattr(worker, "_worker_logs_enabled", False)  # noqa: B010 - as above
