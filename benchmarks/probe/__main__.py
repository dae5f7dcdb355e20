"""`make probe`: six promises that a resumed run relies on, tried on Greenroom and on others, side by side.

Each system is driven by real processes that are killed with -9, and effects are counted outside of it. What each
promise means, and how to write an adapter for another system, stands in docs/probe.md. Exits with 1 if Greenroom
breaks one.
"""

import argparse
import os
import platform
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from benchmarks.probe.promises import Outcome, Promise, Verdict
from benchmarks.probe.systems import SYSTEMS
from benchmarks.probe.table import OURS, Report, exit_code, show


def main() -> None:
    """Probe and print."""
    parser = argparse.ArgumentParser(prog="make probe ARGS=…", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", choices=SYSTEMS, action="append", help="probe this system only; may be repeated")
    parser.add_argument("--quick", action="store_true", help="few tries: whether it runs, and what breaks every time")
    parser.add_argument("--json", action="store_true", help="print the verdicts as JSON")
    parser.add_argument("--beside", default=".venv/beside", help="where the packages of the others are")
    options = parser.parse_args()
    reports = [_report(key, options.beside, is_quick=options.quick) for key in options.only or SYSTEMS]
    if options.json:
        print(msgspec.json.format(msgspec.json.encode([asdict(report) for report in reports]), indent=1).decode())
    else:
        show(reports, _title())
        for report in reports:
            if report.key == OURS:
                print(f"Greenroom: {report.score}")
    sys.exit(exit_code(reports))


def _title() -> str:
    machine = f"{os.cpu_count()} cores, Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}"
    return f"{datetime.now(UTC):%Y-%m-%d}, {machine}"


def _report(key: str, beside: str, *, is_quick: bool) -> Report:
    lines = _lines(key, beside, is_quick=is_quick)
    name = str(next(lines)["name"])
    verdicts: list[Verdict] = []
    begin = time.perf_counter()
    for line in lines:
        promise, outcome = Promise(line["promise"]), Outcome(line["outcome"])
        verdicts.append(Verdict(promise=promise, outcome=outcome, seen=line["seen"], evidence=line["evidence"]))
        took_s = time.perf_counter() - begin
        print(f"{name} ({promise.letter}) {outcome}: {line['seen']} [{took_s:.0f} s]", file=sys.stderr, flush=True)
    return Report(key=key, name=name, verdicts=tuple(verdicts))


def _lines(key: str, beside: str, *, is_quick: bool) -> Iterator[dict[str, str]]:
    """Yield what `benchmarks.probe.alone` prints."""
    environment = dict(os.environ)
    if SYSTEMS[key].is_peer:
        environment["PYTHONPATH"] = str(Path(beside).absolute())
    command = [sys.executable, "-m", "benchmarks.probe.alone", key, *["--quick"] * is_quick]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:  # noqa: S603 - ours
        assert process.stdout is not None
        for line in process.stdout:
            yield msgspec.json.decode(line, type=dict[str, str])
    if process.returncode:
        raise SystemExit(f"{key} could not be probed; `make probe` installs what it needs into {beside}")


if __name__ == "__main__":
    main()
