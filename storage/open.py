"""Opening the store that a URL names."""

from greenroom.runtime.contracts.errors import ConfigError
from greenroom.runtime.contracts.storage import Storage
from greenroom.storage.memory import MemoryStorage


async def open_storage(url: str) -> Storage:
    """Return the store behind the URL, open for writing: `memory://`.

    Raises:
        ConfigError: No store is known for this URL.
    """
    if url == "memory://":
        return MemoryStorage()
    raise ConfigError(f"storage is {url!r}, which no store serves; give one of memory://")
