"""Stores that were written by the first version of each format are read, kept and added to by today's code."""

import hashlib
import json
import shutil
from pathlib import Path

import pytest

from greenroom.runtime.contracts.records import Table
from greenroom.storage.parquet.store import ParquetStorage
from greenroom.storage.reader import sql
from tests.contract.records import head
from tests.contract.stores import rows
from tests.golden.stores import BLOB, OPTIONS, everything

STORES = sorted(path for path in Path(__file__).parent.glob("store-format-*") if path.is_dir())


def test_there_is_a_store_of_every_format() -> None:
    """Format 1 is the only one so far."""
    assert [path.name for path in STORES] == ["store-format-1"]


@pytest.mark.parametrize("golden", STORES, ids=lambda path: path.name)
async def test_a_store_of_an_older_format_reads_as_it_was_written(golden: Path, tmp_path: Path) -> None:
    """Every row of every table, the blob, deletions; from parts and from the journal."""
    root = tmp_path / "store"
    shutil.copytree(golden, root)
    expected = json.loads(golden.with_suffix(".json").read_text())
    storage = await ParquetStorage.open(root, OPTIONS)
    found = await everything(storage)
    assert {table: found[table] for table in expected} == expected
    assert await storage.get_blob(hashlib.sha256(BLOB).hexdigest()) == BLOB
    assert (await storage.verify()).damages == ()
    await storage.close()


@pytest.mark.parametrize("golden", STORES, ids=lambda path: path.name)
async def test_a_store_of_an_older_format_goes_on(golden: Path, tmp_path: Path) -> None:
    """It takes new rows, merges old parts with new ones, is purged, and shows the same rows as before."""
    root = tmp_path / "store"
    shutil.copytree(golden, root)
    expected = json.loads(golden.with_suffix(".json").read_text())
    storage = await ParquetStorage.open(root, OPTIONS)
    await storage.append([head("new")])
    await storage.compact()
    await storage.purge()
    found = await everything(storage)
    for table in expected.keys() - {"runs", "deletions"}:
        assert found[table] == expected[table]
    ids = {str(row.row_key[0]) for row in await rows(storage, Table.RUNS)}
    assert ids == {"new", *(row["run_id"] for row in expected["runs"])}
    await storage.close()
    assert sql(root, "SELECT count(*) FROM runs").fetchall() == [(len(expected["runs"]) + 1,)]
