"""The port to files, on a bucket: what a folder does, and what only a bucket can do wrong."""

import errno
import random
import sys
import threading
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from greenroom.runtime.contracts.errors import ConfigError, StorageError
from greenroom.storage.objects.bucket import Bucket
from greenroom.storage.objects.local import LocalObjects
from greenroom.storage.objects.objects import Objects
from greenroom.storage.objects.ops import OsFiles
from greenroom.storage.objects.ranged import READ_BYTES
from greenroom.storage.open import bucket_objects
from tests.s3.buckets import IMPATIENT, new_bucket, objects_of, server_port
from tests.s3.proxy import Fault, Proxy


@pytest.fixture(params=["folder", "bucket"])
def objects(request: pytest.FixtureRequest, tmp_path: Path) -> Objects:
    return LocalObjects(OsFiles(), tmp_path) if request.param == "folder" else objects_of(new_bucket())


def test_a_key_is_created_once(objects: Objects) -> None:
    """The second create changes nothing, not even with the same bytes; `put` does replace."""
    assert objects.create("a/b", b"first")
    assert not objects.create("a/b", b"second")
    assert not objects.create("a/b", b"first")
    assert objects.read("a/b") == b"first"
    objects.put("a/b", b"third")
    assert objects.read("a/b") == b"third"


def test_files_are_listed_by_folder(objects: Objects) -> None:
    """A listing has what is below the folder, sorted, and nothing of a folder whose name only begins alike."""
    for key in ("a/z", "a/b/c", "ab/x", "a/b/a"):
        objects.put(key, b"1")
    assert objects.list("a") == ["a/b/a", "a/b/c", "a/z"]
    assert objects.list("a/b") == ["a/b/a", "a/b/c"]
    assert objects.list("nothing") == []
    assert objects.sizes("a") == {"a/b/a": 1, "a/b/c": 1, "a/z": 1}
    assert objects.sizes("nothing") == {}


def test_what_is_known_of_a_file_is_right(objects: Objects) -> None:
    """Existence, size and time; what is missing is FileNotFoundError, and removing it is fine."""
    objects.put("a/b", b"12345")
    assert objects.exists("a/b")
    assert objects.size("a/b") == 5
    assert abs(objects.modified_at("a/b") - objects.modified_at("a/b")) == 0
    objects.delete("a/b")
    objects.delete("a/b")
    assert not objects.exists("a/b")
    for call in (objects.read, objects.size, objects.modified_at, objects.open, lambda key: list(objects.chunks(key))):
        with pytest.raises(FileNotFoundError):
            call("a/b")


def test_a_large_file_is_whole_or_not_there(objects: Objects) -> None:
    """Written bit by bit it has every byte; nothing of it is there when the block raises."""
    piece = bytes(range(256)) * 4096 * 3
    with objects.writing("data/whole") as sink:
        for _ in range(7):
            assert sink.write(memoryview(piece)) == len(piece)
    assert objects.read("data/whole") == piece * 7
    assert b"".join(objects.chunks("data/whole")) == piece * 7
    with pytest.raises(FileNotFoundError, match="of the block"), objects.writing("data/broken") as sink:  # noqa: PT012
        for _ in range(7):
            sink.write(piece)
        raise FileNotFoundError(errno.ENOENT, "of the block")
    assert objects.list("data") == ["data/whole"]


def test_a_broken_upload_leaves_nothing_behind() -> None:
    """The pieces that were uploaded are called off: they would be paid for and never seen."""
    bucket = new_bucket()
    with pytest.raises(KeyError), objects_of(bucket).writing("data/broken") as sink:  # noqa: PT012
        sink.write(b"x" * 20_000_000)
        raise KeyError
    with urllib.request.urlopen(f"http://127.0.0.1:{server_port()}/{bucket.name}?uploads") as answer:
        assert b"data/broken" not in answer.read()


def test_arrow_reads_parquet_by_ranges(objects: Objects) -> None:
    """An open file knows its size, and any row group is read without the rest."""
    table = pa.table({"n": list(range(200_000)), "text": [f"text {n * 7919}" for n in range(200_000)]})
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, row_group_size=20_000, compression="none")
    data = sink.getvalue().to_pybytes()
    assert len(data) > 30 * READ_BYTES
    objects.put("part", data)
    source = objects.open("part")
    assert source.size() == len(data)
    source.seek(len(data) - 4)
    assert source.read(4) == b"PAR1"
    file = pq.ParquetFile(source)
    assert file.read_row_group(3).equals(table.slice(60_000, 20_000))
    assert file.read().equals(table)
    source.close()
    assert source.closed


