"""How commands reach the runtime that is up: over HTTP where runs are concerned, else through the handle on Ray."""

import contextlib
from collections.abc import Generator
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from greenroom.app import RunningRuntime
    from greenroom.runtime.contracts.config import Config
    from greenroom.sync import BlockingRuntime

AddressOption = Annotated[
    str | None, typer.Option("--address", help="Ray cluster of the runtime; left out, the one that `up` started here.")
]
WorkspaceOption = Annotated[str, typer.Option("--workspace", help="The tenant.")]
DEFAULT_WORKSPACE = "default"


@contextlib.contextmanager
def connect(address: str | None = None, workspace: str = DEFAULT_WORKSPACE) -> "Generator[BlockingRuntime]":
    """Give a blocking handle of the runtime that is up.

    Raises:
        RuntimeUnavailable: None is; told at once, before Ray is loaded.
    """
    config, _ = _find(address)
    from greenroom import sync
    from greenroom.app import hush_ray
    from greenroom.settings import prepare_ray

    prepare_ray()
    hush_ray()
    with sync.connect(workspace=workspace, config=config) as runtime:
        yield runtime


@contextlib.contextmanager
def connect_for_runs(address: str | None = None, workspace: str = DEFAULT_WORKSPACE) -> "Generator[BlockingRuntime]":
    """Give a handle that can list, start, follow and steer runs: over HTTP where it is open, which takes no Ray.

    Raises:
        RuntimeUnavailable: No runtime is up.
    """
    config, running = _find(address)
    if config.runtime.address is not None or running is None or not running.http or workspace != DEFAULT_WORKSPACE:
        with connect(address, workspace) as runtime:
            yield runtime
        return
    from greenroom.cli.http_link import HttpLink
    from greenroom.runtime.client.plain import plain_client
    from greenroom.sync import BlockingRuntime, EventLoopThread

    link, loop = HttpLink(running.http), EventLoopThread()
    try:
        yield BlockingRuntime(plain_client(link), loop)
    finally:
        loop.run(link.close())
        loop.close()


def _find(address: str | None) -> "tuple[Config, RunningRuntime | None]":
    from greenroom.app import find_running
    from greenroom.runtime.contracts.errors import RuntimeUnavailable
    from greenroom.settings import load_config

    config = load_config({"runtime.address": address})
    running = find_running(config)
    if config.runtime.address is None and running is None:
        message = "no runtime is up here; start one with `greenroom up module:app`, or name a cluster with --address"
        raise RuntimeUnavailable(message)
    return config, running
