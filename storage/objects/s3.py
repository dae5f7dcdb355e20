"""Files in a bucket of S3, or of a store that speaks its protocol, by way of obstore.

What a journal needs of a bucket is one thing more than reading and writing: a create that exactly one of several
writers wins (`If-None-Match: *`). A reply to it can be lost, so a refusal of our own second try is looked into.
"""

import contextlib
import errno
import re
import time
import uuid
from collections.abc import Callable, Generator, Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import msgspec
import obstore
import pyarrow as pa
from obstore.exceptions import AlreadyExistsError, BaseError, PermissionDeniedError, UnauthenticatedError
from obstore.store import S3Store

from greenroom.runtime.contracts.errors import StorageError
from greenroom.storage.objects.bucket import Bucket
from greenroom.storage.objects.failure import storage_error
from greenroom.storage.objects.ranged import RangedFile

if TYPE_CHECKING:
    from obstore.store import S3Config  # a type that does not exist at run time

_PIECE_BYTES: Final = 8 * 1024 * 1024  # of a large upload; S3 takes 10,000 of them
_PIECES_AT_ONCE: Final = 4
_CHUNK_BYTES: Final = 4 * 1024 * 1024
_MAX_REASON: Final = 300
_STATUS: Final = re.compile(r"status code: (\d{3})")
_PASSING: Final = frozenset({408, 429})  # and every 5xx


class BucketLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How long a bucket is waited for.

    Attributes:
        connect_s: For a connection.
        silence_s: For the first and for each further byte of an answer.
        request_s: For one request and its whole answer.
        tries: Most times that one request is made.
        first_wait_s: Before the second try; doubled before each that follows.
    """

    connect_s: float = 5.0
    silence_s: float = 20.0
    request_s: float = 300.0
    tries: int = 5
    first_wait_s: float = 0.2


class S3Objects:
    """See `Objects`. Unfinished uploads of a killed writer stay until the bucket's lifecycle rule removes them."""

    def __init__(
        self, bucket: Bucket, limits: BucketLimits | None = None, *, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        limits = limits or BucketLimits()
        self._bucket = bucket
        self._limits = limits
        self._sleep = sleep
        self._store = _connect(bucket, limits, tries=limits.tries)
        # The client makes no create and no removal again after a time-out, and its second create would be refused for
        # its first: these are repeated here.
        self._once = _connect(bucket, limits, tries=1)

    @property
    def url(self) -> str:
        """See `Objects`."""
        return self._bucket.url

    def address(self, key: str) -> str:
        """See `Objects`."""
        return f"{self._bucket.url}/{key}"

    def create(self, key: str, data: bytes) -> bool:
        """See `Objects`. Writers must not give the same bytes: whose they are is told by them when a reply is lost."""
        is_sent = False  # an earlier try may have arrived
        for is_last in self._tries():
            try:
                obstore.put(self._once, key, data, mode="create", use_multipart=False)
            except AlreadyExistsError as error:  # 412, and 409 while another request for the key is under way
                failure: OSError = _failure(error, self.address(key))
                if (found := self._find(key)) is not None:
                    return is_sent and found == data
            except (BaseError, OSError) as error:
                failure = _failure(error, self.address(key))
                if not _may_pass(error):
                    raise failure from error
                is_sent = True
            else:
                return True
            if is_last:
                raise failure
        raise AssertionError("there is a last try")

    def put(self, key: str, data: bytes) -> None:
        """See `Objects`."""
        with self._failing(key):
            obstore.put(self._store, key, data, chunk_size=_PIECE_BYTES, max_concurrency=_PIECES_AT_ONCE)

    @contextlib.contextmanager
    def writing(self, key: str) -> Generator["_Writing", None, None]:
        """See `Objects`. An upload in pieces; it is called off when the block raises."""
        with (
            self._failing(key),
            obstore.open_writer(self._store, key, buffer_size=_PIECE_BYTES, max_concurrency=_PIECES_AT_ONCE) as writer,
        ):
            yield _Writing(writer)

    def read(self, key: str) -> bytes:
        """See `Objects`."""
        with self._failing(key):
            return obstore.get(self._store, key).bytes().to_bytes()

    def open(self, key: str) -> pa.NativeFile:
        """See `Objects`."""
        return pa.PythonFile(RangedFile(self.size(key), lambda start, size: self._range(key, start, size)), mode="r")

    def chunks(self, key: str) -> Iterator[bytes]:
        """See `Objects`."""
        size = self.size(key)
        for start in range(0, size, _CHUNK_BYTES):
            yield self._range(key, start, min(_CHUNK_BYTES, size - start))

    def list(self, prefix: str) -> list[str]:
        """See `Objects`."""
        return sorted(self.sizes(prefix))

    def sizes(self, prefix: str) -> dict[str, int]:
        """See `Objects`."""
        with self._failing(prefix):
            return {meta["path"]: meta["size"] for page in obstore.list(self._store, prefix) for meta in page}

    def exists(self, key: str) -> bool:
        """See `Objects`."""
        try:
            self._head(key)
        except FileNotFoundError:
            return False
        return True

    def ends_at(self, key: str, beyond: str) -> bool:
        """See `Objects`. A bucket does not go away under a writer as a folder does."""
        del key
        return not self.exists(beyond)

    def size(self, key: str) -> int:
        """See `Objects`."""
        return int(self._head(key)["size"])

    def modified_at(self, key: str) -> float:
        """See `Objects`."""
        return float(self._head(key)["last_modified"].timestamp())

    def delete(self, key: str) -> None:
        """See `Objects`."""
        for is_last in self._tries():
            try:
                with self._failing(key):
                    obstore.delete(self._once, key)
            except FileNotFoundError:
                return
            except OSError as error:
                if is_last or error.errno != errno.EIO:
                    raise
            else:
                return

    def sweep(self) -> None:
        """See `Objects`. Nothing: an unfinished upload has no name, and S3 removes it by a lifecycle rule."""

    def probe(self) -> None:
        """Pass when the bucket is there, can be written, and refuses to create a key twice.

        Raises:
            StorageError: It does not; writing to it could lose acknowledged records.
        """
        key = f"probe/{uuid.uuid4().hex}"
        try:
            is_ours = self.create(key, b"first")
            is_refused = not self.create(key, b"second")
            self.delete(key)
        except FileNotFoundError:
            raise StorageError(f"there is no bucket {self._bucket.name}; make it, or give another in storage") from None
        except PermissionError as error:
            raise storage_error(error, "cannot open the store", self.url) from error
        except OSError as error:
            message = f"cannot open the store: {self.url}: {error.strerror}; check endpoint, region and the AWS_* keys"
            raise StorageError(message, {"url": self.url}) from error
        if not (is_ours and is_refused):
            raise StorageError(
                f"{self.url} ignores If-None-Match: of two writers both would believe to have made an object, and "
                "acknowledged records could be lost; use a store that honours it (AWS S3, MinIO, R2, Ceph do)",
                {"url": self.url},
            )

    def _head(self, key: str) -> Any:
        with self._failing(key):
            return obstore.head(self._store, key)

    def _range(self, key: str, start: int, size: int) -> bytes:
        with self._failing(key):
            return obstore.get_range(self._store, key, start=start, length=size).to_bytes()

    def _find(self, key: str) -> bytes | None:
        try:
            return self.read(key)
        except FileNotFoundError:
            return None

    def _tries(self) -> Iterator[bool]:
        """Walk the tries of one request, each after its wait, and say of each whether it is the last."""
        for number in range(self._limits.tries):
            if number:
                self._sleep(self._limits.first_wait_s * 2 ** (number - 1))
            yield number == self._limits.tries - 1

    @contextlib.contextmanager
    def _failing(self, key: str) -> Generator[None, None, None]:
        """Turn the client's errors into the system's."""
        try:
            yield
        except BaseError as error:
            raise _failure(error, self.address(key)) from error
        except OSError as error:
            if error.errno is not None:  # of the caller's own block
                raise
            raise _failure(error, self.address(key)) from error


class _Writing:
    """An object being written, at its end."""

    def __init__(self, writer: "obstore.WritableFile") -> None:
        self._writer = writer

    def write(self, data: bytes | memoryview) -> int:
        """Add bytes."""
        return self._writer.write(bytes(data))


def _connect(bucket: Bucket, limits: BucketLimits, *, tries: int) -> S3Store:
    # What the URL does not say, credentials above all, obstore takes from AWS_* variables and from the machine's role.
    # Removal in bulk is a POST, which the client does not make again after a time-out, and not every store knows it.
    given: S3Config = {"bucket": bucket.name, "disable_bulk_delete": True}
    if bucket.endpoint is not None:
        given["endpoint"] = bucket.endpoint
    if bucket.region is not None:
        given["region"] = bucket.region
    return S3Store(
        config=given,
        prefix=bucket.prefix or None,
        client_options={
            "allow_http": bucket.allow_http,
            "connect_timeout": timedelta(seconds=limits.connect_s),
            "read_timeout": timedelta(seconds=limits.silence_s),
            "timeout": timedelta(seconds=limits.request_s),
        },
        retry_config={
            "max_retries": tries - 1,
            "backoff": {"init_backoff": timedelta(seconds=limits.first_wait_s)},
            "retry_timeout": timedelta(seconds=limits.request_s),
        },
    )


def _failure(error: Exception, address: str) -> OSError:
    """Return the system's error for one of the client's."""
    reason = str(error).partition("\n\nDebug source")[0].strip()[:_MAX_REASON]
    match error:
        case FileNotFoundError():
            return FileNotFoundError(errno.ENOENT, "there is no such object", address)
        case PermissionDeniedError() | UnauthenticatedError():
            return PermissionError(errno.EACCES, reason, address)
        case _:
            return OSError(errno.EIO, reason, address)


def _may_pass(error: Exception) -> bool:
    """Return whether the same request may succeed later. One without an answer may, and may have arrived."""
    if isinstance(error, FileNotFoundError | PermissionDeniedError | UnauthenticatedError):
        return False
    found = _STATUS.search(str(error))
    return found is None or int(found[1]) in _PASSING or found[1].startswith("5")