@pytest.mark.parametrize("fault", [Fault.LOSE_REPLY, Fault.ANSWER_500, Fault.ANSWER_503])
@pytest.mark.parametrize("request_of", ["uploads", "partNumber=2", "uploadId=[^&]*$"])
def test_an_upload_in_pieces_goes_on_after_a_passing_fault(
    proxy: Proxy, proxied: Bucket, fault: Fault, request_of: str
) -> None:
    """Beginning it, a piece of it, ending it: the object is whole whichever reply was lost."""
    objects = objects_of(proxied)
    method = "PUT" if "part" in request_of else "POST"
    rule = proxy.inject(fault, method, request_of)
    with objects.writing("data/whole") as sink:
        for _ in range(3):
            sink.write(b"x" * 7_000_000)
    assert rule.hits == 1
    assert objects.read("data/whole") == b"x" * 21_000_000


def test_a_row_group_costs_few_requests(proxy: Proxy, proxied: Bucket) -> None:
    """One for the size, one for the end of the file, one for a row group of eight columns."""
    numbers = random.Random(1)
    table = pa.table({name: [numbers.getrandbits(60) for _ in range(20_000)] for name in "abcdefgh"})
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, row_group_size=5000, use_dictionary=False)
    objects = objects_of(proxied)
    objects.put("part", sink.getvalue().to_pybytes())
    proxy.requests.clear()
    source = objects.open("part")
    source.seek(source.size() - 5000)
    assert source.read().endswith(b"PAR1")
    assert pq.ParquetFile(source).read_row_group(1).equals(table.slice(5000, 5000))
    assert [method for method, _ in proxy.requests] == ["HEAD", "GET", "GET"]


def test_of_many_that_create_a_key_at_once_one_wins(proxied: Bucket) -> None:
    """Exclusive creation is what fences stand on."""
    start = threading.Barrier(8)

    def create(number: int) -> bool:
        start.wait()
        return objects_of(proxied, IMPATIENT).create("epoch/1", f"writer {number}".encode())

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(create, range(8))) == [False] * 7 + [True]


@pytest.mark.parametrize("fault", [Fault.LOSE_REPLY, Fault.HANG_AFTER])
def test_a_create_whose_reply_is_lost_is_known_for_ours(proxy: Proxy, proxied: Bucket, fault: Fault) -> None:
    """The second try is refused, and the bytes that are there are ours: made, and made once."""
    proxy.inject(fault, "PUT", "/key")
    assert objects_of(proxied, IMPATIENT).create("key", b"mine")
    assert objects_of(proxied, IMPATIENT).read("key") == b"mine"
    assert sum(method == "PUT" for method, _ in proxy.requests) == 2


def test_a_create_that_lost_to_another_while_its_reply_was_awaited_is_refused(proxy: Proxy, proxied: Bucket) -> None:
    """A try that did not arrive, then another's object: the bytes differ, so it is not ours."""
    objects = objects_of(proxied, IMPATIENT)
    assert objects.create("key", b"theirs")
    proxy.inject(Fault.HANG, "PUT", "/key")
    assert not objects.create("key", b"mine")
    assert objects.read("key") == b"theirs"


def test_a_refusal_of_the_first_try_is_never_ours(proxied: Bucket) -> None:
    """Equal bytes that were there before any try of this call were made by somebody else."""
    assert objects_of(proxied, IMPATIENT).create("key", b"same")
    assert not objects_of(proxied, IMPATIENT).create("key", b"same")


@pytest.mark.parametrize("fault", [Fault.ANSWER_409, Fault.ANSWER_412, Fault.ANSWER_500, Fault.ANSWER_503, Fault.HANG])
def test_a_create_goes_on_after_a_passing_fault(proxy: Proxy, proxied: Bucket, fault: Fault) -> None:
    """A conflict with nothing there, an error of the server, no answer: it is tried again."""
    rule = proxy.inject(fault, "PUT", "/key", times=2)
    assert objects_of(proxied, IMPATIENT).create("key", b"mine")
    assert rule.hits == 2


