"""An application, up: Ray joined, the runtime found or made, the app registered, HTTP served. And down again."""

import asyncio
import os
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from greenroom.app import (
    RUN_FILE,
    RunningRuntime,
    ensure_runtime,
    find_running,
    hush_ray,
    join_ray,
    make_client,
    register,
    storage_url,
    write_run_file,
)
from greenroom.cli.failures import CommandFailed
from greenroom.runtime.contracts.errors import ConfigError
from greenroom.settings import prepare_ray

if TYPE_CHECKING:
    from greenroom.runtime.client.runtime import RuntimeClient
    from greenroom.runtime.contracts.config import Config
    from greenroom.runtime.definitions.app import App


@dataclass(slots=True, kw_only=True)
class Serving:
    """What is up.

    Attributes:
        is_ours: Whether this process started the Ray cluster, and so ends everything in it.
    """

    config: "Config"
    target: str
    client: "RuntimeClient"
    running: RunningRuntime
    bundle: str
    is_ours: bool


def refuse_second(config: "Config") -> None:
    """Refuse to start beside a runtime that is up for the same project.

    Raises:
        CommandFailed: There is one; the message says where.
    """
    running = find_running(config)
    if running is not None:
        where = running.http or running.address
        message = f"a runtime is up for this project at {where} (process {running.pid}); `greenroom down` stops it"
        raise CommandFailed(message, {"http": running.http, "address": running.address, "pid": running.pid})


def check_storage(config: "Config") -> None:
    """Refuse a store that no runtime could open, before anything is started.

    Raises:
        ConfigError: No store is known for its URL.
        StorageError: Another runtime has it.
    """
    from greenroom.storage.open import lock_folder
    from greenroom.storage.parquet.lock import StoreLock

    url = storage_url(config)
    if config.runtime.address is not None:
        return
    folder = lock_folder(url)
    if folder is None:
        return
    if folder.exists() and not folder.is_dir():
        message = f"storage is {url}, which is a file; name a folder"
        raise ConfigError(message)
    if folder.exists():
        StoreLock.acquire(folder).release()


def settle_port(config: "Config") -> "Config":
    """Return the configuration with a port that can be listened at; 0 becomes a free one.

    Raises:
        ConfigError: Somebody listens there; nothing was started yet.
    """
    from greenroom.serve.port import check_port

    check_port(config.serve.host, config.serve.port)
    if config.serve.port:
        return config
    with socket.socket() as probe:
        probe.bind((config.serve.host, 0))
        port = probe.getsockname()[1]
    return config.model_copy(update={"serve": config.serve.model_copy(update={"port": port})})


async def start(config: "Config", app: "App", target: str) -> Serving:
    """Bring an application up; what was started is stopped again when a part of it fails."""
    from greenroom.runtime.definitions.bundle import source_of

    prepare_ray()
    hush_ray()
    address = await asyncio.to_thread(join_ray, config, may_start=True)
    is_ours, is_deployed = config.runtime.address is None, False
    try:
        await ensure_runtime(config)
        client = make_client(app, config=config)
        bundle = await register(client, app, source_of(app, target))
        is_deployed = True
        http = await _deploy(config)
        running = RunningRuntime(address=address, http=http, pid=os.getpid(), storage=storage_url(config))
        write_run_file(config, running)
    except BaseException:
        await asyncio.shield(_stop(config, is_ours=is_ours, is_deployed=is_deployed, client=None))
        raise
    return Serving(config=config, target=target, client=client, running=running, bundle=bundle, is_ours=is_ours)


async def stop(serving: Serving) -> None:
    """Stop serving: HTTP, then the runtime and its workers, then Ray if this process started it."""
    remove_run_file(serving.config)
    await _stop(serving.config, is_ours=serving.is_ours, is_deployed=True, client=serving.client)


def remove_run_file(config: "Config") -> None:
    """Say no longer that this process is up."""
    path = Path(config.root) / RUN_FILE
    running = find_running(config)
    if running is None or running.pid == os.getpid():
        path.unlink(missing_ok=True)


async def _deploy(config: "Config") -> str:
    from greenroom.serve.deployment import deploy

    await asyncio.to_thread(deploy, config.serve.model_dump_json(), replicas=config.serve.replicas)
    host = f"[{config.serve.host}]" if ":" in config.serve.host else config.serve.host
    return f"http://{host}:{config.serve.port}"


async def _stop(config: "Config", *, is_ours: bool, is_deployed: bool, client: "RuntimeClient | None") -> None:
    import ray

    from greenroom.serve.deployment import undeploy

    if not ray.is_initialized():
        return
    if is_deployed:
        await asyncio.to_thread(undeploy)
    if is_ours:
        await (client or make_client(config=config)).shutdown(stop_workers=True)
        await asyncio.to_thread(_kill_actor)
    await asyncio.to_thread(ray.shutdown)


def _kill_actor() -> None:
    import ray

    from greenroom.runtime.client.link import ACTOR_NAME, NAMESPACE

    try:
        actor: Any = ray.get_actor(ACTOR_NAME, namespace=NAMESPACE)
    except ValueError:
        return
    ray.kill(actor, no_restart=True)
