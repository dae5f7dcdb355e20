"""The one place where the parts meet: store, workers, host, actor, client.

`compose` makes the host inside the runtime actor; `connect` finds or starts a runtime and returns a client of it.
"""

import asyncio
import contextlib
import json
import logging
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from greenroom.runtime import json_schema
from greenroom.runtime.client.link import ACTOR_NAME, NAMESPACE, RayLink
from greenroom.runtime.client.runtime import RuntimeClient
from greenroom.runtime.contracts import requests
from greenroom.runtime.contracts.config import Config
from greenroom.runtime.contracts.errors import ConfigError, RuntimeUnavailable
from greenroom.runtime.contracts.plan import LimitPlan
from greenroom.runtime.contracts.records import Table
from greenroom.runtime.contracts.values import Json
from greenroom.runtime.system import RandomIds, SystemClock, is_alive
from greenroom.settings import load_config, prepare_ray
from greenroom.storage.reader import StoreReader

if TYPE_CHECKING:
    from greenroom.runtime.definitions.app import App
    from greenroom.runtime.host.host import Host

RUN_FILE: Final = Path(".greenroom") / "up.json"
"""Where a runtime that is up says how to reach it, below the project's folder."""

_REACH_LIMIT_S: Final = 5.0

log = logging.getLogger("greenroom.app")


def compose(config_json: str) -> "Host":
    """Return the host that this configuration describes. Called inside the runtime actor."""
    from greenroom.actors.blob_actor import BlobSource  # noqa: PLC0415 - only the runtime actor needs these
    from greenroom.actors.spawner import RaySpawner  # noqa: PLC0415
    from greenroom.runtime.host.host import Host  # noqa: PLC0415
    from greenroom.storage.open import open_storage  # noqa: PLC0415

    config = Config.model_validate_json(config_json)
    url = storage_url(config)
    return Host(
        open_storage=lambda: open_storage(url, retention_s=rows_kept_s(config)),
        spawner=RaySpawner(BlobSource(factory="greenroom.storage.blobs:open_blobs", url=url)),
        clock=SystemClock(),
        ids=RandomIds(),
        check=json_schema.check,
        pool_sizes={"steps": config.runtime.step_workers, "agents": config.runtime.agent_workers, "default": 1},
        models={name: provider.model_dump(exclude_none=True) for name, provider in config.models.items()},
        max_threads=config.runtime.max_threads,
        secret_keys=frozenset(config.runtime.secret_keys),
        retention_s=config.retention.seconds(),
        limits={name: LimitPlan(**limit.model_dump()) for name, limit in config.limits.items()},
        weights={name: workspace.weight for name, workspace in config.workspaces.items()},
        max_running=config.runtime.max_running,
        max_running_of={
            name: workspace.max_running for name, workspace in config.workspaces.items() if workspace.max_running
        },
    )


def rows_kept_s(config: Config) -> dict[Table, float]:
    """Return how long the store keeps rows. Runs are not among them: the runtime deletes them as a whole."""
    return {table: age_s for table, age_s in config.retention.seconds().items() if table != Table.RUNS}


def storage_url(config: Config) -> str:
    """Return the store's URL with a relative path made absolute, seen from the project's folder."""
    scheme, separator, path = config.storage.rpartition("://")
    if (separator and scheme != "file") or Path(path).is_absolute() or path.startswith("~"):
        return config.storage
    return f"file://{(Path(config.root) / path).resolve()}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningRuntime:
    """A runtime that is up, as its run file says.

    Attributes:
        address: Of its Ray cluster.
        http: Base URL of its HTTP side; empty if it has none.
        pid: The process that keeps it up.
    """

    address: str
    http: str
    pid: int
    storage: str


def find_running(config: Config) -> RunningRuntime | None:
    """Return the runtime that is up for this project, or None; a file left by a dead process does not count."""
    try:
        data = json.loads((Path(config.root) / RUN_FILE).read_text())
        running = RunningRuntime(
            address=data["address"], http=data["http"], pid=int(data["pid"]), storage=data["storage"]
        )
    except (OSError, ValueError, KeyError):
        return None
    return running if is_alive(running.pid) else None


