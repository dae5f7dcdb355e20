"""One Ray for all cluster tests of a session, in a folder of its own."""

import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from greenroom.app import refresh_ray_settings

OBJECT_STORE_BYTES = 100 * 1024 * 1024


@pytest.fixture(scope="session")
def ray_session() -> Iterator[None]:
    """Starts Ray on this machine and leaves nothing of it behind."""
    # Short on purpose: the paths of Ray's sockets may not pass 107 characters. pytest's own folders are too long.
    folder = Path(tempfile.mkdtemp(prefix="gr-"))
    token = folder / "token"
    token.touch(mode=0o600)
    token.write_text(secrets.token_hex(32))
    kept = dict(os.environ)
    os.environ.update(
        RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO="0",
        RAY_AUTH_MODE="token",
        RAY_AUTH_TOKEN_PATH=str(token),
        RAY_DEDUP_LOGS="0",
        RAY_ENABLE_UV_RUN_RUNTIME_ENV="0",
        RAY_USAGE_STATS_ENABLED="0",
    )
    import ray

    refresh_ray_settings()  # an earlier test may have imported Ray with other settings
    try:
        ray.init(
            address="local",
            num_cpus=4,
            include_dashboard=False,
            object_store_memory=OBJECT_STORE_BYTES,
            log_to_driver=False,
            _temp_dir=str(folder / "ray"),
        )
        yield
    finally:
        ray.shutdown()
        os.environ.clear()
        os.environ.update(kept)
        shutil.rmtree(folder, ignore_errors=True)
