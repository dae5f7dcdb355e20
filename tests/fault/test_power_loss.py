"""The power goes at every change of a fixed piece of work, and of what was not synced any part may be gone."""

import contextlib
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from greenroom.runtime.contracts.errors import StorageError
from tests.fault.page_cache import Disk, Keep, RecordingFiles, Said
from tests.fault.work import check, go_on, work

SYNCS: Final = (
    "fdatasync in Segment.sync",
    "fsync in Segment.create",
    "fsync in create",
    "fsync in replacing",
    "fsync_dir in Folders.make",
    "fsync_dir in Segment.create",
    "fsync_dir in create",
    "fsync_dir in remove",
    "fsync_dir in replacing",
    "settle in LocalLog.read",
)
"""Every call that makes something durable: taken out one by one, each must be missed."""


class Recorded(NamedTuple):
    """What happened on a disk, and where on it the power may go."""

    top: Path
    files: RecordingFiles
    first: int = 0

    def disks(self, ignored: str | None = None) -> Iterator[Disk]:
        """Walk the disk as it is after each change."""
        disk = Disk(self.top, ignored)
        for number, change in enumerate(self.files.log):
            disk.play(change)
            if number >= self.first and not isinstance(change, Said):
                yield disk


def _nothing() -> bool:
    return False


def _everything() -> bool:
    return True


def _some(chance: random.Random) -> Keep:
    share = chance.choice((0.1, 0.5, 0.9))
    return lambda: chance.random() < share


async def _record(top: Path) -> Recorded:
    files = RecordingFiles(top)
    await work(top / "store", files, files.say)
    return Recorded(top, files)


async def _record_after_death(top: Path, dies_at: int) -> Recorded:
    """Let one process die and another go on where it was; the power goes while that one is at work."""
    dying = RecordingFiles(top, dies_at=dies_at)
    with contextlib.suppress(StorageError):
        await work(top / "store", dying, dying.say)
    files = RecordingFiles(top, before=dying)
    await go_on(top / "store", files, files.say)
    return Recorded(top, files, len(dying.log))


async def _loss(disk: Disk, target: Path, keep: Keep) -> str | None:
    """Return what is lost when the power goes now, or None."""
    shutil.rmtree(target, ignore_errors=True)
    disk.leave(target, keep)
    try:
        await check(target / "store", disk.said)
    except (AssertionError, StorageError) as error:
        return f"{type(error).__name__}: {error}"
    return None


async def test_a_loss_of_power_at_any_change_loses_nothing(memory: Path, is_long: bool) -> None:
    """Whatever part of the sectors, sizes and names that were not synced is gone: appends are there, and whole."""
    recorded = await _record(_folder(memory / "live"))
    chance = random.Random(5)
    states = 0
    for number, disk in enumerate(recorded.disks()):
        if is_long:
            keeps = [_nothing, _everything, *(_some(chance) for _ in range(10))]
        else:
            keeps = [_nothing if number % 2 else _some(chance)]
        for keep in keeps:
            assert await _loss(disk, memory / "lost", keep) is None
            states += 1
    assert states > (2500 if is_long else 250)


async def test_a_loss_of_power_after_a_death_loses_nothing(memory: Path, is_long: bool) -> None:
    """What a killed process left in memory only is made durable by the next before that builds on it."""
    sites = (await _record(_folder(memory / "whole"))).files.sites
    first_of_each = {site: call for call, site in reversed(sites.items())}
    folders = [call for call, site in sites.items() if site == "fsync_dir in Folders.make"]
    step = 3 if is_long else 9
    for dies_at in sites if is_long else sorted({*first_of_each.values(), *folders}):
        recorded = await _record_after_death(_folder(memory / str(dies_at)), dies_at)
        for number, disk in enumerate(recorded.disks()):
            if number % step == dies_at % step:
                assert await _loss(disk, memory / "lost", _nothing) is None


@pytest.mark.parametrize("site", SYNCS)
async def test_every_sync_is_needed(memory: Path, site: str) -> None:
    """With any single one taken out of the code, some loss of power loses what was acknowledged."""
    recorded = await _record(_folder(memory / "live"))
    assert set(recorded.files.sites.values()) | {"settle in LocalLog.read"} == set(SYNCS)
    if site.startswith("settle"):  # what a process finds that another has left
        before_a_sync = next(call for call, name in recorded.files.sites.items() if name.startswith("fdatasync"))
        recorded = await _record_after_death(_folder(memory / "died"), before_a_sync)
    assert await _first_loss(recorded, memory / "lost", site) is not None


def _folder(path: Path) -> Path:
    path.mkdir()
    return path


async def _first_loss(recorded: Recorded, target: Path, ignored: str) -> str | None:
    for disk in recorded.disks(ignored):
        if (loss := await _loss(disk, target, _nothing)) is not None:
            return loss
    return None