def write_run_file(config: Config, running: RunningRuntime) -> Path:
    """Say how to reach a runtime that is up; return the file."""
    path = Path(config.root) / RUN_FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    data = {"address": running.address, "http": running.http, "pid": running.pid, "storage": running.storage}
    draft = path.with_suffix(".tmp")
    draft.write_text(json.dumps(data, indent=1))
    draft.replace(path)
    return path


def join_ray(config: Config, *, may_start: bool) -> str:
    """Connect this process to Ray, or start a local cluster; return the cluster's address.

    Raises:
        RuntimeUnavailable: The cluster cannot be reached, or none is up and none may be started.
    """
    prepare_ray()
    import ray  # noqa: PLC0415 - importing greenroom must not import ray

    if ray.is_initialized():
        return str(ray.get_runtime_context().gcs_address)
    refresh_ray_settings()
    hush_ray()
    running = find_running(config)
    address = config.runtime.address or (running.address if running is not None else None)
    try:
        if address is not None:
            _refuse_unreachable(address)
            ray.init(address=address, namespace=NAMESPACE, log_to_driver=False, logging_level=logging.ERROR)
        elif may_start:
            ray.init(
                address="local",
                namespace=NAMESPACE,
                include_dashboard=False,
                log_to_driver=False,
                logging_level=logging.ERROR,
                num_cpus=config.runtime.num_cpus,
                object_store_memory=config.runtime.object_store_bytes,
                _temp_dir=config.runtime.ray_temp_dir,
            )
        else:
            message = "no runtime is up here; start one with `greenroom up`, or name a cluster with address="
            raise RuntimeUnavailable(message)
    except ConnectionError as error:
        message = f"the Ray cluster at {address} cannot be reached: {str(error).splitlines()[0]}"
        raise RuntimeUnavailable(message, {"address": address or ""}) from None
    return str(ray.get_runtime_context().gcs_address)


def _refuse_unreachable(address: str) -> None:
    """Ask a cluster's head whether it is there. Ray itself would go on asking for ten minutes.

    Raises:
        ConnectionError: Nobody listens there.
    """
    host, _, port = address.rpartition(":")
    if "://" in address or not port.isdigit():
        return  # a client's address, or "auto"
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_REACH_LIMIT_S).close()
    except OSError as error:
        raise ConnectionError(error.strerror or str(error)) from error


