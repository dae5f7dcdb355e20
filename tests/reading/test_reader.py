"""Notebooks: SQL, frames and exports show what the runtime shows, while it writes."""

import asyncio
import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pyarrow.parquet as pq
import pytest
from msgspec.structs import replace
from polars.testing import assert_frame_equal

from greenroom.runtime.contracts.errors import ConfigError, InvalidInput, StorageCorrupt, StorageError
from greenroom.runtime.contracts.records import Record, Table
from greenroom.storage.field import key_names
from greenroom.storage.parquet.columns import to_rows
from greenroom.storage.parquet.store import ParquetStorage
from greenroom.storage.reader import StoreReader
from tests.contract.records import head, thread
from tests.reading.stores import OPTIONS, relist, write


@pytest.fixture
async def written(tmp_path: Path) -> tuple[Path, dict[Table, list[Record]]]:
    """A store, and what the runtime reads from it."""
    return tmp_path / "store", await write(tmp_path / "store")


def _records(table: Table, frame: pl.DataFrame) -> list[Record]:
    found = [row.record for row in to_rows(table, frame.to_arrow())]
    return sorted(found, key=lambda record: record.row_key)


@pytest.mark.parametrize("table", list(Table))
async def test_every_way_of_reading_shows_what_the_runtime_shows(
    written: tuple[Path, dict[Table, list[Record]]], tmp_path: Path, table: Table
) -> None:
    """The newest row of each key, without what was deleted, in SQL, in a frame and in an exported file alike."""
    root, expected = written
    reader = StoreReader(str(root))
    keys = ", ".join(f'"{name}"' for name in key_names(table))
    in_sql = reader.sql(f"from {table} order by {keys}").pl()
    in_frame = reader.scan(table).sort(key_names(table)).collect()
    exported = reader.export(table, tmp_path / "out.parquet")
    in_file = pl.read_parquet(tmp_path / "out.parquet")
    assert _records(table, in_sql) == sorted(expected[table], key=lambda record: record.row_key)
    assert_frame_equal(in_sql, in_frame)
    assert_frame_equal(in_sql, in_file)
    assert exported.rows == in_file.height
    assert exported.bytes == (tmp_path / "out.parquet").stat().st_size


async def test_a_merged_store_reads_the_same(written: tuple[Path, dict[Table, list[Record]]]) -> None:
    """One sorted run is read as it stands; several are the same rows."""
    root, expected = written
    storage = await ParquetStorage.open(root, OPTIONS)
    await storage.compact()
    await storage.close()
    reader = StoreReader(str(root))
    for table in (Table.RUNS, Table.MESSAGES, Table.JOURNAL):
        assert _records(table, reader.scan(table).collect()) == sorted(
            expected[table], key=lambda record: record.row_key
        )
        assert reader.sql(f"from {table} select count(*)").fetchall() == [(len(expected[table]),)]


async def test_times_have_their_zone(written: tuple[Path, dict[Table, list[Record]]]) -> None:
    """A time comes back as an aware datetime in UTC."""
    query = "select created_at, created_at::varchar from runs where run_id = 'r0100'"
    found = StoreReader(str(written[0])).sql(query).fetchall()
    assert found == [(datetime.fromtimestamp(100, UTC), "1970-01-01 00:01:40+00")]


async def test_a_result_outlives_the_files_it_was_read_from(written: tuple[Path, dict[Table, list[Record]]]) -> None:
    """A relation and a frame keep showing the moment they were made at, whatever the writer removes afterwards."""
    root, expected = written
    reader = StoreReader(str(root))
    relation, frame = reader.sql("select run_id from runs"), reader.scan("runs")
    shutil.rmtree(root / "data")
    assert len(relation.fetchall()) == len(expected[Table.RUNS])
    assert frame.collect().height == len(expected[Table.RUNS])


async def test_a_limit_and_several_statements(written: tuple[Path, dict[Table, list[Record]]]) -> None:
    """The last statement is the result; `limit` cuts it; statements that are no queries work too."""
    reader = StoreReader(str(written[0]))
    query = "create table kept as select * from runs; -- first\nselect run_id from kept order by run_id desc; -- last"
    assert reader.sql(query, limit=2).fetchall() == [("r0299",), ("r0298",)]
    assert {row[0] for row in reader.sql("show tables").fetchall()} == set(Table)
    assert reader.sql("explain select 1").fetchall()
    with pytest.raises(InvalidInput, match="there is no query"):
        reader.sql(" ")


async def test_reading_never_goes_back_while_the_runtime_writes(tmp_path: Path) -> None:
    """Parts are merged and removed under the readers; every answer is whole, and no later one has fewer rows."""
    root = tmp_path / "store"
    options = OPTIONS.__class__(flush_age_s=3600.0, max_runs=2, reader_grace_s=0.0)
    storage = await ParquetStorage.open(root, options)
    await storage.append([head("r0000")])
    await storage.flush()
    reader = StoreReader(str(root))
    counts: list[tuple[int, int, int]] = []

    def read() -> tuple[int, int, int]:
        in_sql = reader.sql("select count(*) from runs").fetchall()[0][0]
        in_frame = reader.scan("runs").select(pl.len()).collect().item()
        return in_sql, in_frame, reader.export("runs", tmp_path / "out.parquet", overwrite=True).rows

    for begin in range(1, 25, 2):
        reading = asyncio.create_task(asyncio.to_thread(read))
        for number in (begin, begin + 1):  # two flushes and merges: a reader begins anew ten times
            await storage.append([head(f"r{number:04d}"), head("r0000", status=str(number))])
            await storage.flush()
        counts.append(await reading)
    counts.append(await asyncio.to_thread(read))
    await storage.close()
    flat = [count for answer in counts for count in answer]
    assert flat == sorted(flat)
    assert flat[-3:] == [25, 25, 25]


