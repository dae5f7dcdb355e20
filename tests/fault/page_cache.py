"""A loss of power: what a disk may hold when only what was synced is sure to be there.

`RecordingFiles` lets a store work in a real folder and writes down every change. A `Disk` plays the first of these
changes and can be looked at as the loss of power would leave it: of what was not synced, each sector of 512 bytes, each
size and each name may have reached the disk or not, in any combination.

It promises no more than POSIX does, and less than most file systems: fdatasync makes bytes durable but no size, the
sync of a file says nothing of its name, and that of a folder nothing of the name of the folder.
"""

import errno
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple, TypeAlias

from greenroom.storage.objects.ops import OsFiles

SECTOR: Final = 512

Keep = Callable[[], bool]
"""Decides whether the next thing that was not synced had reached the disk."""


class Named(NamedTuple):
    """A file, or a folder where it is None, got this name. `is_new` when it had no other."""

    path: Path
    file: int | None
    is_new: bool = True


class Moved(NamedTuple):
    source: Path
    target: Path
    file: int


class Unnamed(NamedTuple):
    path: Path


class Wrote(NamedTuple):
    file: int
    offset: int
    data: bytes


class Sized(NamedTuple):
    file: int
    size: int


class Synced(NamedTuple):
    """A call that promised something. `site` is the kind of call and the function that made it."""

    site: str
    of: int | Path
    with_size: bool = True


class Said(NamedTuple):
    """What the store had promised its user by then."""

    text: str


Change: TypeAlias = Named | Moved | Unnamed | Wrote | Sized | Synced | Said


class RecordingFiles(OsFiles):
    """Works in a real folder and writes down what changes there. Syncs nothing.

    Args:
        top: A folder that is there and durable.
        before: What an earlier process wrote down, whose work this one finds.
        dies_at: Number of the call, from 1, at which the process is killed: from there on nothing changes any more.
    """

    def __init__(self, top: Path, *, before: "RecordingFiles | None" = None, dies_at: int | None = None) -> None:
        self.log: list[Change] = list(before.log) if before else []
        self.calls = 0
        self.sites: dict[int, str] = {}
        """Which calls were syncs, and where they stand in the code."""
        self._top = top
        self._dies_at = dies_at
        self._lock = threading.RLock()
        self._open: dict[int, int] = {}
        self._files: dict[Path, int] = dict(before._files) if before else {}
        self._folders: set[Path] = set(before._folders) if before else {top}

    def say(self, text: str) -> None:
        """Note what was promised."""
        with self._lock:
            self.log.append(Said(text))

    def open(self, path: Path, flags: int) -> int:
        with self._lock:
            self._step()
            is_new = not path.exists()
            fd = super().open(path, flags)
            if is_new:
                self._files[path] = len(self.log)  # no other file has this number
                self._note(Named(path, self._files[path]))
            self._open[fd] = self._files[path]
            return fd

    def close(self, fd: int) -> None:
        with self._lock:
            self._open.pop(fd)
            super().close(fd)

    def pwritev(self, fd: int, chunks: Sequence[bytes | memoryview], offset: int) -> int:
        with self._lock:
            self._step()
            data = b"".join(chunks)
            self._note(Wrote(self._open[fd], offset, data))
            return super().pwritev(fd, [data], offset)

    def allocate(self, fd: int, size: int) -> None:
        with self._lock:
            self._step()
            super().allocate(fd, size)
            self._note(Sized(self._open[fd], size))

    def fdatasync(self, fd: int) -> None:
        self._sync("fdatasync", self._open[fd], with_size=False)

    def fsync(self, fd: int) -> None:
        self._sync("fsync", self._open[fd])

    def settle(self, path: Path) -> None:
        self._sync("settle", self._files[path])

    def fsync_dir(self, path: Path) -> None:
        self._sync("fsync_dir", path)

    def link(self, source: Path, target: Path) -> None:
        with self._lock:
            self._step()
            super().link(source, target)
            self._files[target] = self._files[source]
            self._note(Named(target, self._files[source], is_new=False))

    def rename(self, source: Path, target: Path) -> None:
        with self._lock:
            self._step()
            super().rename(source, target)
            self._files[target] = self._files.pop(source)
            self._note(Moved(source, target, self._files[target]))

    def unlink(self, path: Path) -> None:
        with self._lock:
            self._step()
            super().unlink(path)
            if self._files.pop(path, None) is not None:
                self._note(Unnamed(path))

    def make_dir(self, path: Path) -> bool:
        with self._lock:
            self._step()
            is_new = super().make_dir(path)
            self._see_folder(path)
            return is_new

    def _sync(self, kind: str, of: int | Path, *, with_size: bool = True) -> None:
        with self._lock:
            self._step()
            if isinstance(of, Path):
                self._see_folder(of)
            self.sites[self.calls] = f"{kind} in {_caller()}"
            self.log.append(Synced(self.sites[self.calls], of, with_size))

    def _step(self) -> None:
        self.calls += 1
        if self._dies_at is not None and self.calls >= self._dies_at:
            raise OSError(errno.EIO, "the process is dead")

    def _note(self, change: "Named | Moved | Unnamed | Wrote | Sized") -> None:
        if isinstance(change, Named):
            self._see_folder(change.path.parent)
        self.log.append(change)

    def _see_folder(self, path: Path) -> None:
        """Note folders that were made behind our back, and are no more durable for that."""
        if path in self._folders:
            return
        if path != self._top.parent:
            self._see_folder(path.parent)
            self.log.append(Named(path, None))
        self._folders.add(path)