def hush_ray() -> None:
    """Keep Ray's own words off stdout: it prints errors of its parts there, where a script writes its result.

    What matters stands in the log files of Ray's session. To be called before Ray is connected.
    """
    for name in ("ray", "ray.serve", "ray.data", "ray._private.worker"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    with contextlib.suppress(ImportError, AttributeError):  # no public switch: a version without it is only louder
        from ray._private import worker  # noqa: PLC0415 - importing greenroom must not import ray

        setattr(worker, "_worker_logs_enabled", False)  # noqa: B010 - as above


def refresh_ray_settings() -> None:
    """Let Ray read its settings again: a notebook may have imported it before they were made.

    Ray does the same when it turns tokens on for a cluster it starts (`authentication_token_setup._enable_token_auth`).
    """
    from ray import _raylet  # noqa: PLC0415 - importing greenroom must not import ray

    ray_config: Any = vars(_raylet)["Config"]  # not in Ray's own stubs
    ray_config.initialize("")


async def ensure_runtime(config: Config) -> None:
    """Find the cluster's runtime actor or make it, and wait until it answers.

    Raises:
        StorageError: Its store cannot be opened.
        ConfigError: A runtime with another store is up.
    """
    import ray  # noqa: PLC0415 - importing greenroom must not import ray

    from greenroom.runtime.host.actor import RuntimeActor  # noqa: PLC0415

    actor_class: Any = ray.remote(RuntimeActor)
    actor = actor_class.options(
        name=ACTOR_NAME,
        namespace=NAMESPACE,
        lifetime="detached",
        get_if_exists=True,
        num_cpus=0,
        resources={"node:__internal_head__": 0.001},
        max_restarts=-1,
        max_task_retries=0,
        max_concurrency=10_000,
        enable_task_events=False,
    ).remote("greenroom.app:compose", config.model_dump_json())
    await actor.begin.remote()
    status = await RayLink().call(requests.Status())
    is_other = status.get("storage") and not _same_store(status["storage"]["url"], storage_url(config))
    if is_other and config.runtime.address is None and find_running(config) is None:
        message = f"the runtime of this cluster uses {status['storage']['url']}, not {storage_url(config)}"
        raise ConfigError(message, {"storage": status["storage"]["url"]})


def _same_store(one: str, other: str) -> bool:
    from greenroom.storage.open import address_of  # noqa: PLC0415 - only the process that starts the runtime needs it

    return address_of(one).removeprefix("file://") == address_of(other).removeprefix("file://")


async def connect(
    app: "App | str | None" = None,
    *,
    workspace: str = "default",
    address: str | None = None,
    config: Config | None = None,
    storage: str | None = None,
) -> RuntimeClient:
    """Return a handle of the runtime, started now if none is up and an app is given.

    Args:
        app: An app, `"module:app"`, or None for the runtime that is up. Another app than the last becomes the
            newest bundle; the same one changes nothing.
        workspace: The tenant all calls of this handle are for.
        address: A Ray cluster to join.
        config: Configuration; None reads `greenroom.toml` and the environment.
        storage: URL of the store, before the configuration's.

    Raises:
        DefinitionError: The app is not one, or is not well formed.
        RuntimeUnavailable: No runtime can be reached, and there is no app to start one for.
        StorageError: The store cannot be opened; for instance another runtime has it.
    """
    from greenroom.runtime.definitions.bundle import resolve_target, source_of  # noqa: PLC0415 - heavy imports

    loaded: App | None = resolve_target(app) if isinstance(app, str) else app
    settled = config or load_config({"storage": storage, "runtime.address": address})
    await asyncio.to_thread(join_ray, settled, may_start=loaded is not None)
    if loaded is not None:
        await ensure_runtime(settled)
    client = make_client(loaded, workspace=workspace, config=settled)
    if loaded is not None:
        await register(client, loaded, source_of(loaded, app if isinstance(app, str) else None))
    status = await client.status()
    if "storage" in status:  # the runtime's, whatever this process is configured with
        client.storage = StoreReader(status["storage"]["url"])
    return client


async def register(client: RuntimeClient, app: "App", source: Any) -> str:
    """Make an app's definitions the newest bundle of the runtime; return the bundle's id."""
    import msgspec  # noqa: PLC0415 - importing greenroom shall be quick

    request = requests.Register(plan=msgspec.msgpack.encode(app.plan), source=source)
    answer = await client.link.call(request)
    return str(answer["bundle"])


def make_client(
    app: "App | None" = None, *, workspace: str = "default", config: Config | None = None, link: Any = None
) -> RuntimeClient:
    """Return a client that knows the user's types where there is an app."""
    from greenroom.runtime.definitions import schema, values  # noqa: PLC0415 - heavy imports

    return RuntimeClient(
        link or RayLink(),
        RandomIds(),
        workspace=workspace,
        dump=values.dump,
        load=values.load,
        schema_of=_schema_of(schema),
        output_type=output_types(app) if app is not None else None,
        storage=StoreReader(storage_url(config)) if config is not None else None,
    )


def output_types(app: "App") -> Callable[[str, str], Any]:
    """Return what tells the type of a definition's output: (kind, id) to a type, or None where there is only JSON."""

    def output_type(kind: str, definition_id: str) -> Any:
        known: Mapping[str, Any] = {"workflow": app.workflows, "agent": app.agents}.get(kind, {})
        declared = getattr(known.get(definition_id), "output", None)
        return None if isinstance(declared, dict) else declared

    return output_type


def _schema_of(schema: Any) -> Any:
    def schema_of(type_: Any) -> dict[str, Json]:
        if isinstance(type_, dict):
            return type_
        found: dict[str, Json] = schema.output_schema(type_)
        return found

    return schema_of
