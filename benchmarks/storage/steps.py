"""Durable steps a second, and how long a commit takes, from 1 to 1,000 runs at once; and the lag of the event loop."""

import contextlib
from pathlib import Path
from statistics import median
from typing import Final

from benchmarks.storage.contender import Contender
from benchmarks.storage.greenroom import Greenroom
from benchmarks.storage.langgraph import LangGraph
from benchmarks.storage.line import Line
from benchmarks.storage.load import Load, Numbers, load
from benchmarks.storage.scale import Scale
from benchmarks.storage.sqlite import Sqlite
from benchmarks.storage.workload import Bodies
from greenroom.storage.parquet.options import StoreOptions

# Concurrent runs: least ratio to SQLite, least ratio to LangGraph.
_TARGETS: Final = {1: (1.1, 2.0), 10: (1.1, 10.0), 100: (1.8, 40.0), 1000: (1.6, 40.0)}
_MORE_ROUNDS: Final = {1: 3}  # times as many: a lone commit takes what the disk takes, which drifts by a tenth and more
_WARM_UP_S: Final = 0.25
_FLUSH_S: Final = 1.0
_MAX_LAG_MS: Final = 5.0
_FEW_RUNS: Final = 4  # sorted runs of a table before a merge, so that merges fall into a measurement of seconds


async def steps(folder: Path, scale: Scale) -> list[Line]:
    """Measure all three in turn, round by round."""
    async with contextlib.AsyncExitStack() as stack:
        contenders: list[Contender] = [
            await Greenroom.open(folder / "store"),
            Sqlite(folder / "steps.db"),
            await LangGraph.open(folder / "langgraph.db"),
        ]
        for contender in contenders:
            stack.push_async_callback(contender.close)
        numbers = Numbers(Bodies())
        loads: dict[tuple[int, str], list[Load]] = {}
        for _ in range(scale.rounds):
            for concurrent in (each for each in _TARGETS for _ in range(_MORE_ROUNDS.get(each, 1))):
                for contender in contenders:
                    runs = numbers.runs(concurrent)
                    found = await load(contender, runs, warm_up_s=_WARM_UP_S, measured_s=scale.seconds)
                    loads.setdefault((concurrent, contender.name), []).append(found)
                    await contender.settle()
    lines = [line for concurrent in _TARGETS for line in _rates(concurrent, loads)]
    return [*lines, *_waits(loads)]


def _rates(concurrent: int, loads: dict[tuple[int, str], list[Load]]) -> list[Line]:
    lines: list[Line] = []
    for name, least in zip(("SQLite", "LangGraph"), _TARGETS[concurrent], strict=True):
        ours = [found.steps_per_s for found in loads[concurrent, "greenroom"]]
        other = [found.steps_per_s for found in loads[concurrent, name]]
        more = f", median of {len(ours)}" if concurrent in _MORE_ROUNDS else ""
        lines.append(
            Line(
                what=f"steps/s, {concurrent:,} concurrent{more}",
                ours=f"{median(ours):,.0f}/s",
                other=f"{name} {median(other):,.0f}/s",
                measured=median(one / two for one, two in zip(ours, other, strict=True)),
                target=least,
                is_least=True,
            )
        )
    return lines


def _waits(loads: dict[tuple[int, str], list[Load]]) -> list[Line]:
    lines: list[Line] = []
    for concurrent in _TARGETS:
        ours = [found.p99_s for found in loads[concurrent, "greenroom"]]
        other = [found.p99_s for found in loads[concurrent, "SQLite"]]
        lines.append(
            Line(
                what=f"p99 of a commit, {concurrent:,} concurrent",
                ours=f"{median(ours) * 1e3:.1f} ms",
                other=f"SQLite {median(other) * 1e3:.1f} ms",
                measured=median(one / two for one, two in zip(ours, other, strict=True)),
                target=1.0 if concurrent == 100 else None,
            )
        )
    return lines


async def lag(folder: Path, scale: Scale) -> list[Line]:
    """Measure how late the event loop is at 100 concurrent runs, while flushes and merges go on."""
    options = StoreOptions(flush_age_s=_FLUSH_S, max_runs=_FEW_RUNS)
    numbers = Numbers(Bodies())
    greenroom = await Greenroom.open(folder / "lag", options)
    sqlite = Sqlite(folder / "lag.db")
    ours: list[float] = []
    other: list[float] = []
    for _ in range(scale.rounds):
        for contender, found in ((greenroom, ours), (sqlite, other)):
            loaded = await load(contender, numbers.runs(100), warm_up_s=_FLUSH_S, measured_s=scale.seconds)
            found.append(loaded.lag_p99_s * 1e3)
            await contender.settle()
    figures = greenroom.storage.health().figures
    work = f"{figures['flushes']:.0f} flushes, {figures['merges']:.0f} merges"
    await greenroom.close()
    await sqlite.close()
    return [
        Line(
            what=f"p99 lag of the loop, 100 concurrent, {work}",
            ours=f"{median(ours):.1f} ms",
            other=f"SQLite {median(other):.1f} ms",
            measured=median(ours),
            target=_MAX_LAG_MS,
            unit="ms",
        )
    ]
