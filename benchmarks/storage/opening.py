"""Opening in a fresh process: a million suspended runs, and a journal that was never flushed; and single cold reads."""

import asyncio
from pathlib import Path
from statistics import median
from typing import Final

from benchmarks.storage import child, sqlite
from benchmarks.storage.child import Result
from benchmarks.storage.greenroom import Greenroom
from benchmarks.storage.line import Line
from benchmarks.storage.scale import Scale
from benchmarks.storage.workload import Bodies, steps, suspended
from greenroom.runtime.contracts.records import JournalRow, RunHead
from greenroom.storage.parquet.options import StoreOptions

_BATCH: Final = 1000
_MAX_PEAK_MB: Final = 250.0


async def opening(folder: Path, scale: Scale) -> list[Line]:
    """Open a store of suspended runs and ask it what a runtime asks when it starts."""
    root, other = folder / "suspended", folder / "suspended.db"
    store = await Greenroom.open(root, StoreOptions(reader_grace_s=0.0))
    await _append_all(store, list(suspended(scale.suspended, Bodies())))
    await store.compact()
    await store.close()
    sqlite.fill(other, (), suspended(scale.suspended, Bodies()))
    found = await asyncio.to_thread(_read_both, root, other, scale)
    looks, scans = found["first_look"], found["sqlite-scan"]
    assert looks[0].found[0] == scans[0].found[0], "both sides must find the same runs due"
    peak = max(result.peak_bytes for result in looks) / 1e6
    what = f"{scale.suspended:,} suspended runs"
    return [
        _compared(f"open {what}: what is due, first page", looks, scans, "scan", 0.6),
        Line(
            what="peak memory of that process",
            ours=f"{peak:.0f} MB",
            other=f"SQLite {max(result.peak_bytes for result in scans) / 1e6:.0f} MB",
            measured=peak,
            target=_MAX_PEAK_MB,
            unit="MB",
        ),
        _compared("the same, SQLite by its indexes", looks, found["sqlite-first_look"], "", None),
        _compared("walk every head", found["walk"], found["sqlite-walk"], "", None),
        _compared("one head, cold", found["points"], found["sqlite-points"], "", None),
    ]


def _read_both(root: Path, other: Path, scale: Scale) -> dict[str, list[Result]]:
    found: dict[str, list[Result]] = {}
    for _ in range(scale.rounds):
        for what in (
            "first_look",
            "sqlite-scan",
            "sqlite-first_look",
            "walk",
            "sqlite-walk",
            "points",
            "sqlite-points",
        ):
            path = other if what.startswith("sqlite") else root
            if what.endswith("points"):
                child.cool(path)
            found.setdefault(what, []).append(child.run(what, path, scale.suspended))
    return found


async def replaying(folder: Path, scale: Scale) -> list[Line]:
    """Open a store that was killed with everything in its journal."""
    rows = [row for row, _ in steps(scale.entries, Bodies())]
    every = list(steps(scale.entries // 2, Bodies()))
    heads = [head for _, head in every]
    return [
        await asyncio.to_thread(_replayed, folder / "rows", rows, [], scale),
        await asyncio.to_thread(_replayed, folder / "heads", [row for row, _ in every], heads, scale),
    ]


def _replayed(folder: Path, rows: list[JournalRow], heads: list[RunHead], scale: Scale) -> Line:
    folder.mkdir()
    root, other = folder / "store", folder / "other.db"
    child.run("append_steps" if heads else "append_rows", root, len(rows))
    sqlite.fill(other, rows, heads)
    ours: list[Result] = []
    theirs: list[Result] = []
    for _ in range(scale.rounds):
        # Both from the disk: the store drops what the system remembers of its journal before it trusts it.
        child.cool(root)
        ours.append(child.run("replay", root))
        child.cool(other)
        theirs.append(child.run("sqlite-replay", other))
    assert ours[0].found == [len(rows) + len(heads)], "every record must be replayed"
    what = f"replay of {len(rows):,} journal entries{' and as many heads' if heads else ''}, both from the disk"
    return _compared(what, ours, theirs, "scan", None if heads else 1.0)


def _compared(what: str, ours: list[Result], other: list[Result], how: str, most: float | None) -> Line:
    return Line(
        what=what,
        ours=_seconds(median(result.seconds for result in ours)),
        other=f"SQLite {how + ' ' if how else ''}{_seconds(median(result.seconds for result in other))}",
        measured=median(one.seconds / two.seconds for one, two in zip(ours, other, strict=True)),
        target=most,
    )


def _seconds(value: float) -> str:
    return f"{value * 1e3:,.2f} ms" if value < 0.1 else f"{value:.2f} s"


async def _append_all(store: Greenroom, heads: list[RunHead]) -> None:
    for start in range(0, len(heads), _BATCH):
        await store.storage.append(heads[start : start + _BATCH])
