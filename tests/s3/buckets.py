"""Places for stores in the S3 server that the tests start, one server for all of them."""

import atexit
import itertools
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

from greenroom.storage.objects.bucket import Bucket
from greenroom.storage.objects.ops import OsFiles
from greenroom.storage.objects.s3 import BucketLimits, S3Objects
from greenroom.storage.parquet.place import Place, remote_place
from tests.s3.moto_server import BUCKET

IMPATIENT = BucketLimits(silence_s=0.7, tries=3, first_wait_s=0.01)
"""For tests that wait for a time-out: longer than a small request takes on a busy machine."""

_numbers = itertools.count(1)


@cache
def server_port() -> int:
    """Return the port of the S3 server, started at the first call; it ends with this process."""
    # Whatever this machine has of its own must not reach a test.
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ |= {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "us-east-1"}
    server = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("moto_server.py"))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert server.stdin is not None
    assert server.stdout is not None
    atexit.register(server.communicate)
    return int(server.stdout.readline())


def new_bucket(port: int | None = None) -> Bucket:
    """Return a place that nothing is in.

    Args:
        port: Of a proxy in front of the server.
    """
    return Bucket(
        name=BUCKET,
        prefix=f"stores/{next(_numbers)}",
        endpoint=f"http://127.0.0.1:{port or server_port()}",
        allow_http=True,
    )


def objects_of(bucket: Bucket, limits: BucketLimits | None = None) -> S3Objects:
    """Return the files of a bucket."""
    return S3Objects(bucket, limits)


def place_of(bucket: Bucket, journal: Path | None = None, limits: BucketLimits | None = None) -> Place:
    """Return the place of a store there."""
    return remote_place(objects_of(bucket, limits), OsFiles(), journal)
