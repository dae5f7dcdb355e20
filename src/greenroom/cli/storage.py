"""`greenroom storage`: SQL over the store, and its figures."""

from typing import Annotated, Any

import typer

from greenroom.cli.connection import AddressOption, connect
from greenroom.cli.terminal import JsonFlag, brief, console, write_json

program = typer.Typer(help="Read the store.", no_args_is_help=True)


@program.command("sql")
def sql(
    query: Annotated[str, typer.Argument(help="Such as: select status, count(*) from runs group by 1")],
    *,
    limit: Annotated[int, typer.Option("--limit", min=1, help="Most rows shown.")] = 100,
    storage: Annotated[str | None, typer.Option("--storage", help="URL of the store.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Query the store's Parquet parts with DuckDB, read-only; a runtime that is up is asked to flush first."""
    from greenroom.app import find_running, storage_url
    from greenroom.cli.failures import UsageError
    from greenroom.settings import load_config
    from greenroom.storage import reader

    config = load_config({"storage": storage})
    url, running = storage_url(config), find_running(config)
    if running is not None and storage is None:
        url = running.storage
        with connect() as runtime:
            runtime.flush()
    if not url.startswith("file://"):
        raise UsageError(f"SQL reads file stores; this project's is {url}")
    relation = _run(reader, url, query)
    if relation is None:
        return
    columns, rows = list(relation.columns), relation.limit(limit).fetchall()
    if as_json:
        write_json([dict(zip(columns, row, strict=True)) for row in rows])
        return
    from rich.table import Table

    table = Table(*columns, box=None)
    for row in rows:
        table.add_row(*(brief(value if isinstance(value, str) else str(value), 60) for value in row))
    console().print(table)


def _run(reader: Any, url: str, query: str) -> Any:
    from greenroom.cli.failures import CommandFailed
    from greenroom.runtime.contracts.errors import GreenroomError

    try:
        return reader.sql(url, query)
    except GreenroomError:
        raise
    except Exception as error:  # whatever DuckDB says about the query
        if not type(error).__module__.startswith(("duckdb", "_duckdb")):
            raise
        raise CommandFailed(str(error).split("\n\n", maxsplit=1)[0]) from None


@program.command("stats")
def stats(*, address: AddressOption = None, as_json: JsonFlag = False) -> None:
    """Show the figures of the store of the runtime that is up."""
    with connect(address) as runtime:
        store = runtime.status().get("storage") or {}
    if as_json:
        write_json(store)
        return
    from greenroom.cli.terminal import show_facts

    figures = store.pop("figures", None) or {}
    show_facts("store", {**store, **figures})
