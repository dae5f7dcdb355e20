"""`greenroom up`: serve an application until Ctrl-C, or in the background."""

import asyncio
import os
import signal
from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any

import typer

from greenroom.cli.terminal import JsonFlag, say, show_facts, write_json

if TYPE_CHECKING:
    from greenroom.cli.serving import Serving
    from greenroom.runtime.contracts.config import Config
    from greenroom.runtime.definitions.app import App


def up(
    target: Annotated[
        str | None, typer.Argument(metavar="[MODULE:APP]", help="The application; left out, the configuration's `app`.")
    ] = None,
    *,
    port: Annotated[int | None, typer.Option("--port", min=0, max=65535, help="HTTP port.")] = None,
    storage: Annotated[str | None, typer.Option("--storage", help="URL of the store: file://folder.")] = None,
    address: Annotated[str | None, typer.Option("--address", help="Ray cluster to join, not to start.")] = None,
    detach: Annotated[bool, typer.Option("--detach", help="Serve in the background; `down` stops it.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Serve an application: start Ray and the runtime, open HTTP, stay until Ctrl-C."""
    from greenroom.cli import serving
    from greenroom.cli.target import choose_target, load_target
    from greenroom.settings import load_config

    config = load_config({"serve.port": port, "storage": storage, "runtime.address": address})
    chosen = choose_target(target, config)
    serving.refuse_second(config)
    app = load_target(chosen, config)
    serving.check_storage(config)
    config = serving.settle_port(config)
    if detach:
        from greenroom.cli.background import start_in_background

        facts = start_in_background(config, chosen, port=config.serve.port, storage=storage, address=address)
    else:
        asyncio.run(_serve(config, app, chosen, as_json=as_json))
        return
    if as_json:
        write_json(facts)
    else:
        show_facts("greenroom is up, in the background", {**facts, "stop it with": "greenroom down"})


async def _serve(config: "Config", app: "App", target: str, *, as_json: bool) -> None:
    from greenroom.cli import serving

    asked = asyncio.Event()
    _listen(asked)
    if not as_json:
        say(f"starting {target} …")
    up_now = await serving.start(config, app, target)
    _listen(asked)  # again: Ray has put a handler of its own in front, which prints a stack
    facts = await facts_of(up_now)
    if as_json:
        write_json(facts)
    else:
        show_facts("greenroom is up", {**facts, "stop it with": "Ctrl-C"})
    await asked.wait()
    await serving.stop(up_now)
    await asyncio.to_thread(_collect)


def _listen(asked: asyncio.Event) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, _on_signal, asked)


def _on_signal(asked: asyncio.Event) -> None:
    if asked.is_set():
        from greenroom.cli.processes import descendants, kill_all

        say("stopped by force; what was acknowledged is in the store")
        kill_all(set(descendants(os.getpid())))
        os._exit(130)
    say("stopping; runs that wait stay in the store (Ctrl-C again stops by force)")
    asked.set()


def _collect() -> None:
    """Return when every process that this one started has ended."""
    from greenroom.cli.processes import Watch, kill_all

    left = Watch().left()
    kill_all({process.pid for process in left})


async def facts_of(up_now: "Serving") -> dict[str, Any]:
    """Return what a person wants to know about an application that is up."""
    status = await up_now.client.status()
    running = up_now.running
    return {
        "http": running.http,
        "docs": f"{running.http}/docs",
        "app": up_now.target,
        "store": running.storage,
        "bundle": up_now.bundle,
        "workers": describe_workers(status.get("workers")),
        "ray": running.address,
        "pid": running.pid,
    }


def describe_workers(workers: Any) -> str:
    """Return the pools of workers on one line.

    >>> describe_workers([{"pool": "steps"}, {"pool": "steps"}, {"pool": "agents"}])
    '2 steps, 1 agents'
    """
    pools = Counter(str(worker.get("pool")) for worker in workers or ())
    return ", ".join(f"{count} {pool}" for pool, count in pools.items()) or "started with the first run"