def _caller() -> str:
    """Return the function of the store that asked for a sync."""
    return sys._getframe(3).f_code.co_qualname


class _File:
    def __init__(self) -> None:
        self.data = bytearray()
        self.size = 0
        self.sizes: list[int] = []
        self.writes: list[Wrote] = []

    def sync(self, *, with_size: bool) -> None:
        for write in self.writes:
            _put(self.data, write.offset, write.data)
        self.writes.clear()
        if with_size:
            self.size = self.sizes[-1] if self.sizes else self.size
            self.sizes.clear()

    def content(self, keep: Keep) -> bytes:
        size = next((size for size in reversed(self.sizes) if keep()), self.size)
        data = bytearray(self.data)
        for write in self.writes:
            for start, end in _sectors(write):
                if keep():
                    _put(data, start, write.data[start - write.offset : end - write.offset])
        return bytes(data[:size]).ljust(size, b"\0")


class _Folder:
    def __init__(self) -> None:
        self.names: dict[str, int | None] = {}
        self.changes: list[Named | Moved | Unnamed] = []

    def sync(self) -> None:
        self.names = self.after(lambda: True)
        self.changes.clear()

    def after(self, keep: Keep) -> dict[str, int | None]:
        names = dict(self.names)
        for change in self.changes:
            if keep():
                match change:
                    case Named(path, file, _):
                        names[path.name] = file
                    case Moved(source, target, file):
                        names.pop(source.name, None)
                        names[target.name] = file
                    case Unnamed(path):
                        names.pop(path.name, None)
        return names


class Disk:
    """What is durable and what is not, after some changes.

    Args:
        ignored: The site whose syncs do nothing, as if somebody had taken the call out of the code.
    """

    def __init__(self, top: Path, ignored: str | None = None) -> None:
        self.said: list[str] = []
        self._top = top
        self._ignored = ignored
        self._files: dict[int, _File] = {}
        self._folders: dict[Path, _Folder] = {top: _Folder()}

    def play(self, change: Change) -> None:
        """Let a change happen."""
        match change:
            case Named(path, file, is_new):
                if file is None:
                    self._folders[path] = _Folder()
                elif is_new:
                    self._files[file] = _File()
                self._folders[path.parent].changes.append(change)
            case Moved(source, _, _) | Unnamed(source):
                self._folders[source.parent].changes.append(change)
            case Wrote(file, offset, data):
                found = self._files[file]
                found.writes.append(change)
                size = found.sizes[-1] if found.sizes else found.size
                if offset + len(data) > size:
                    found.sizes.append(offset + len(data))
            case Sized(file, size):
                self._files[file].sizes.append(size)
            case Synced(site, of, with_size):
                if site == self._ignored:
                    return
                if not isinstance(of, Path):
                    self._files[of].sync(with_size=with_size)
                elif of in self._folders:  # what `top` stands in is durable
                    self._folders[of].sync()
            case Said(text):
                self.said.append(text)

    def leave(self, target: Path, keep: Keep) -> None:
        """Make in an empty folder what a loss of power leaves of `top`."""
        self._leave(self._top, target, keep)

    def _leave(self, folder: Path, target: Path, keep: Keep) -> None:
        target.mkdir(exist_ok=True)
        for name, file in self._folders[folder].after(keep).items():
            if file is None:
                self._leave(folder / name, target / name, keep)
            else:
                (target / name).write_bytes(self._files[file].content(keep))


def _sectors(write: Wrote) -> Iterator[tuple[int, int]]:
    start, end = write.offset, write.offset + len(write.data)
    while start < end:
        stop = min(end, (start // SECTOR + 1) * SECTOR)
        yield start, stop
        start = stop


def _put(data: bytearray, offset: int, piece: bytes | memoryview) -> None:
    if len(data) < offset + len(piece):
        data.extend(bytes(offset + len(piece) - len(data)))
    data[offset : offset + len(piece)] = piece
