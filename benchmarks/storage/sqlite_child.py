"""What a child process does with SQLite: the same questions as the file store is asked."""

import random
import time
from pathlib import Path
from statistics import median
from typing import Final, TypeAlias

from benchmarks.storage.sqlite import connect
from benchmarks.storage.workload import BEGIN, run_id

Measured: TypeAlias = tuple[float, list[int]]

POINTS: Final = 200
PAGE: Final = 512
_DUE: Final = "SELECT * FROM runs WHERE wake_at <= ? AND is_open"
_SUSPENDED: Final = (
    "SELECT * FROM runs WHERE workspace = 'default' AND status = 'suspended' ORDER BY created_at LIMIT ?"
)


def scan(path: Path, _: int) -> Measured:
    """Walk the narrow columns of every head and keep what is due and the first suspended: no index is asked."""
    begin = time.perf_counter()
    due: list[str] = []
    suspended: list[str] = []
    for run, status, wake_at, is_open in connect(path).execute("SELECT run_id, status, wake_at, is_open FROM runs"):
        if is_open and wake_at is not None and wake_at <= BEGIN + 60.0:
            due.append(run)
        if status == "suspended" and len(suspended) < PAGE:
            suspended.append(run)
    return time.perf_counter() - begin, [len(due), len(suspended)]


def first_look(path: Path, _: int) -> Measured:
    """Ask the indexes for what is due and for the first page of what is suspended."""
    begin = time.perf_counter()
    connection = connect(path)
    due = connection.execute(_DUE, (BEGIN + 60.0,)).fetchall()
    suspended = connection.execute(_SUSPENDED, (PAGE,)).fetchall()
    return time.perf_counter() - begin, [len(due), len(suspended)]


def walk(path: Path, _: int) -> Measured:
    """Read every head, by time, without keeping them."""
    begin = time.perf_counter()
    found = sum(1 for _ in connect(path).execute("SELECT * FROM runs ORDER BY workspace, created_at"))
    return time.perf_counter() - begin, [found]


def replay(path: Path, _: int) -> Measured:
    """Read every row of the journal and every head into memory."""
    begin = time.perf_counter()
    connection = connect(path)
    rows = connection.execute("SELECT * FROM journal").fetchall()
    heads = connection.execute("SELECT * FROM runs").fetchall()
    return time.perf_counter() - begin, [len(rows) + len(heads)]


def points(path: Path, number: int) -> Measured:
    """Read single heads by their key, each for the first time; return the median of their times."""
    connection = connect(path)
    chance = random.Random(11)
    waits: list[float] = []
    found = 0
    for _ in range(POINTS):
        key = run_id(chance.randrange(number))
        begin = time.perf_counter()
        found += connection.execute("SELECT * FROM runs WHERE run_id = ?", (key,)).fetchone() is not None
        waits.append(time.perf_counter() - begin)
    return median(waits), [found]
