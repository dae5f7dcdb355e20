"""The system answers any one file operation of a fixed piece of work with an error, and then all is well again."""

import contextlib
import errno
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from greenroom.runtime.contracts.errors import StorageError
from tests.fault.numbered_files import FailingOnce, NumberedFiles
from tests.fault.work import check, work

SYNCS = {"fdatasync", "fsync", "fsync_dir", "settle"}


async def _fail_at_each(memory: Path, code: int, step: int, tries: int) -> "Iterator[tuple[FailingOnce, list[str]]]":
    """Do the work with one failure at each operation, look at what is left, and return what each failure was."""
    counted = NumberedFiles()
    await work(memory / "whole", counted, lambda _: None)
    found: list[tuple[FailingOnce, list[str]]] = []
    for at in range(code % step + 1, counted.calls + 1, step):
        root = memory / str(at)
        files = FailingOnce(at, code)
        said: list[str] = []
        with contextlib.suppress(StorageError):
            await work(root, files, said.append, tries=tries)
        await check(root, said)
        shutil.rmtree(root)
        found.append((files, said))
    return iter(found)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EMFILE])
async def test_after_a_passing_error_at_any_file_operation_the_store_goes_on(
    memory: Path, is_long: bool, code: int
) -> None:
    """A second try succeeds, on the same open store; only after a failed sync the store has to be opened anew."""
    for files, said in await _fail_at_each(memory, code, 1 if is_long else 19, tries=3):
        assert "done" in said or files.failed in SYNCS, files.failed


async def test_after_a_broken_file_operation_nothing_is_lost(memory: Path, is_long: bool) -> None:
    """An I/O error anywhere: what was acknowledged before and after it is there when the store is opened again."""
    for files, _ in await _fail_at_each(memory, errno.EIO, 1 if is_long else 11, tries=2):
        assert files.failed
