"""The process dies at every single file operation of a fixed piece of work, and the store is opened again."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from greenroom.runtime.contracts.records import JournalRow, Table
from greenroom.storage.parquet.store import ParquetStorage
from tests.contract.stores import rows
from tests.fault.crash_server import APPENDS, OPTIONS

ROOT = Path(__file__).parents[2]


class Answer(NamedTuple):
    """What one process said before it ended."""

    calls: int
    acknowledged: set[str]


class Server:
    """The process that forks."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def run(self, root: Path, at: int) -> Answer:
        """Let a process work on the store and die at this operation."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{at} {root}\n")
        self._process.stdin.flush()
        calls, *acknowledged = self._process.stdout.readline().split()
        return Answer(int(calls), set(acknowledged))


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    command = [sys.executable, "-m", "tests.fault.crash_server"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield Server(process)
        assert process.stdin is not None
        process.stdin.close()


async def test_a_death_at_any_file_operation_loses_no_acknowledged_append(server: Server, tmp_path: Path) -> None:
    """Every operation of open, append, roll, flush, merge, sweep and close; at times one of the recovery too."""
    whole = server.run(tmp_path / "whole", 0)
    assert len(whole.acknowledged) == APPENDS
    assert whole.calls > 100
    for at in range(1, whole.calls + 1):
        root = tmp_path / str(at)
        acknowledged = server.run(root, at).acknowledged
        if at % 3 == 0:
            acknowledged |= server.run(root, at % 29 + 1).acknowledged
        await _check(root, acknowledged)


async def _check(root: Path, acknowledged: set[str]) -> None:
    """Every acknowledged append is there, every append is there whole or not at all, and the store goes on."""
    storage = await ParquetStorage.open(root, OPTIONS)
    heads = {row.row_key[0] for row in await rows(storage, Table.RUNS)} - {"r"}
    groups: dict[str, list[int]] = {}
    for row in await rows(storage, Table.JOURNAL):
        assert isinstance(row, JournalRow)
        groups.setdefault(row.run_id, []).append(row.group)
    assert acknowledged <= heads
    assert heads == groups.keys()
    assert all(found == [1, 2] for found in groups.values())
    await storage.append([])
    await storage.close()
