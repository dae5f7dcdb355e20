"""`greenroom storage sql`, `export` and `stats`: looking into a store, whether or not a runtime is at work on it."""

import math
from pathlib import Path
from typing import Annotated, Any

import typer

from greenroom.cli.connection import AddressOption, connect
from greenroom.cli.failures import CommandFailed, UsageError
from greenroom.cli.progress import progress
from greenroom.cli.quantities import as_bytes, as_count, as_time
from greenroom.cli.storage_target import StorageOption, StoreTarget, choose_store, refuse_memory
from greenroom.cli.terminal import JsonFlag, brief, console, say, show_facts, write_json

_CELL = 60
_PIPE_WIDTH = 10_000  # what is piped on is cut nowhere but in a cell


def sql(
    query: Annotated[str, typer.Argument(help="Such as: select status, count(*) from runs group by 1")],
    *,
    limit: Annotated[int, typer.Option("--limit", min=1, help="Most rows shown.")] = 100,
    storage: StorageOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Query the store's Parquet parts with DuckDB, read-only; a runtime that is up is asked to flush first."""
    from greenroom.storage.reader import StoreReader

    target = choose_store(storage)
    refuse_memory(target)
    _flush(target)
    columns, rows = _answer(StoreReader(target.url), query, limit)
    shown = rows[:limit]
    if as_json:
        write_json([{name: _plain(value) for name, value in zip(columns, row, strict=True)} for row in shown])
        return
    _show_rows(columns, shown)
    if len(rows) > limit:
        say(f"there are more rows than {limit}; --limit shows more, and `storage export` writes a whole table")


def _show_rows(columns: list[str], rows: list[tuple[Any, ...]]) -> None:
    from rich.table import Table
    from rich.text import Text

    if columns[:1] == ["explain_key"]:  # a drawing of several lines
        for _, text in rows:
            console().print(text, markup=False, soft_wrap=True)
        return
    out, table = console(), Table(box=None)
    if not out.is_terminal:
        out.width = _PIPE_WIDTH
    for name in columns:
        table.add_column(Text(name), overflow="fold")
    for row in rows:
        table.add_row(*(Text("null", "dim") if value is None else Text(_cell(value)) for value in row))
    out.print(table)


def _cell(value: Any) -> str:
    return brief(value if isinstance(value, str) else str(_plain(value)), _CELL)


def _answer(reader: Any, query: str, limit: int) -> tuple[list[str], list[tuple[Any, ...]]]:
    from greenroom.runtime.contracts.errors import GreenroomError

    try:
        relation = reader.sql(query, limit=limit + 1)
        return ([], []) if relation is None else (list(relation.columns), relation.fetchall())
    except GreenroomError:
        raise
    except Exception as error:  # whatever DuckDB says about the query
        if not type(error).__module__.startswith(("duckdb", "_duckdb")):
            raise
        raise CommandFailed(str(error).split("\n\n", maxsplit=1)[0]) from None


def _plain(value: Any) -> Any:
    """Return a value as JSON has it: bytes as hex digits, no numbers that JSON does not know."""
    if isinstance(value, bytes):
        return value.hex()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def export(
    table: Annotated[str, typer.Argument(metavar="TABLE", help="Such as: runs, spans, messages, ledger.")],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Parquet file to write.")],
    *,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file if it is there.")] = False,
    storage: StorageOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Write a table to one plain Parquet file: the newest row of each key, without what was deleted."""
    from greenroom.storage.reader import StoreReader, table_named

    chosen, target = table_named(table), choose_store(storage)
    refuse_memory(target)
    if file.suffix.lower() in {".csv", ".json", ".xlsx"}:
        raise UsageError(f"export writes Parquet, and {file.name} says otherwise; name it {file.stem}.parquet")
    if file.exists() and not force:
        raise UsageError(f"{file} is there already; choose another name, or give --force to overwrite it")
    if not file.parent.is_dir():
        raise UsageError(f"there is no folder {file.parent} to write {file.name} to; make it first")
    _flush(target)
    with progress(f"exporting {chosen}", as_json=as_json) as told:
        written = StoreReader(target.url).export(chosen, file, overwrite=force, progress=told)
    if as_json:
        write_json({"table": str(chosen), "file": str(written.path), "rows": written.rows, "bytes": written.bytes})
    else:
        show_facts(
            f"exported {chosen}", {"file": file, "rows": as_count(written.rows), "size": as_bytes(written.bytes)}
        )


def stats(*, storage: StorageOption = None, address: AddressOption = None, as_json: JsonFlag = False) -> None:
    """Show what the store consists of, and how the runtime that is up on it finds it."""
    target = choose_store(storage)
    health: dict[str, Any] = {}
    if target.running is not None or address is not None:
        with connect(address) as runtime:
            health = runtime.status().get("storage") or {}
        target = target._replace(url=str(health.get("url", target.url)))
    files = {} if target.url == "memory://" else _files(target)
    if as_json:
        write_json({**files, **health})
        return
    if files:
        _show_tables(files)
    facts: dict[str, Any] = _facts_of_files(files)
    if health:
        facts["writer"] = "at work" if health.get("is_writable") else str(health.get("error") or "read-only")
        figures = {name.replace("_", " "): f"{value:,.10g}" for name, value in (health.get("figures") or {}).items()}
        facts |= {name: value for name, value in figures.items() if name not in facts}
    show_facts("store", {"store": target.place, **facts})


def _files(target: StoreTarget) -> dict[str, Any]:
    from greenroom.storage.reader import StoreReader

    return StoreReader(target.url).stats().to_json()


def _show_tables(files: dict[str, Any]) -> None:
    from rich.table import Table

    shown = Table("table", box=None)
    for name in ("rows", "parts", "sorted runs", "size"):
        shown.add_column(name, justify="right")
    for name, stats in (*files["tables"].items(), ("all", files["total"])):
        figures = (stats["rows"], stats["parts"], stats["runs"])
        shown.add_row(name, *map(as_count, figures), as_bytes(stats["bytes"]), end_section=name != "all")
    console().print(shown)


def _facts_of_files(files: dict[str, Any]) -> dict[str, str]:
    if not files:
        return {}
    kinds = {"journal": "segment", "blobs": "blob", "replaced": "part"}
    facts = {"manifest": f"{files['manifest']}, written {as_time(files['written_at'])} in epoch {files['epoch']}"}
    for kind, noun in kinds.items():
        facts[kind] = f"{as_count(files[kind]['files'], noun)}, {as_bytes(files[kind]['bytes'])}"
    facts["replaced"] += ", kept a while for readers"
    return facts


def _flush(target: StoreTarget) -> None:
    """Have everything that was acknowledged in parts, where a runtime can be asked."""
    if target.running is not None:
        with connect() as runtime:
            runtime.flush()
