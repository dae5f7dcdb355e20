"""Polars frames over the parts that a manifest lists: the same rows as the SQL views, and as little checked."""

from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any, Final

import polars as pl
import pyarrow as pa

from greenroom.runtime.contracts.records import Table
from greenroom.storage.deletions import KEPT, THREAD_TABLES, owner_field
from greenroom.storage.field import key_names
from greenroom.storage.parquet.columns import SEQ, schema_of
from greenroom.storage.parquet.manifest import PartInfo
from greenroom.storage.reading.defaults import defaults_of
from greenroom.storage.reading.moment import Moment

_GONE: Final = "__deleted_at"


def lazy_frame(moment: Moment, table: Table) -> pl.LazyFrame:
    """Return the newest row of each key, without what was deleted.

    The frame holds its files open: they may be replaced and removed before it is collected.
    """
    newest = _newest(moment, table)
    return newest if table in KEPT else _without_deleted(newest, moment, table)


def _newest(moment: Moment, table: Table) -> pl.LazyFrame:
    runs = moment.runs(table)
    if not runs:
        return pl.LazyFrame(schema=_schema(table))
    oldest, *newer = runs
    base = _scan(moment, table, oldest)
    if not newer:
        return base
    keys = list(key_names(table))
    recent = _scan(moment, table, [info for run in newer for info in run])
    # A record's number is its own in the whole store.
    latest = recent.select(*keys, SEQ).group_by(keys).agg(pl.col(SEQ).max()).select(SEQ)
    return pl.concat([base.join(recent.select(keys), on=keys, how="anti"), recent.join(latest, on=SEQ, how="semi")])


def _scan(moment: Moment, table: Table, parts: list[PartInfo]) -> pl.LazyFrame:
    with ExitStack() as stack:
        files: list[IO[bytes]] = [
            stack.enter_context(Path(moment.objects.address(info.path)).open("rb")) for info in parts
        ]
        frame = pl.scan_parquet(
            files, schema=_schema(table), missing_columns="insert", extra_columns="ignore", glob=False
        )
    return frame.with_columns(pl.col(name).fill_null(value) for name, value in defaults_of(table).items())


def _schema(table: Table) -> pl.Schema:
    empty: Any = pl.from_arrow(schema_of(table).empty_table())
    return pl.Schema(empty.schema)


def _without_deleted(rows: pl.LazyFrame, moment: Moment, table: Table) -> pl.LazyFrame:
    deletions, owner = moment.deletions, owner_field(table)
    if deletions.workspaces:
        gone = _deleted([((name,), seq) for name, seq in deletions.workspaces.items()], ["workspace"])
        rows = _hide(rows, gone, ["workspace"])
    of = deletions.threads if table in THREAD_TABLES else deletions.runs
    if owner is not None and of:
        rows = _hide(rows, _deleted(list(of.items()), ["workspace", owner]), ["workspace", owner])
    return rows


def _deleted(rows: list[Any], names: list[str]) -> pl.LazyFrame:
    columns: list[Any] = [[key[index] for key, _ in rows] for index in range(len(names))]
    schema = pa.schema([*((name, pa.large_string()) for name in names), (_GONE, pa.int64())])
    frame: Any = pl.from_arrow(pa.table([*columns, [seq for _, seq in rows]], schema=schema))
    return pl.LazyFrame(frame)


def _hide(rows: pl.LazyFrame, gone: pl.LazyFrame, on: list[str]) -> pl.LazyFrame:
    is_shown = pl.col(_GONE).is_null() | (pl.col(_GONE) <= pl.col(SEQ))
    return rows.join(gone, on=on, how="left").filter(is_shown).drop(_GONE)
