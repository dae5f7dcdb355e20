"""A store in a bucket, read from outside: exported, counted and verified; SQL says what to do instead."""

from pathlib import Path

import polars as pl
import pytest

from greenroom.runtime.contracts.errors import ConfigError
from greenroom.storage.objects.bucket import Bucket
from greenroom.storage.reader import StoreReader
from tests.contract.records import head
from tests.s3.buckets import objects_of
from tests.s3.stores import open_store


@pytest.fixture
async def reader(bucket: Bucket) -> StoreReader:
    """Of a store with two sorted runs and a journal."""
    store = await open_store(bucket)
    for status in ("running", "success"):
        await store.append([head(f"r{number}", status=status) for number in range(20)])
        await store.flush()
    await store.close()
    return StoreReader(f"{bucket.url}?endpoint={bucket.endpoint}&allow_http=true")


async def test_a_table_is_exported_from_a_bucket(reader: StoreReader, tmp_path: Path) -> None:
    """The file is on this machine, with the newest row of each key."""
    written = reader.export("runs", tmp_path / "runs.parquet")
    frame = pl.read_parquet(written.path)
    assert (written.rows, set(frame["status"])) == (20, {"success"})
    assert reader.stats().tables["runs"].rows == 40


async def test_damage_in_a_bucket_is_found(reader: StoreReader, bucket: Bucket) -> None:
    """Every byte is read there too, and the damaged object is named."""
    assert reader.verify().damages == ()
    objects = objects_of(bucket)
    key = objects.list("data")[0]
    data = bytearray(objects.read(key))
    data[50] ^= 1
    objects.put(key, bytes(data))
    assert {damage.file for damage in reader.verify().damages} == {objects.address(key)}


async def test_sql_says_to_export_first(reader: StoreReader) -> None:
    """DuckDB and Polars are given files of this machine only."""
    for ask in (reader.sql, reader.scan):
        with pytest.raises(ConfigError, match="greenroom storage export"):
            ask("runs")
