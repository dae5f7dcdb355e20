"""The port to the place where a store's files are: whole files by key, made once, never changed.

What a store needs of a place, all of it: exclusive creation, durable on return; reads; listing; removal. A folder and a
bucket both have it. Keys are relative and use `/`. Every call may block and several threads may call at once; failures
are OSErrors, `FileNotFoundError` among them.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any, Protocol


class Sink(Protocol):
    """A file being written."""

    def write(self, data: bytes | memoryview) -> int:
        """Add bytes at the end."""
        ...


class Objects(Protocol):
    """Files of one store."""

    @property
    def url(self) -> str:
        """Where they are, for people."""
        ...

    def address(self, key: str) -> str:
        """Return the path or address of a file, for messages."""
        ...

    def create(self, key: str, data: bytes) -> bool:
        """Make a file that nobody made before, durable on return; False, and nothing changed, when the key is taken.

        Of several writers, on several hosts too, exactly one gets True.
        """
        ...

    def put(self, key: str, data: bytes) -> None:
        """Make a file, durable on return, over another of that key if need be: whole or not at all."""
        ...

    def writing(self, key: str) -> AbstractContextManager[Sink]:
        """Make a large file bit by bit; whole and durable when the block ends, none of it when the block raises."""
        ...

    def read(self, key: str) -> bytes:
        """Return the whole file."""
        ...

    def open(self, key: str) -> Any:
        """Return the file open for reading at any place, as Arrow reads files (`read`, `seek`, `size`, `close`)."""
        ...

    def chunks(self, key: str) -> Iterator[bytes]:
        """Walk the file's bytes from the start, some at a time."""
        ...

    def list(self, prefix: str) -> list[str]:
        """Return the keys below this folder and its folders, sorted; none when there is none."""
        ...

    def sizes(self, prefix: str) -> dict[str, int]:
        """Return the keys below this folder and its folders, each with its size in bytes: one question for many."""
        ...

    def exists(self, key: str) -> bool:
        """Return whether there is such a file."""
        ...

    def ends_at(self, key: str, beyond: str) -> bool:
        """Return whether there is no file `beyond`; asked after every append.

        Raises:
            FileNotFoundError: There is no file `key` either, where that is cheap to see: the folder is gone.
        """
        ...

    def size(self, key: str) -> int:
        """Return its size in bytes."""
        ...

    def modified_at(self, key: str) -> float:
        """Return when it was written, in epoch seconds."""
        ...

    def delete(self, key: str) -> None:
        """Remove a file, for good on return; none is fine."""
        ...

    def sweep(self) -> None:
        """Remove what unfinished writes of long ago left behind."""
        ...
