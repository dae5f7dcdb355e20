"""Epochs: each writer takes the next number for good, and whoever finds a newer one than its own stops for ever."""

import os
import socket
import uuid
from collections.abc import Callable
from typing import Final, Self, TypeVar

import msgspec

from greenroom.runtime.contracts.errors import Fenced, StorageCorrupt, StorageError
from greenroom.storage.objects import checked_json
from greenroom.storage.objects.objects import Objects

T = TypeVar("T")

FOLDER: Final = "epoch"


class Owner(msgspec.Struct, frozen=True, kw_only=True):
    """Who took an epoch.

    Attributes:
        id: Different for each try, so that no two writers ever offer the same bytes for one number.
        journal: Where its journal is, when that is apart from the store's files.
    """

    format: int = 1
    host: str
    pid: int
    started_at: float
    id: str = ""
    journal: str = ""


class Epoch:
    """The number of one writer. Files of epochs are never removed, so a number is never given twice.

    Args:
        objects: The store's files, where numbers are given.
        near: The files of a journal that is apart from them. A number stands there too, so that appends need not ask
            far away whether it is over.
    """

    def __init__(self, objects: Objects, number: int, near: Objects | None = None) -> None:
        self.number = number
        self._objects = objects
        self._near = near
        self._own = _key(number)
        self._next = _key(number + 1)

    @classmethod
    def take(cls, objects: Objects, *, now: float, near: Objects | None = None) -> Self:
        """Take the next number; earlier writers are fenced from here on."""
        journal = near.url if near is not None else ""
        owner = Owner(host=socket.gethostname(), pid=os.getpid(), started_at=now, id=uuid.uuid4().hex, journal=journal)
        while True:
            number = max(_numbers(objects), default=0) + 1
            if objects.create(_key(number), checked_json.encode(owner)):
                break
        if near is not None:
            _repeat(near, number, owner)
        return cls(objects, number, near)

    def check(self) -> None:
        """Pass while no newer writer has taken the store.

        To be called after every durable write and before it is acknowledged: had there been no newer epoch when the
        bytes were durable, then every later owner makes its epoch after that, and so finds the bytes when it recovers.

        Raises:
            Fenced: A newer writer has it.
        """
        self.check_near()
        if self._near is not None and self._objects.exists(self._next):
            raise self.fenced()

    def check_near(self) -> None:
        """Pass while no newer writer has taken the journal: enough for what was written to nothing but the journal.

        A newer writer with another journal may be there. It has refused the store, or found every record in parts.

        Raises:
            Fenced: A newer writer has it.
            StorageError: The folder is gone.
        """
        files = self._near or self._objects
        try:
            is_last = files.ends_at(self._own, self._next)
        except FileNotFoundError:
            raise StorageError(
                f"{files.address(self._own)} is gone: was the store removed, moved or unmounted while it was open? "
                "Nothing is kept any more; bring the folder back and open the store again"
            ) from None
        if not is_last:
            raise self.fenced()

    def guard(self, call: Callable[[], T]) -> T:
        """Return what the call returns. A file that a newer writer has removed meanwhile is no damage.

        Raises:
            Fenced: The call failed on a file, and a newer writer has the store.
        """
        try:
            return call()
        except (StorageCorrupt, FileNotFoundError):
            self.check()
            raise

    def fenced(self) -> Fenced:
        """Return the error of a writer that has been replaced."""
        return Fenced(
            f"a newer writer has taken the store (epoch {self.number} is over, see "
            f"{self._objects.address(self._next)}); this one must stop",
            {"epoch": self.number},
        )


def read_owner(objects: Objects, number: int) -> Owner:
    """Return who took this epoch.

    Raises:
        StorageCorrupt: The file that says it is damaged.
    """
    key = _key(number)
    return checked_json.decode(objects.read(key), Owner, objects.address(key))


def _repeat(near: Objects, number: int, owner: Owner) -> None:
    """Make the number stand near too, and those that were given elsewhere since the last that stands there.

    Without a gap the one behind a writer's own is there as soon as any newer is.
    """
    first = max(_numbers(near), default=number - 1) + 1
    for missing in range(first, number + 1):
        near.create(_key(missing), checked_json.encode(owner))


def _numbers(objects: Objects) -> list[int]:
    return [int(name) for key in objects.list(FOLDER) if (name := key.rpartition("/")[2]).isdigit()]


def _key(number: int) -> str:
    return f"{FOLDER}/{number:012d}"
