"""Greenroom on a Ray of its own: one runtime actor with its workers, called from many processes as users do.

The first process starts a small cluster and the runtime; every other one joins by the cluster's address.
"""

import asyncio
import os
import tempfile
from collections.abc import Coroutine, Mapping
from pathlib import Path
from typing import Any, Final, Self, TypeAlias, TypeVar

from benchmarks.probe.promises import Promise
from benchmarks.probe.subject import Place, View
from benchmarks.probe.subjects import greenroom_view as calls
from greenroom.app import connect
from greenroom.runtime.client.runtime import RuntimeClient
from greenroom.runtime.contracts.config import Config, RuntimeSection
from greenroom.settings import prepare_ray

T = TypeVar("T")
_Files: TypeAlias = tempfile.TemporaryDirectory[str]

_APP: Final = "benchmarks.probe.subjects.greenroom_app:app"
_OBJECT_STORE_BYTES: Final = 100 * 1024 * 1024


class GreenroomOnRay:
    """See `Subject`. Only what the check of concurrent resumes needs is here."""

    def __init__(self, runner: asyncio.Runner, client: RuntimeClient, files: _Files | None) -> None:
        self._runner = runner
        self._client = client
        self._files = files  # of the cluster, where this process started it

    @classmethod
    def name(cls) -> str:
        """See `Subject`."""
        return calls.greenroom_name()

    @classmethod
    def not_offered(cls) -> Mapping[Promise, str]:
        """See `Subject`."""
        return {}

    @classmethod
    def open(cls, place: Place) -> Self:
        """Start the cluster and the runtime, or join those at the address."""
        os.environ["RAY_AUTH_TOKEN_PATH"] = str(place.folder.parent / "token")
        prepare_ray()  # makes the token
        is_keeper = place.address is None
        # Short on purpose: the paths of Ray's sockets may not pass 107 characters.
        files = tempfile.TemporaryDirectory(prefix="prb-") if is_keeper else None
        runner = asyncio.Runner()
        config = _config(place, files.name if files is not None else None)
        try:
            client = runner.run(connect(_APP if is_keeper else None, config=config))
        except BaseException:
            _leave(runner, files)
            raise
        place.commits.switch_on()
        return cls(runner, client, files)

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(work)

    def address(self) -> str:
        """Return the address of the Ray cluster."""
        import ray  # noqa: PLC0415 - only after its settings are made

        return str(ray.get_runtime_context().gcs_address)

    def start(self, run: str, value: Any) -> None:
        """See `Subject`."""
        self._run(calls.start(self._client, run, value))

    def resume(self, run: str, answer: Any) -> Any:
        """See `Subject`."""
        return self._run(calls.resume(self._client, run, answer))

    def recover(self, run: str) -> None:
        """See `Subject`."""
        self._run(calls.recover(self._client, run))

    def look(self, run: str) -> View | None:
        """See `Subject`."""
        return self._run(calls.look(self._client, run))

    def pin(self, run: str) -> str:
        """See `Subject`."""
        return run

    def fork(self, run: str, answer: Any) -> Any:
        """See `Subject`."""
        return self._run(calls.fork(self._client, run, answer))

    def history(self, run: str) -> list[str]:
        """See `Subject`."""
        raise NotImplementedError(f"the store of {run} belongs to the runtime; see the form in one process")

    def close(self) -> None:
        """Leave the cluster; the one who started it ends it."""
        if self._files is not None:
            self._run(self._client.shutdown())
        _leave(self._runner, self._files)

    @classmethod
    def is_data(cls, file: Path) -> bool:
        """See `Subject`."""
        return file.is_file()


def _config(place: Place, files: str | None) -> Config:
    section = RuntimeSection(
        address=place.address,
        step_workers=2,
        num_cpus=4,
        ray_temp_dir=files,
        object_store_bytes=_OBJECT_STORE_BYTES,
    )
    return Config(root=str(place.folder.parent), storage=f"file://{place.folder}", runtime=section)


def _leave(runner: asyncio.Runner, files: _Files | None) -> None:
    import ray  # noqa: PLC0415 - only after its settings are made

    runner.close()
    ray.shutdown()
    if files is not None:
        files.cleanup()