@pytest.mark.parametrize("fault", [Fault.LOSE_REPLY, Fault.ANSWER_500, Fault.ANSWER_503, Fault.HANG])
@pytest.mark.parametrize("method", ["PUT", "GET", "HEAD", "DELETE"])
def test_every_other_request_goes_on_after_a_passing_fault(
    proxy: Proxy, proxied: Bucket, fault: Fault, method: str
) -> None:
    """Reading, replacing, listing, removing: twice is as good as once."""
    objects = objects_of(proxied, IMPATIENT)
    objects.put("a/key", b"1234")
    rule = proxy.inject(fault, method, "/key")
    match method:
        case "PUT":
            objects.put("a/key", b"5678")
            assert objects.read("a/key") == b"5678"
        case "GET":
            assert objects.read("a/key") == b"1234"
        case "HEAD":
            assert objects.size("a/key") == 4
        case _:
            objects.delete("a/key")
            assert not objects.exists("a/key")
    assert rule.hits == 1


@pytest.mark.parametrize("fault", [Fault.ANSWER_503, Fault.HANG])
def test_a_store_that_does_not_come_back_is_an_error(proxy: Proxy, proxied: Bucket, fault: Fault) -> None:
    """Tries are counted, and then it is EIO that names the object."""
    objects = objects_of(proxied, IMPATIENT)
    rule = proxy.inject(fault, "PUT", "/key", times=None)
    for call in (objects.create, objects.put):
        with pytest.raises(OSError, match=r"stores/.*/key") as caught:
            call("key", b"x")
        assert caught.value.errno == errno.EIO
    assert rule.hits == 6


def test_no_right_is_an_error_at_once(proxy: Proxy, proxied: Bucket) -> None:
    """A refusal for want of rights is not tried again."""
    rule = proxy.inject(Fault.ANSWER_403, "PUT", "/key", times=None)
    for call in (objects_of(proxied, IMPATIENT).create, objects_of(proxied, IMPATIENT).put):
        with pytest.raises(PermissionError):
            call("key", b"x")
    assert rule.hits == 2


def test_the_probe_passes_where_creation_is_exclusive(bucket: Bucket) -> None:
    """And it leaves nothing behind."""
    objects = objects_of(bucket)
    objects.probe()
    assert objects.list("probe") == []


def test_a_store_that_ignores_if_none_match_is_refused(proxy: Proxy, proxied: Bucket) -> None:
    """Two writers would both believe to have won; the message says so, and nothing is left behind."""
    proxy.inject(Fault.STRIP, "PUT", "/probe/", times=None)
    with pytest.raises(StorageError, match=r"ignores If-None-Match.*could be lost.*use a store that honours it"):
        objects_of(proxied, IMPATIENT).probe()
    assert objects_of(proxied, IMPATIENT).list("probe") == []


def test_a_bucket_that_is_not_there_is_told(bucket: Bucket) -> None:
    """The message names the bucket."""
    missing = Bucket(name="no-such-bucket", endpoint=bucket.endpoint, allow_http=True)
    with pytest.raises(StorageError, match="no bucket no-such-bucket"):
        objects_of(missing).probe()


def test_a_service_that_does_not_answer_is_told(proxy: Proxy, proxied: Bucket) -> None:
    """And one that does not let this user in."""
    proxy.inject(Fault.ANSWER_403, "PUT", "/probe/")
    with pytest.raises(StorageError, match=r"is not writable .*give this user the right"):
        objects_of(proxied).probe()
    nobody = Bucket(name="bucket", endpoint="http://127.0.0.1:9", allow_http=True)
    with pytest.raises(StorageError, match=r"s3://bucket: .*check endpoint, region and the AWS_\* keys"):
        objects_of(nobody, IMPATIENT).probe()


def test_without_the_client_the_extra_is_named(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    """Object storage is an extra, and the message says how to get it."""
    monkeypatch.delitem(sys.modules, "greenroom.storage.objects.s3")
    monkeypatch.setitem(sys.modules, "obstore", None)
    with pytest.raises(ConfigError, match=r"greenroom\[s3\]"):
        bucket_objects(bucket)
