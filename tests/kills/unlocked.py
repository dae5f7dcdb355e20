"""A runtime as on another host: no lock keeps it from a store that is open here, its epoch does."""

import json
from pathlib import Path

from greenroom.actors.spawner import RaySpawner
from greenroom.runtime import json_schema
from greenroom.runtime.host.host import Host
from greenroom.runtime.system import RandomIds, SystemClock
from greenroom.storage.objects.ops import OsFiles
from greenroom.storage.parquet.place import local_place
from greenroom.storage.parquet.store import ParquetStorage


def compose(config: str) -> Host:
    """Return a host whose store is in the folder that the configuration names, a JSON text."""
    root = Path(json.loads(config))
    return Host(
        open_storage=lambda: ParquetStorage.open_at(local_place(OsFiles(), root)._replace(locked=None)),
        spawner=RaySpawner(),
        clock=SystemClock(),
        ids=RandomIds(),
        check=json_schema.check,
    )
