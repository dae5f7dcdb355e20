"""Commits of systems that keep their runs in SQLite: each `commit` of a connection that has something to commit."""

import sqlite3
from typing import Any

from benchmarks.probe.commits import Commits


def watch(commits: Commits) -> None:
    """Count the commits of every connection that this process opens from here on."""

    class Watched(sqlite3.Connection):
        def commit(self) -> None:
            if not self.in_transaction:
                super().commit()
                return
            number = commits.begin()
            super().commit()
            commits.end(number)

    connect = sqlite3.dbapi2.connect

    def connect_watched(*args: Any, **options: Any) -> sqlite3.Connection:
        options.setdefault("factory", Watched)
        return connect(*args, **options)

    setattr(sqlite3, "connect", connect_watched)  # noqa: B010 - each library calls it by one of these two names
    setattr(sqlite3.dbapi2, "connect", connect_watched)  # noqa: B010 - as above
