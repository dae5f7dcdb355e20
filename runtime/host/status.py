"""How an engine is, for people."""

from greenroom.runtime.contracts.values import Json
from greenroom.runtime.host.engine import Engine


def status_of(engine: Engine) -> dict[str, Json]:
    """Return what an engine holds, its limits, its workers and its store."""
    health = engine.storage.health()
    return {
        "runs_in_memory": len(engine.book),
        "timers": len(engine.wheel),
        "running": len(engine.load),
        "limits": engine.admitting.describe(),
        "stale_results": engine.stale_results,
        "workers": engine.pools.describe(),
        "problems": dict(engine.pools.problems),
        "storage": {
            "url": health.url,
            "epoch": health.epoch,
            "is_writable": health.is_writable,
            "error": health.error,
            "figures": health.figures,
        },
    }
