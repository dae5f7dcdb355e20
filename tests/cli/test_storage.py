"""`greenroom storage` as an operator uses it: on a store at rest, beside a runtime, on what is damaged or not there."""

import contextlib
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from greenroom.app import RunningRuntime, write_run_file
from greenroom.settings import load_config
from greenroom.storage.parquet.lock import StoreLock
from greenroom.storage.parquet.options import StoreOptions
from greenroom.storage.parquet.store import ParquetStorage
from greenroom.sync import BlockingRuntime, EventLoopThread
from tests.cli.conftest import RunningStage, Shell
from tests.host.harness import Harness
from tests.reading.stores import write
from tests.serve.cast import make_app


@pytest.fixture
def store(project: Path) -> Path:
    """The project's own store, with several sorted runs and deletions that were not carried out yet."""
    root = project / ".greenroom"
    loop = EventLoopThread()
    loop.run(write(root))
    loop.close()
    return root


@pytest.fixture
def at_work(project: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[BlockingRuntime]:
    """A runtime that is up for the project and writes its store; commands reach it where they would join Ray."""
    loop, root = EventLoopThread(), project / ".greenroom"

    async def open_runtime() -> Harness:
        store = await ParquetStorage.open(root, StoreOptions(flush_age_s=3600.0, reserve_bytes=0))
        return await Harness(make_app(), storage=store).__aenter__()

    harness = loop.run(open_runtime())
    handle = BlockingRuntime(harness.client, loop)
    here = RunningRuntime(address="127.0.0.1:1", http="", pid=os.getpid(), storage=f"file://{root}")
    write_run_file(load_config(), here)
    monkeypatch.setattr("greenroom.sync.connect", lambda **_options: contextlib.nullcontext(handle))
    yield handle
    loop.run(harness.__aexit__(None, None, None))
    loop.run(harness.storage.close())
    loop.close()


def _part(root: Path) -> Path:
    return max((root / "data").rglob("*.parquet"), key=lambda path: path.stat().st_size)


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 4] ^= 8
    path.write_bytes(data)


def test_sql_shows_the_rows_of_a_store_at_rest(store: Path, shell: Shell) -> None:
    """For a person as a table with a word about what is cut off, for machines as JSON."""
    query = "select status, count(*) as runs from runs group by all order by all"
    told = json.loads(shell("storage", "sql", query, "--json").stdout)
    assert told[0] == {"status": "failed", "runs": 100}
    result = shell("storage", "sql", "select run_id, created_at from runs order by 1", "--limit", "2")
    assert result.stdout.count("\n") == 3
    assert "there are more rows than 2" in result.stderr
    (row,) = json.loads(shell("storage", "sql", 'select body, "at" from journal limit 1', "--json").stdout)
    assert re.fullmatch("[0-9a-f]+", row["body"])
    assert row["at"].endswith("+00:00")


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("select * from run", "Did you mean"),
        ("selekt 1", "syntax error"),
        ("select nothing from runs", "nothing"),
    ],
)
def test_a_wrong_query_is_told_in_one_line(store: Path, shell: Shell, query: str, expected: str) -> None:
    """What DuckDB says about it, without a trace."""
    result = shell("storage", "sql", query)
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert expected in result.stderr


def test_a_table_is_exported_to_a_plain_file(store: Path, project: Path, shell: Shell) -> None:
    """It is refused over a file that is there, unless forced; the number of rows is told."""
    told = json.loads(shell("storage", "export", "runs", "runs.parquet", "--json").stdout)
    assert told["rows"] == pl.read_parquet(project / "runs.parquet").height
    refused = shell("storage", "export", "runs", "runs.parquet")
    assert refused.exit_code == 2
    assert "give --force" in refused.stderr
    assert shell("storage", "export", "ledger", "runs.parquet", "--force").exit_code == 0
    assert "amount_micros" in pl.read_parquet(project / "runs.parquet").columns


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("rnus", "out.parquet"), "there is no table 'rnus'; did you mean runs?"),
        (("runs", "out.csv"), "name it out.parquet"),
        (("runs", "no/out.parquet"), "there is no folder no"),
    ],
)
def test_an_export_that_cannot_be_is_refused(
    store: Path, project: Path, shell: Shell, arguments: tuple[str, ...], expected: str
) -> None:
    """An unknown table, another kind of file, no such folder: exit code 2, and nothing is written."""
    result = shell("storage", "export", *arguments)
    assert result.exit_code == 2
    assert expected in result.stderr
    assert {path.name for path in project.iterdir()} == {".greenroom", "greenroom.toml"}


def test_verify_finds_a_store_whole_or_names_the_damage(store: Path, shell: Shell) -> None:
    """Exit code 0 and the figures; or 1 and each damaged file with its place."""
    told = json.loads(shell("storage", "verify", "--json").stdout)
    assert (told["is_whole"], told["damages"]) == (True, [])
    assert told["rows"] > 300
    assert "whole" in shell("storage", "verify").stdout
    _flip(_part(store))
    result = shell("storage", "verify", "--json")
    (damage,) = json.loads(result.stdout)["damages"]
    assert result.exit_code == 1
    assert damage["file"] == str(_part(store))
    shown = shell("storage", "verify")
    assert shown.exit_code == 1
    assert f"{_part(store).relative_to(store)} at byte" in shown.stdout
    assert "is damaged; restore the files" in shown.stderr


