"""Epochs: each writer takes the next number for good, and whoever finds a newer one than its own stops for ever."""

import os
import socket
from typing import Final

import msgspec

from greenroom.runtime.contracts.errors import Fenced
from greenroom.storage.objects import checked_json
from greenroom.storage.objects.objects import Objects

FOLDER: Final = "epoch"


class Owner(msgspec.Struct, frozen=True, kw_only=True):
    """Who took an epoch."""

    format: int = 1
    host: str
    pid: int
    started_at: float


class Epoch:
    """The number of one writer. Files of epochs are never removed, so a number is never given twice."""

    def __init__(self, objects: Objects, number: int) -> None:
        self.number = number
        self._objects = objects
        self._next = f"{FOLDER}/{number + 1:012d}"

    @classmethod
    def take(cls, objects: Objects, *, now: float) -> "Epoch":
        """Take the next number; earlier writers are fenced from here on."""
        owner = checked_json.encode(Owner(host=socket.gethostname(), pid=os.getpid(), started_at=now))
        while True:
            taken = [int(name) for key in objects.list(FOLDER) if (name := key.rpartition("/")[2]).isdigit()]
            number = max(taken, default=0) + 1
            if objects.create(f"{FOLDER}/{number:012d}", owner):
                return cls(objects, number)

    def check(self) -> None:
        """Pass while no newer writer has taken the store.

        To be called after every durable write and before it is acknowledged: had there been no newer epoch when the
        bytes were durable, then every later owner makes its epoch after that, and so finds the bytes when it recovers.

        Raises:
            Fenced: A newer writer has it.
        """
        if self._objects.exists(self._next):
            raise self.fenced()

    def fenced(self) -> Fenced:
        """Return the error of a writer that has been replaced."""
        return Fenced(
            f"a newer writer has taken the store (epoch {self.number} is over, see "
            f"{self._objects.address(self._next)}); this one must stop",
            {"epoch": self.number},
        )
