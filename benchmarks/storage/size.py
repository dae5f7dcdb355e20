"""Bytes on the disk: the same rows in both stores, and runs of 10 to 1,000 steps."""

from pathlib import Path
from typing import Final

from benchmarks.storage import sqlite
from benchmarks.storage.contender import bytes_below, commit_all
from benchmarks.storage.greenroom import Greenroom
from benchmarks.storage.line import Line
from benchmarks.storage.scale import Scale
from benchmarks.storage.workload import STEPS_OF_A_RUN, Bodies, Run, steps
from greenroom.storage.parquet.options import StoreOptions

# Neither replaced parts that stay for readers nor space that is kept for a full disk are part of the store's size.
_BARE: Final = StoreOptions(reader_grace_s=0.0, reserve_bytes=0)
_LENGTHS: Final = (10, 100, 1000)


async def size(folder: Path, scale: Scale) -> list[Line]:
    """Compare the bytes of the same rows, with text and with bytes that no codec makes smaller."""
    lines: list[Line] = []
    for is_random, what in ((False, "texts"), (True, "random bytes")):
        where = folder / f"size-{what.replace(' ', '-')}"
        where.mkdir()
        bodies = Bodies(scale.runs * STEPS_OF_A_RUN, steps=STEPS_OF_A_RUN, is_random=is_random)
        ours = await _ours(where / "store", scale.runs, bodies)
        other = _other(where / "other.db", scale.runs, bodies)
        lines.append(
            Line(
                what=f"bytes of {scale.runs * STEPS_OF_A_RUN:,} steps after compact, outcomes are {what}",
                ours=f"{ours / 1e6:.1f} MB",
                other=f"SQLite {other / 1e6:.1f} MB",
                measured=ours / other,
                target=None if is_random else 0.4,
            )
        )
    return lines


async def _ours(root: Path, runs: int, bodies: Bodies) -> int:
    store = await Greenroom.open(root, _BARE)
    await commit_all(store, [Run(number, bodies) for number in range(runs)], STEPS_OF_A_RUN)
    await store.compact()
    await store.close()
    return bytes_below(root)


def _other(path: Path, runs: int, bodies: Bodies) -> int:
    written = list(steps(runs * STEPS_OF_A_RUN, bodies))
    sqlite.fill(path, (row for row, _ in written), (head for _, head in written))
    return path.stat().st_size


async def growth(folder: Path, scale: Scale) -> list[Line]:
    """Compare the bytes of a step in short and in long runs, as many steps in each store, so that pages are as full."""
    per_step: dict[int, float] = {}
    total = scale.runs * STEPS_OF_A_RUN
    for length in _LENGTHS:
        bodies = Bodies(total, steps=length)
        root = folder / f"growth-{length}"
        store = await Greenroom.open(root, _BARE)
        await commit_all(store, [Run(number, bodies) for number in range(total // length)], length)
        await store.compact()
        await store.close()
        per_step[length] = bytes_below(root) / total
    return [
        Line(
            what=f"bytes of a step in runs of {' / '.join(map(str, _LENGTHS))} steps, after compact",
            ours=" / ".join(f"{size:.0f}" for size in per_step.values()),
            measured=max(per_step.values()) / per_step[_LENGTHS[0]],
            target=1.1,
        )
    ]