def test_compact_leaves_one_sorted_run_of_each_table(store: Path, shell: Shell) -> None:
    """Superseded rows are gone, and every row that counted is still there."""
    query = "select count(*) as n from runs"
    before = shell("storage", "sql", query, "--json").stdout
    told = json.loads(shell("storage", "compact", "--json").stdout)
    assert told["parts_after"] < told["parts_before"]
    assert told["rows_after"] < told["rows_before"]
    tables = json.loads(shell("storage", "stats", "--json").stdout)["tables"]
    assert {stats["runs"] for stats in tables.values()} == {1}
    assert shell("storage", "sql", query, "--json").stdout == before
    assert "→" in shell("storage", "compact").stdout


def test_compact_keeps_rows_as_long_as_the_project_says(store: Path, project: Path, shell: Shell) -> None:
    """The retention of the configuration holds for a store at rest too; a store named by hand is left its own."""
    (project / "greenroom.toml").write_text("[retention]\nspans = 30\n")
    query = ("storage", "sql", "select count(*) as n from spans", "--json")
    assert shell("storage", "compact", "--storage", ".greenroom").exit_code == 0
    assert json.loads(shell(*query).stdout) == [{"n": 1}]
    assert shell("storage", "compact").exit_code == 0
    assert json.loads(shell(*query).stdout) == [{"n": 0}]


def test_purge_gives_a_receipt(store: Path, shell: Shell) -> None:
    """It names what was removed, and the rows that were deleted stand in no part any more."""
    told = json.loads(shell("storage", "purge", "--json").stdout)
    assert told["deletions"] == 3
    assert told["rows"] > 0
    assert told["files"]
    assert "deletions" not in json.loads(shell("storage", "stats", "--json").stdout)["tables"]
    assert shell("storage", "verify").exit_code == 0
    assert "purge" in shell("storage", "purge").stdout


def test_stats_tell_what_a_store_at_rest_consists_of(store: Path, shell: Shell) -> None:
    """Tables, parts, journal and blobs, from the manifest alone."""
    told = json.loads(shell("storage", "stats", "--json").stdout)
    assert told["tables"]["runs"]["parts"] == 5
    assert told["blobs"] == {"files": 1, "bytes": 13}
    assert told["total"]["parts"] == len(list((store / "data").rglob("*.parquet")))
    shown = shell("storage", "stats").stdout
    assert "sorted runs" in shown
    assert "1 blob, 13 bytes" in shown


@pytest.mark.parametrize("command", ["stats", "verify", "compact", "purge", "sql", "export"])
def test_where_no_store_is_none_is_made(project: Path, shell: Shell, command: str) -> None:
    """Each command says that there is no store at the place it was pointed at, and leaves it as it was."""
    more = {"sql": ("select 1",), "export": ("runs", "out.parquet")}.get(command, ())
    result = shell("storage", command, *more, "--storage", "elsewhere", "--json")
    assert result.exit_code == 1
    assert f"there is no store at {project / 'elsewhere'}" in result.stderr
    assert json.loads(result.stdout)["error"]["code"] == "storage_error"
    assert [path.name for path in project.iterdir()] == ["greenroom.toml"]


@pytest.mark.parametrize("command", ["verify", "compact", "purge", "sql", "export"])
def test_a_store_in_memory_cannot_be_read_from_outside(project: Path, shell: Shell, command: str) -> None:
    """It is in its runtime's process only."""
    more = {"sql": ("select 1",), "export": ("runs", "out.parquet")}.get(command, ())
    result = shell("storage", command, *more, "--storage", "memory://")
    assert result.exit_code == 2
    assert "in its runtime's process only" in result.stderr


@pytest.mark.parametrize("command", ["compact", "purge"])
def test_a_store_that_another_process_has_is_left_alone(store: Path, shell: Shell, command: str) -> None:
    """Without a runtime that could be asked, what changes files is refused, and what reads them is not."""
    lock = StoreLock.acquire(store)
    result = shell("storage", command)
    assert result.exit_code == 1
    assert "already open by process" in result.stderr
    assert shell("storage", "verify").exit_code == 0
    lock.release()


def test_a_store_that_is_written_is_read_and_kept_too(at_work: BlockingRuntime, shell: Shell) -> None:
    """What was acknowledged is flushed before it is read; the runtime itself merges, and its store is whole."""
    at_work.workflow("sum").run(1)
    query = ("storage", "sql", "select status from runs", "--json")
    assert json.loads(shell(*query).stdout) == [{"status": "success"}]
    at_work.workflow("sum").run(1)
    assert json.loads(shell("storage", "export", "runs", "runs.parquet", "--json").stdout)["rows"] == 2
    assert json.loads(shell("storage", "compact", "--json").stdout)["rows_after"] > 2
    assert json.loads(shell("storage", "purge", "--json").stdout)["deletions"] == 0
    assert shell("storage", "verify").exit_code == 0
    told = json.loads(shell("storage", "stats", "--json").stdout)
    assert told["is_writable"]
    assert told["tables"]["runs"]["rows"] == 2
    assert "at work" in shell("storage", "stats").stdout
    at_work.workflow("sum").run(1)
    assert json.loads(shell(*query, "--storage", ".greenroom").stdout) == [{"status": "success"}] * 3


@pytest.mark.parametrize("command", ["compact", "purge"])
def test_a_runtime_that_is_up_is_asked(running: RunningStage, shell: Shell, command: str) -> None:
    """The runtime has the store, so it does it; the answer is the same."""
    told: dict[str, Any] = json.loads(shell("storage", command, "--json").stdout)
    assert told["url"] == "memory://"
    assert {"compact": "rows_after", "purge": "deletions"}[command] in told
