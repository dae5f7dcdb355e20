"""Writers of several hosts, as processes: one that is stopped, and goes on after another has taken the store."""

import asyncio
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from greenroom.runtime.contracts.errors import Fenced
from greenroom.runtime.contracts.records import RunHead, Table
from greenroom.storage.parquet.store import ParquetStorage
from tests.contract.records import deleted, head
from tests.contract.stores import rows
from tests.fault.numbered_files import NumberedFiles, StallingFiles
from tests.fault.other_host import OPTIONS, unlocked
from tests.fault.work import append, check, whole_appends_of, work

ROOT = Path(__file__).parents[2]


class Writer:
    """Another process that writes to the store until it is fenced."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.pid = process.pid
        self._process = process

    def hear(self, lines: int) -> list[str]:
        """Wait for so many words of it."""
        assert self._process.stdout is not None
        return [self._process.stdout.readline().strip() for _ in range(lines)]

    def rest(self) -> list[str]:
        """Wait for its end, and return what else it said."""
        output, _ = self._process.communicate(timeout=60)
        assert self._process.returncode == 0
        return output.split()

    def stop(self, after_s: float) -> None:
        """Let it stand still wherever it is then: that moment is what is random."""
        time.sleep(after_s)
        os.kill(self.pid, signal.SIGSTOP)
        os.waitpid(self.pid, os.WUNTRACED)

    def go_on(self) -> None:
        os.kill(self.pid, signal.SIGCONT)


@contextmanager
def writer(root: Path, name: str) -> Generator[Writer, None, None]:
    command = [sys.executable, "-m", "tests.fault.other_host", str(root), name]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Writer(process)
        finally:
            process.kill()


@pytest.mark.parametrize("what", ["nothing", "flush", "purge"])
async def test_a_writer_that_was_stopped_changes_nothing_after_a_take_over(
    tmp_path: Path, is_long: bool, what: str
) -> None:
    """It wakes up in the middle of anything, after the new owner appended, flushed and swept, or purged: fenced."""
    chance = random.Random(what)
    for round_ in range(12 if is_long else 1):
        root = tmp_path / str(round_)
        with writer(root, "old") as old:
            assert old.hear(1) == ["opened"]
            acknowledged = old.hear(chance.randrange(1, 60))
            old.stop(chance.uniform(0, 0.01))
            storage = await ParquetStorage.open_at(unlocked(root), OPTIONS)
            before = await whole_appends_of(storage)
            mine = await _work(storage, what)
            old.go_on()
            *late, last = await asyncio.to_thread(old.rest)
        assert last == "fenced"
        # What it says now was durable before the take-over: it was stopped between that and saying so.
        assert {*acknowledged, *late} - {""} <= before
        await storage.append([head("mine-last")])
        expected = before | mine | {"mine-last"}
        assert await _heads(storage) == expected
        await storage.flush()
        await storage.close()
        storage = await ParquetStorage.open_at(unlocked(root), OPTIONS)
        assert await _heads(storage) == expected
        assert (await storage.verify()).damages == ()
        await storage.close()


async def test_a_writer_stopped_at_any_file_operation_changes_nothing_after_a_take_over(
    memory: Path, is_long: bool
) -> None:
    """Stopped before each of its operations, and let go once the new owner has flushed, swept and merged."""
    counted = NumberedFiles()
    await work(memory / "whole", counted, lambda _: None)
    for at in range(30, counted.calls, 1 if is_long else 23):
        root = memory / str(at)
        files = StallingFiles(at)
        said: list[str] = []
        old = asyncio.create_task(work(root, files, said.append, is_locked=False))
        await asyncio.to_thread(files.stalled.wait)
        storage = await ParquetStorage.open_at(unlocked(root), OPTIONS)
        before = await whole_appends_of(storage)
        for number in range(4):
            await append(storage, f"mine-{number}", number, said.append)
            await storage.flush()
        files.resume.set()
        (outcome,) = await asyncio.gather(old, return_exceptions=True)
        assert isinstance(outcome, Fenced) or (outcome is None and "done" in said), at  # a close is not told
        await append(storage, "mine-9", 9, said.append)
        await storage.flush()
        assert await whole_appends_of(storage) == before | {*(f"mine-{number}" for number in range(4)), "mine-9"}
        await storage.close()
        await check(root, said)
        shutil.rmtree(root)


async def test_of_processes_that_open_at_once_exactly_one_goes_on(tmp_path: Path) -> None:
    """On several hosts all may open; only the last to do so is not fenced, and what any had acknowledged is kept."""
    with writer(tmp_path, "a") as a, writer(tmp_path, "b") as b, writer(tmp_path, "c") as c:
        said: dict[str, list[str]] = {}
        all_ended = {name: asyncio.create_task(asyncio.to_thread(w.rest)) for name, w in (("a", a), ("b", b), ("c", c))}
        while len(said) < 2:
            ended, _ = await asyncio.wait(all_ended.values(), return_when=asyncio.FIRST_COMPLETED)
            for name in [name for name, task in all_ended.items() if task in ended]:
                said[name] = all_ended.pop(name).result()
        (winner,) = all_ended
        storage = await ParquetStorage.open_at(unlocked(tmp_path), OPTIONS)
        said[winner] = await all_ended[winner]
    assert all(words[-1] == "fenced" for words in said.values())
    acknowledged = {word for words in said.values() for word in words} - {"opened", "fenced"}
    assert acknowledged <= await whole_appends_of(storage)
    assert any(word.startswith(winner) for word in acknowledged)
    await storage.close()


async def _work(storage: ParquetStorage, what: str) -> set[str]:
    """Be the new owner; return the heads that it wrote."""
    await storage.append([head("mine")])
    if what == "flush":
        for number in range(5):
            await storage.append([head(f"mine-{number}")])
            await storage.flush()
        return {"mine", *(f"mine-{number}" for number in range(5))}
    if what == "purge":
        await storage.append([head("mine-gone"), deleted("run", "never-was")])
        await storage.purge()
        return {"mine", "mine-gone"}
    return {"mine"}


async def _heads(storage: ParquetStorage) -> set[str]:
    return {row.run_id for row in await rows(storage, Table.RUNS) if isinstance(row, RunHead)}
