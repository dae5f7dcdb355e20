"""What notebooks and scripts see of a store, from any process and while the runtime writes it: `runtime.storage`.

Reads the parts that the newest manifest lists and no journal, so it lags behind by the age of a flush (5 s), or by
nothing after `flush()`. DuckDB and Polars do not look at page checksums; `export` and `verify` do.
"""

import difflib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from greenroom.runtime.contracts.errors import ConfigError, InvalidInput
from greenroom.runtime.contracts.records import Table
from greenroom.runtime.contracts.storage import VerifyReport

# pyarrow, DuckDB and Polars are loaded when something is read: a handle of a runtime has one of these, and most of them
# are never asked.
if TYPE_CHECKING:
    import polars as pl

    from greenroom.storage.objects.objects import Objects
    from greenroom.storage.parquet.place import Place
    from greenroom.storage.reading.export import Exported, Progress
    from greenroom.storage.reading.stats import StoreStats


class StoreReader:
    """Read access to a store. Every call sees the store as it is then, takes no lock, and changes nothing.

    Args:
        url: Of the store: a folder, or its `file://` URL.
    """

    def __init__(self, url: str) -> None:
        self.url = url

    def __repr__(self) -> str:
        return f"<store {self.url}>"

    @property
    def tables(self) -> tuple[str, ...]:
        """The names of the tables."""
        return tuple(Table)

    def sql(self, query: str, *, limit: int | None = None) -> Any:
        """Return the query's result as a DuckDB relation: `.fetchall()`, `.df()`, `.pl()`, `.arrow()`.

        Every table of the store is a view with the newest row of each key; `seq` numbers records in the order they
        were written, and what was deleted is left out. Times are in UTC. `at` is a word of DuckDB's own: write
        `"at"`. The result is complete when this returns; use `export` for one that does not fit into memory.

        Args:
            limit: Most rows of the result.

        Raises:
            ConfigError: DuckDB is not installed, or the store is in a bucket.
            StorageError: There is no store there.
            StorageCorrupt: Its newest manifest is damaged, or a part is missing.
        """
        from greenroom.storage.reading.moment import at_newest  # noqa: PLC0415 - as above

        views = _views()
        return at_newest(self._local_objects(), lambda moment: views.run(views.open_views(moment), query, limit))

    def duckdb(self) -> Any:
        """Return a DuckDB connection with one view per table, as the store is now. Raises as `sql` does.

        For several questions to one moment. Unlike `sql` it reads a file when it is asked: parts that the runtime
        replaces stay for ten minutes (less after a purge); then ask for a fresh connection.
        """
        from greenroom.storage.reading.moment import at_newest  # noqa: PLC0415 - as above

        return at_newest(self._local_objects(), _views().open_views)

    def scan(self, table: str) -> "pl.LazyFrame":
        """Return a table as a lazy Polars frame, with the same rows and columns as its SQL view.

        The frame keeps showing the store as it was when this was called.

        Raises:
            ConfigError: Polars is not installed, or the store is in a bucket.
            InvalidInput: There is no such table.
            StorageError: There is no store there.
            StorageCorrupt: Its newest manifest is damaged, or a part is missing.
        """
        chosen = table_named(table)
        try:
            from greenroom.storage.reading import frames  # noqa: PLC0415 - as above
        except ImportError as error:
            raise _not_installed("scan", "Polars") from error
        from greenroom.storage.reading.moment import at_newest  # noqa: PLC0415 - as above

        return at_newest(self._local_objects(), lambda moment: frames.lazy_frame(moment, chosen))

    def export(
        self, table: str, path: str | Path, *, overwrite: bool = False, progress: "Progress | None" = None
    ) -> "Exported":
        """Write a table to a plain Parquet file, the newest row of each key sorted by key, without what was deleted.

        Streams, so memory does not grow with the table; checks every page on the way. The file is whole or not there.

        Args:
            overwrite: Replace a file that is there.
            progress: Called now and then with the number of rows done and of all.

        Raises:
            InvalidInput: There is no such table, or there is a file at the path.
            StorageCorrupt: A part is damaged or missing.
            StorageError: There is no store there, or the file cannot be written.
        """
        from greenroom.storage.objects.failure import storage_error  # noqa: PLC0415 - as above
        from greenroom.storage.reading import export  # noqa: PLC0415 - as above
        from greenroom.storage.reading.moment import at_newest  # noqa: PLC0415 - as above

        chosen, target = table_named(table), Path(path).expanduser().absolute()
        if target.is_dir() or (target.exists() and not overwrite):
            kind = "a folder" if target.is_dir() else "already a file"
            raise InvalidInput(
                f"{target} is {kind}; choose another name, or let it be overwritten", {"path": str(path)}
            )
        try:
            return at_newest(self._objects(), lambda moment: export.export(moment, chosen, target, progress))
        except OSError as error:
            raise storage_error(error, f"cannot export {chosen}", target) from error

    def verify(self, *, progress: "Progress | None" = None) -> VerifyReport:
        """Read every byte of the store and say what is damaged. Changes nothing; a runtime may be at work meanwhile.

        Args:
            progress: Called now and then with the number of bytes done and of all.

        Raises:
            StorageError: There is no store there.
        """
        from greenroom.storage.parquet.verify import verify  # noqa: PLC0415 - as above

        return verify(self._place(), progress)

    def stats(self) -> "StoreStats":
        """Return what the store consists of: rows, parts and bytes of each table, its journal and its blobs.

        Raises:
            StorageError: There is no store there, or it cannot be read.
            StorageCorrupt: Its newest manifest is damaged.
        """
        from greenroom.storage.objects.failure import storage_error  # noqa: PLC0415 - as above
        from greenroom.storage.reading.stats import store_stats  # noqa: PLC0415 - as above

        place = self._place()
        try:
            return store_stats(place)
        except OSError as error:
            raise storage_error(error, "cannot read the store", place.objects.url.removeprefix("file://")) from error

    def _place(self) -> "Place":
        from greenroom.storage.objects.bucket import Bucket  # noqa: PLC0415 - as above
        from greenroom.storage.objects.ops import OsFiles  # noqa: PLC0415 - as above
        from greenroom.storage.open import bucket_objects, is_bucket, path_of  # noqa: PLC0415 - as above
        from greenroom.storage.parquet.place import local_place, remote_place  # noqa: PLC0415 - as above

        if not is_bucket(self.url):
            return local_place(OsFiles(), path_of(self.url))
        where = Bucket.parse(self.url)  # not probed as for writing: a reader may have no right to write
        return remote_place(bucket_objects(where), OsFiles(), where.journal, where.lost_journal)

    def _objects(self) -> "Objects":
        return self._place().objects

    def _local_objects(self) -> "Objects":
        objects = self._objects()
        if not objects.url.startswith("file://"):
            raise ConfigError(
                f"SQL and frames read a store in a folder of this machine, and this one is {objects.url}; export the "
                "tables you need (greenroom storage export TABLE FILE) and read those files"
            )
        return objects


def sql(url: str | Path, query: str) -> Any:
    """Return the result of a query over the store at this URL, as `StoreReader.sql` does."""
    return StoreReader(str(url)).sql(query)


def table_named(name: str) -> Table:
    """Return the table of this name.

    Raises:
        InvalidInput: There is none; the nearest is named.
    """
    if name in list(Table):
        return Table(name)
    near = difflib.get_close_matches(name, list(Table), n=1)
    hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(Table)}"
    raise InvalidInput(f"there is no table {name!r}; {hint}", {"table": name})


def _views() -> Any:
    try:
        from greenroom.storage.reading import views  # noqa: PLC0415 - as above
    except ImportError as error:
        raise _not_installed("SQL", "DuckDB") from error
    return views


def _not_installed(what: str, library: str) -> ConfigError:
    return ConfigError(f"{what} needs {library}; install it with: pip install 'greenroom[notebook]'")
