"""A process that writes is killed with SIGKILL at any moment, again and again, on one store."""

import random
import subprocess
import sys
import time
from pathlib import Path

from greenroom.runtime.contracts.records import JournalRow, RunHead, Table
from greenroom.storage.parquet.store import ParquetStorage
from tests.contract.stores import rows
from tests.fault.writer import OPTIONS

KILLS = 20
ROOT = Path(__file__).parents[2]


async def test_no_acknowledged_append_is_lost_when_the_process_is_killed(tmp_path: Path) -> None:
    """After each kill every acknowledged append is there, and each append is there whole or not at all."""
    root = tmp_path / "store"
    chance = random.Random(3)
    acknowledged: set[int] = set()
    present: set[int] = set()
    for kill in range(KILLS):
        acknowledged |= _write_and_kill(root, kill * 1_000_000, chance.uniform(0.0, 0.35))
        if kill % 4 == 3:
            present = await _whole_appends(root)
            assert acknowledged <= present
    assert len(acknowledged) > 1000
    assert present == await _whole_appends(root)


def _write_and_kill(root: Path, first: int, after_s: float) -> set[int]:
    """Run a writer for so long after it has opened the store, and return what it said was acknowledged."""
    command = [sys.executable, "-m", "tests.fault.writer", str(root), str(first)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"open\n"
        time.sleep(after_s)  # the moment of the kill is what is random here
        process.kill()
        said = process.stdout.read()
    return {int(line) for line in said.splitlines(keepends=True) if line.endswith(b"\n")}


async def _whole_appends(root: Path) -> set[int]:
    """Return the appends that are there, after making sure that none is there in part."""
    storage = await ParquetStorage.open(root, OPTIONS)
    heads = {row.run_id for row in await rows(storage, Table.RUNS) if isinstance(row, RunHead)}
    groups: dict[str, list[int]] = {}
    for row in await rows(storage, Table.JOURNAL):
        assert isinstance(row, JournalRow)
        groups.setdefault(row.run_id, []).append(row.group)
    assert heads == groups.keys()
    assert all(found == [1, 2] for found in groups.values())
    await storage.close()
    return {int(run[1:]) for run in heads}
