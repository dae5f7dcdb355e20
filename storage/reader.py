"""SQL over a file store, from any process, while the runtime writes it.

Reads the parts that the newest manifest lists and no journal, so it lags behind by the age of a flush (5 s), or by
nothing after `flush()`. DuckDB does not look at page checksums: its reads are not checked as the runtime's own are.
"""

from pathlib import Path
from typing import Any, Final

from greenroom.runtime.contracts.errors import ConfigError, StorageError
from greenroom.runtime.contracts.records import RECORD_TYPES, Table
from greenroom.storage.field import FieldKind, fields_of, key_names
from greenroom.storage.objects.failure import storage_error
from greenroom.storage.objects.local import LocalObjects
from greenroom.storage.objects.ops import OsFiles
from greenroom.storage.open import path_of
from greenroom.storage.parquet import manifest as manifests
from greenroom.storage.parquet.manifest import Manifest

_TRIES: Final = 5
_SQL_TYPES: Final = {
    FieldKind.TEXT: "VARCHAR",
    FieldKind.INTEGER: "BIGINT",
    FieldKind.NUMBER: "DOUBLE",
    FieldKind.TIME: "TIMESTAMP WITH TIME ZONE",
    FieldKind.FLAG: "BOOLEAN",
    FieldKind.BYTES: "BLOB",
    FieldKind.JSON: "VARCHAR",
}


def sql(root: str | Path, query: str) -> Any:
    """Return the query's result as a DuckDB relation: `.fetchall()`, `.df()`, `.pl()`, `.arrow()`.

    Every table of the store is a view with the newest row of each key; `seq` numbers records in the order they were
    written. Times are in UTC. `at` is a word of DuckDB's own: write `"at"`.

    Args:
        root: Folder of the store, or its `file://` URL.

    Raises:
        ConfigError: DuckDB is not installed.
        StorageError: There is no store there.
        StorageCorrupt: Its newest manifest is damaged.
    """
    return connect(root).sql(query)


def connect(root: str | Path) -> Any:
    """Return a DuckDB connection with one view per table, as the store is now. Raises as `sql` does."""
    try:
        import duckdb  # noqa: PLC0415 - an extra: only notebooks need it
    except ImportError as error:
        raise ConfigError("SQL needs DuckDB; install it with: pip install 'greenroom[notebook]'") from error
    folder = path_of(str(root))
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    manifest = _newest(folder)
    for table in Table:
        connection.execute(f"CREATE VIEW {table} AS {_rows_of(folder, manifest, table)}")
    return connection


def _newest(folder: Path) -> Manifest:
    for attempt in range(_TRIES):
        try:
            found = manifests.read_newest(LocalObjects(OsFiles(), folder))
        except FileNotFoundError:  # swept between the listing and the reading: there is a newer one
            if attempt == _TRIES - 1:
                raise
            continue
        except OSError as error:
            raise storage_error(error, "cannot read the store", folder) from error
        if found is not None:
            return found
        break
    raise StorageError(f"there is no store at {folder}; give the folder that the runtime's storage names")


def _rows_of(folder: Path, manifest: Manifest, table: Table) -> str:
    columns = {"seq": "BIGINT"} | {field.name: _SQL_TYPES[field.kind] for field in fields_of(RECORD_TYPES[table])}
    parts = manifest.parts(table)
    if not parts:
        empty = ", ".join(f"CAST(NULL AS {kind}) AS {_quoted(name)}" for name, kind in columns.items())
        return f"SELECT {empty} WHERE false"
    files = ", ".join(_text(str(folder / info.path)) for info in parts)
    keys = ", ".join(_quoted(name) for name in key_names(table))
    return (
        f"SELECT * FROM read_parquet([{files}], union_by_name = true) "  # noqa: S608 - paths from a checked manifest
        f"QUALIFY row_number() OVER (PARTITION BY {keys} ORDER BY seq DESC) = 1"
    )


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
