"""Opening the store that a URL names."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

from greenroom.runtime.contracts.errors import ConfigError
from greenroom.runtime.contracts.records import Table
from greenroom.runtime.contracts.storage import Storage
from greenroom.storage.memory import MemoryStorage
from greenroom.storage.objects import bucket
from greenroom.storage.objects.bucket import Bucket

if TYPE_CHECKING:
    from greenroom.storage.objects.s3 import S3Objects
    from greenroom.storage.parquet.place import Place

_FILES: Final = "memory://, file:///absolute/path, file://relative/path or a plain path"
_KNOWN: Final = f"{_FILES}, or {bucket.FORM}"


async def open_storage(url: str, *, retention_s: dict[Table, float] | None = None) -> Storage:
    """Return the store behind the URL, open for writing.

    Args:
        url: `memory://`, `file:///absolute`, `file://relative`, a plain path, or `s3://bucket/prefix` with parameters.
        retention_s: Seconds for which rows of messages, ledger or spans are kept; for ever where nothing is said. A
            store in memory keeps them as long as its process lives.

    Raises:
        ConfigError: No store is known for this URL, or its client is not installed.
        StorageError: The store cannot be opened: the message says why and what to do.
    """
    if url == "memory://":
        return MemoryStorage()
    # pyarrow is slow to import, and the memory store does without.
    from greenroom.storage.parquet.options import StoreOptions  # noqa: PLC0415
    from greenroom.storage.parquet.store import ParquetStorage  # noqa: PLC0415

    options = StoreOptions(retention_s=retention_s or {})
    if not is_bucket(url):
        return await ParquetStorage.open(path_of(url), options)
    return await ParquetStorage.open_at(await asyncio.to_thread(bucket_place, Bucket.parse(url)), options)


def is_bucket(url: str) -> bool:
    """Return whether the URL names a store in a bucket."""
    return url.startswith(f"{bucket.SCHEME}://")


def bucket_objects(where: Bucket) -> "S3Objects":
    """Return the files of a bucket.

    Raises:
        ConfigError: The client is not installed.
    """
    try:
        from greenroom.storage.objects.s3 import S3Objects  # noqa: PLC0415 - an extra: only stores in buckets need it
    except ImportError as error:
        message = "a store in a bucket needs obstore; install it with: pip install 'greenroom[s3]'"
        raise ConfigError(message) from error
    return S3Objects(where)


def bucket_place(where: Bucket) -> "Place":
    """Return the place of a store in a bucket that has been found to keep writers apart. Blocking.

    Raises:
        ConfigError: The client is not installed.
        StorageError: There is no such bucket, it cannot be written, or it does not honour exclusive creation.
    """
    from greenroom.storage.objects.ops import OsFiles  # noqa: PLC0415 - see above
    from greenroom.storage.parquet.place import remote_place  # noqa: PLC0415

    objects = bucket_objects(where)
    objects.probe()
    return remote_place(objects, OsFiles(), where.journal, where.lost_journal)


def address_of(url: str) -> str:
    """Return where the store is, as its health says it: without what only tells how to get there."""
    return Bucket.parse(url).url if is_bucket(url) else url


def lock_folder(url: str) -> Path | None:
    """Return the folder that is locked while the store is open on this host, or None when there is none.

    Raises:
        ConfigError: No store is known for this URL.
    """
    if url == "memory://":
        return None
    return Bucket.parse(url).journal if is_bucket(url) else path_of(url)


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