async def test_a_part_that_is_gone_for_good_is_an_error_that_names_it(
    written: tuple[Path, dict[Table, list[Record]]], tmp_path: Path
) -> None:
    """When no newer manifest comes, the file is missing, and nothing is shown without it."""
    root, _ = written
    part = min((root / "data" / "runs").rglob("*.parquet"))
    part.unlink()
    reader = StoreReader(str(root))
    ways: list[Any] = [
        lambda: reader.sql("select count(*) from runs"),
        lambda: reader.scan("runs"),
        lambda: reader.export("runs", tmp_path / "out.parquet"),
    ]
    for way in ways:
        with pytest.raises(StorageCorrupt, match="missing") as caught:
            way()
        assert caught.value.facts["file"] == str(part)
    assert not (tmp_path / "out.parquet").exists()


async def test_a_damaged_page_is_never_exported(
    written: tuple[Path, dict[Table, list[Record]]], tmp_path: Path
) -> None:
    """Export checks every page; there is no file when one is not what was written."""
    root, _ = written
    part = max((root / "data" / "runs").rglob("*.parquet"), key=lambda path: path.stat().st_size)
    data = bytearray(part.read_bytes())
    data[len(data) // 8] ^= 4
    part.write_bytes(data)
    with pytest.raises(StorageCorrupt) as caught:
        StoreReader(str(root)).export("runs", tmp_path / "out.parquet")
    assert caught.value.facts["file"] == str(part)
    assert not (tmp_path / "out.parquet").exists()


async def test_a_file_is_not_overwritten_unasked(
    written: tuple[Path, dict[Table, list[Record]]], tmp_path: Path
) -> None:
    """An export over a file is refused, unless it is asked for; over a folder always."""
    reader, target = StoreReader(str(written[0])), tmp_path / "mine.parquet"
    target.write_text("mine")
    with pytest.raises(InvalidInput, match="already a file"):
        reader.export("runs", target)
    assert target.read_text() == "mine"
    reader.export("runs", target, overwrite=True)
    assert pl.read_parquet(target).height > 0
    with pytest.raises(InvalidInput, match="a folder"):
        reader.export("runs", tmp_path, overwrite=True)


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    """No store, no table: the message says what there is."""
    with pytest.raises(StorageError, match=f"there is no store at {tmp_path}"):
        StoreReader(str(tmp_path)).sql("select 1")
    with pytest.raises(InvalidInput, match="did you mean runs"):
        StoreReader(str(tmp_path)).scan("run")
    with pytest.raises(InvalidInput, match="there are: runs, journal"):
        StoreReader(str(tmp_path)).export("xyzzy", tmp_path / "out.parquet")
    assert list(tmp_path.iterdir()) == []


async def test_columns_that_an_older_part_lacks_have_their_defaults(tmp_path: Path) -> None:
    """A store that was written before a field was added reads like a new one, every way."""
    root = tmp_path / "store"
    storage = await ParquetStorage.open(root, OPTIONS)
    await storage.append([replace(head("r1"), is_open=False, error="none yet"), thread("t1")])
    await storage.close()
    lacking = {Table.RUNS: ["is_open", "input_tokens", "trace_id", "error"], Table.THREADS: ["metadata", "deleted"]}
    for table, names in lacking.items():
        part = next((root / "data" / table).rglob("*.parquet"))
        pq.write_table(pq.read_table(part).drop_columns(names), part, write_page_checksum=True)
        relist(root, table, part.read_bytes())
    reader = StoreReader(str(root))
    assert reader.sql("select is_open, input_tokens, trace_id, error from runs").fetchall() == [(True, 0, "", None)]
    assert reader.sql("select metadata, deleted from threads").fetchall() == [("{}", False)]
    for table in lacking:
        in_sql, in_frame = reader.sql(f"from {table}").pl(), reader.scan(table).collect()
        reader.export(table, tmp_path / "out.parquet", overwrite=True)
        assert_frame_equal(in_sql, in_frame)
        assert_frame_equal(in_sql, pl.read_parquet(tmp_path / "out.parquet"))


@pytest.mark.parametrize(("library", "module"), [("DuckDB", "duckdb"), ("Polars", "polars")])
def test_a_missing_library_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, library: str, module: str) -> None:
    """The notebook libraries are an extra; without them the message says how to install it."""
    for name in ("views", "frames"):
        monkeypatch.delitem(sys.modules, f"greenroom.storage.reading.{name}", raising=False)
        monkeypatch.delattr("greenroom.storage.reading." + name, raising=False)
    monkeypatch.setitem(sys.modules, module, None)
    reader = StoreReader(str(tmp_path))
    with pytest.raises(ConfigError, match=rf"needs {library}; .*greenroom\[notebook\]"):
        reader.scan("runs") if module == "polars" else reader.sql("select 1")


async def test_an_unknown_table_is_no_variable_of_ours(written: tuple[Path, dict[Table, list[Record]]]) -> None:
    """DuckDB would take any name in a calling function for a table; here it names the nearest table."""
    with pytest.raises(duckdb.CatalogException, match="runs"):
        StoreReader(str(written[0])).sql("select * from run")
