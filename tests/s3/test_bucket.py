"""URLs of stores in buckets."""

from hashlib import sha256
from pathlib import Path
from urllib.parse import quote

import pytest

from greenroom.runtime.contracts.errors import ConfigError, NotFound, StorageError
from greenroom.runtime.contracts.records import Table
from greenroom.storage.blobs import SharedBlobs, open_blobs
from greenroom.storage.objects.bucket import Bucket
from greenroom.storage.open import address_of, lock_folder, open_storage
from tests.contract.records import head
from tests.s3.buckets import new_bucket
from tests.s3.proxy import Fault, Proxy


def url_of(bucket: Bucket, **more: str) -> str:
    """Return the URL that says this."""
    parameters = {"endpoint": bucket.endpoint or "", "allow_http": "true", **more}
    return f"{bucket.url}?{'&'.join(f'{name}={quote(value)}' for name, value in parameters.items())}"


def test_a_url_says_where_the_bucket_is() -> None:
    """Every parameter has its place; the address for people has none of them."""
    url = "s3://things/a/my%20store/?endpoint=http://h:9000&region=eu-west-3&allow_http=true&journal=file:///var/my%20j"
    bucket = Bucket.parse(url)
    assert bucket == Bucket(
        name="things",
        prefix="a/my store",
        endpoint="http://h:9000",
        region="eu-west-3",
        allow_http=True,
        journal=Path("/var/my j"),
    )
    assert bucket.url == "s3://things/a/my store"
    assert Bucket.parse("s3://things") == Bucket(name="things")
    assert Bucket.parse("s3://things").url == "s3://things"
    assert Bucket.parse("s3://things/?journal=/var/j").journal == Path("/var/j")


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("s3://", "names no bucket"),
        ("s3:///prefix", "names no bucket"),
        ("s3://b/p//q", "is no folder in a bucket"),
        ("s3://b/p/../q", "is no folder in a bucket"),
        ("s3://b/p?jurnal=/j", "jurnal is no parameter of s3://; there are endpoint, region, allow_http, journal"),
        ("s3://b/p?region=a&region=b", "says region twice"),
        ("s3://b/p?region=", "region is empty"),
        ("s3://b/p?allow_http=yes", "neither true nor false"),
        ("s3://b/p?endpoint=localhost:9000", "is no URL"),
        ("s3://b/p?endpoint=http://localhost", "add allow_http=true"),
        ("s3://b/p?journal=relative/j", "is no local folder"),
        ("s3://b/p?journal=s3://other/j", "is no local folder"),
    ],
)
def test_a_wrong_url_is_told(url: str, message: str) -> None:
    """What is unknown or wrong is named, before anything is opened."""
    with pytest.raises(ConfigError, match=message):
        Bucket.parse(url)


def test_the_lock_is_in_the_journals_folder() -> None:
    """A bucket has none; `greenroom up` looks there before it starts anything."""
    assert lock_folder("s3://b/p?journal=/var/j") == Path("/var/j")
    assert lock_folder("s3://b/p") is None
    assert lock_folder("memory://") is None
    assert lock_folder("file:///var/s") == Path("/var/s")


@pytest.mark.parametrize("is_local", [False, True])
async def test_a_url_opens_a_store(tmp_path: Path, is_local: bool) -> None:
    """With keys from the environment; closed and opened again it has its rows, and no probe is left."""
    bucket = new_bucket()
    url = url_of(bucket, journal=str(tmp_path / "a journal")) if is_local else url_of(bucket)
    storage = await open_storage(url)
    await storage.append([head("r1")])
    assert storage.health().url == address_of(url)
    await storage.close()
    storage = await open_storage(url)
    assert await storage.get(Table.RUNS, ("r1",)) == head("r1")
    await storage.close()
    assert (tmp_path / "a journal" / "JOURNAL.json").exists() == is_local


async def test_a_store_that_ignores_if_none_match_is_not_opened(proxy: Proxy, proxied: Bucket) -> None:
    """Nothing of a store is written to it."""
    proxy.inject(Fault.STRIP, "PUT", "", times=None)
    with pytest.raises(StorageError, match="ignores If-None-Match"):
        await open_storage(url_of(proxied))
    assert not [path for method, path in proxy.requests if method == "PUT" and "/probe/" not in path]


async def test_blobs_of_a_bucket_are_shared() -> None:
    """What an actor puts, the store gets, and the other way round."""
    url = url_of(new_bucket())
    blobs = open_blobs(url)
    assert isinstance(blobs, SharedBlobs)
    storage = await open_storage(url)
    first, second = b"image" * 1000, b"sound" * 2_000_000
    await blobs.put(sha256(first).hexdigest(), first)
    await storage.put_blob(sha256(second).hexdigest(), second)
    assert await storage.get_blob(sha256(first).hexdigest()) == first
    assert await blobs.get(sha256(second).hexdigest()) == second
    with pytest.raises(NotFound):
        await blobs.get("0" * 64)
    await storage.close()
