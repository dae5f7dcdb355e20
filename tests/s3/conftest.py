"""The proxy in front of the S3 server."""

from collections.abc import Iterator

import pytest

from greenroom.storage.objects.bucket import Bucket
from tests.s3.buckets import new_bucket, server_port
from tests.s3.proxy import Proxy


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    started = Proxy(server_port())
    yield started
    started.close()


@pytest.fixture
def bucket() -> Bucket:
    """Where nothing is yet, without a proxy."""
    return new_bucket()


@pytest.fixture
def proxied(proxy: Proxy) -> Bucket:
    """Where nothing is yet, behind the proxy."""
    return new_bucket(proxy.port)
