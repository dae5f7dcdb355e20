"""DuckDB views over the parts that a manifest lists: one per table, as the runtime itself would read it.

DuckDB reads the files by itself and does not look at page checksums.
"""

import tempfile
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import duckdb
import pyarrow as pa

from greenroom.runtime.contracts.errors import InvalidInput
from greenroom.runtime.contracts.records import RECORD_TYPES, Table
from greenroom.storage.deletions import KEPT, THREAD_TABLES, owner_field
from greenroom.storage.field import FieldKind, fields_of, key_names
from greenroom.storage.parquet.columns import SEQ
from greenroom.storage.parquet.manifest import PartInfo
from greenroom.storage.reading.defaults import defaults_of
from greenroom.storage.reading.moment import Moment

Connection = Any
Relation = Any

_SQL_TYPES: Final = {
    FieldKind.TEXT: "VARCHAR",
    FieldKind.INTEGER: "BIGINT",
    FieldKind.NUMBER: "DOUBLE",
    FieldKind.TIME: "TIMESTAMP WITH TIME ZONE",
    FieldKind.FLAG: "BOOLEAN",
    FieldKind.BYTES: "BLOB",
    FieldKind.JSON: "VARCHAR",
}
_OWN: Final = "greenroom"  # schema of what is not a view: `show tables` leaves it out
_RESULT: Final = f"{_OWN}.result"


def open_views(moment: Moment) -> Connection:
    """Return a DuckDB connection of its own, in memory, with one view per table; times are in UTC."""
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    spill = Path(tempfile.gettempdir()) / "greenroom-sql"
    connection.execute(f"SET temp_directory = {_text(str(spill))}")
    _add_deletions(connection, moment)
    for table in Table:
        connection.execute(f"CREATE VIEW {table} AS {view_of(moment, table)}")
    return connection


def run(connection: Connection, query: str, limit: int | None) -> Relation:
    """Return the result of the last statement, all of it in DuckDB's memory: files may vanish from here on.

    Args:
        limit: Most rows; None for all.
    """
    statements = connection.extract_statements(query)
    if not statements:
        message = "there is no query; give one, such as: select status, count(*) from runs group by 1"
        raise InvalidInput(message, {"query": query})
    connection.execute("SET python_enable_replacements = false")  # an unknown table is no variable of this module
    for statement in statements[:-1]:
        connection.execute(statement)
    relation = connection.sql(_without_end(statements[-1].query))
    if statements[-1].type != duckdb.StatementType.SELECT:
        return relation
    chosen = relation if limit is None else relation.limit(limit)
    chosen.create(_RESULT)
    return connection.table(_RESULT)


def _without_end(statement: str) -> str:
    """Return the statement without the semicolons and comments behind it: DuckDB puts it into another one."""
    text = statement.encode()  # tokens are counted in bytes
    end = len(text)
    for offset, kind in reversed(duckdb.tokenize(statement)):
        if kind != duckdb.token_type.comment and text[offset : offset + 1] != b";":
            break
        end = offset
    return text[:end].decode()


def view_of(moment: Moment, table: Table) -> str:
    """Return the query behind a table's view: the newest row of each key, without what was deleted."""
    names = (SEQ, *(field.name for field in fields_of(RECORD_TYPES[table])))
    defaults = defaults_of(table)
    columns = ", ".join(_column(name, defaults.get(name)) for name in names)
    sources = [*_sources(moment, table), _nothing(table)]
    rows = " UNION ALL BY NAME ".join(f"({source})" for source in sources)
    conditions = " AND ".join(_hidden(moment, table))
    where = f" WHERE {conditions}" if conditions else ""
    return f"SELECT {columns} FROM ({rows}) AS part{where}"  # noqa: S608 - names of our own, quoted


def _column(name: str, default: Any) -> str:
    column = _quoted(name)
    return column if default is None else f"coalesce({column}, {_literal(default)}) AS {column}"


def _literal(value: str | float | datetime) -> str:
    match value:
        case datetime():
            return _text(value.isoformat())
        case str():
            return _text(value)
        case _:
            return str(value)


def _sources(moment: Moment, table: Table) -> list[str]:
    """Return queries that give the newest row of each key together.

    The oldest sorted run is most of a table, and no key stands in it twice: it is read as it is, but for the keys that
    a newer run has too. A window over everything takes several times as long.
    """
    oldest, *newer = moment.runs(table) or [[]]
    if not oldest:
        return []
    files = _files(moment, oldest)
    if not newer:
        return [f"FROM {files}"]
    recent = _files(moment, [info for run in newer for info in run])
    keys = ", ".join(_quoted(name) for name in key_names(table))
    latest = f"row_number() OVER (PARTITION BY {keys} ORDER BY {SEQ} DESC) = 1" if len(newer) > 1 else "true"
    return [
        f"FROM {files} AS base ANTI JOIN {recent} AS recent USING ({keys})",
        f"FROM {recent} QUALIFY {latest}" if len(newer) > 1 else f"FROM {recent}",
    ]


def _files(moment: Moment, parts: Sequence[PartInfo]) -> str:
    paths = ", ".join(_text(moment.objects.address(info.path)) for info in parts)
    return f"read_parquet([{paths}], union_by_name = true)"


def _nothing(table: Table) -> str:
    """Return a query without rows that names every column: parts of earlier versions lack some."""
    columns = {SEQ: "BIGINT"} | {field.name: _SQL_TYPES[field.kind] for field in fields_of(RECORD_TYPES[table])}
    empty = ", ".join(f"CAST(NULL AS {kind}) AS {_quoted(name)}" for name, kind in columns.items())
    return f"SELECT {empty} WHERE false"


def _hidden(moment: Moment, table: Table) -> list[str]:
    deletions, owner = moment.deletions, owner_field(table)
    if table in KEPT:
        return []
    found: list[str] = []
    if deletions.workspaces:
        found.append(_is_not_in("workspaces", "gone.id = part.workspace"))
    kind = "threads" if table in THREAD_TABLES else "runs"
    if owner is not None and getattr(deletions, kind):
        found.append(_is_not_in(kind, f"gone.workspace = part.workspace AND gone.id = part.{_quoted(owner)}"))
    return found


def _is_not_in(kind: str, same: str) -> str:
    return f"NOT EXISTS (FROM {_OWN}.{kind} AS gone WHERE {same} AND gone.{SEQ} > part.{SEQ})"


def _add_deletions(connection: Connection, moment: Moment) -> None:
    deletions = moment.deletions
    rows = {
        "workspaces": [(name, name, seq) for name, seq in deletions.workspaces.items()],
        "runs": [(*name, seq) for name, seq in deletions.runs.items()],
        "threads": [(*name, seq) for name, seq in deletions.threads.items()],
    }
    connection.execute(f"CREATE SCHEMA {_OWN}")
    schema = pa.schema([("workspace", pa.string()), ("id", pa.string()), (SEQ, pa.int64())])
    for kind, gone in rows.items():
        columns = [[row[index] for row in gone] for index in range(len(schema))]
        connection.register("incoming", pa.table(columns, schema=schema))
        connection.execute(f"CREATE TABLE {_OWN}.{kind} AS FROM incoming")
        connection.unregister("incoming")


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
