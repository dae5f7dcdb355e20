"""Opening the store that a URL names."""

from pathlib import Path
from typing import Final
from urllib.parse import unquote

from greenroom.runtime.contracts.errors import ConfigError
from greenroom.runtime.contracts.storage import Storage
from greenroom.storage.memory import MemoryStorage

_KNOWN: Final = "memory://, file:///absolute/path, file://relative/path or a plain path"


async def open_storage(url: str) -> Storage:
    """Return the store behind the URL, open for writing.

    Args:
        url: `memory://`, `file:///absolute`, `file://relative`, or a plain path.

    Raises:
        ConfigError: No store is known for this URL.
        StorageError: The store cannot be opened: the message says why and what to do.
    """
    if url == "memory://":
        return MemoryStorage()
    # pyarrow is slow to import, and the memory store does without.
    from greenroom.storage.parquet.store import ParquetStorage  # noqa: PLC0415

    return await ParquetStorage.open(path_of(url))


def path_of(url: str) -> Path:
    """Return the folder that a `file://` URL or a plain path names, absolute.

    Raises:
        ConfigError: It names none.
    """
    scheme, separator, rest = url.partition("://")
    if separator and scheme != "file":
        raise ConfigError(f"storage is {url!r}, and no store is known for {scheme}://; give {_KNOWN}")
    path = unquote(rest) if separator else url
    if not path.strip():
        raise ConfigError(f"storage is {url!r}, which names no folder; give {_KNOWN}")
    return Path(path).expanduser().absolute()
