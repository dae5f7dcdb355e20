"""How commands reach the runtime that is up: through the Python handle, so that they see what every caller sees."""

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from greenroom.sync import BlockingRuntime

AddressOption = Annotated[
    str | None, typer.Option("--address", help="Ray cluster of the runtime; left out, the one that `up` started here.")
]
WorkspaceOption = Annotated[str, typer.Option("--workspace", help="The tenant.")]


def connect(address: str | None = None, workspace: str = "default") -> "BlockingRuntime":
    """Return a blocking handle of the runtime that is up.

    Raises:
        RuntimeUnavailable: None is; told at once, before Ray is loaded.
    """
    from greenroom.app import find_running
    from greenroom.runtime.contracts.errors import RuntimeUnavailable
    from greenroom.settings import load_config, prepare_ray

    config = load_config({"runtime.address": address})
    if config.runtime.address is None and find_running(config) is None:
        message = "no runtime is up here; start one with `greenroom up module:app`, or name a cluster with --address"
        raise RuntimeUnavailable(message)
    from greenroom import sync
    from greenroom.cli.quiet import hush_ray

    prepare_ray()
    hush_ray()
    return sync.connect(workspace=workspace, config=config)
