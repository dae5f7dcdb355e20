"""Filters written by Arrow, read by us: never a wrong "not here"."""

import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from greenroom.storage.parquet.bloom import BloomFilter


@pytest.mark.parametrize("count", [1, 40, 5000])
def test_a_filter_holds_every_value_and_few_others(count: int) -> None:
    """No value that is there is denied, of any length and script; of others about one in a hundred is not."""
    texts = [f"k{number}é{'x' * (number % 50)}" for number in range(count)]
    sink = io.BytesIO()
    rows = pa.table({"key": pa.array(texts, pa.large_string())})
    options = {"key": {"ndv": count, "fpp": 0.01}}
    with pq.ParquetWriter(sink, rows.schema, bloom_filter_options=options) as writer:
        writer.write_table(rows)
    column = pq.read_metadata(io.BytesIO(sink.getvalue())).row_group(0).column(0)
    start = column.bloom_filter_offset
    found = BloomFilter(sink.getvalue()[start : start + column.bloom_filter_length])
    assert all(found.may_hold(text) for text in texts)
    assert sum(found.may_hold(f"other{number}") for number in range(10_000)) < 300
