"""`greenroom doctor`: whether this machine and this project can serve, and what to do where they cannot."""

import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import typer

from greenroom.cli.terminal import JsonFlag, console, write_json

if TYPE_CHECKING:
    from greenroom.runtime.contracts.config import Config

MIN_FREE_BYTES: Final = 500 * 1024 * 1024
_ICONS: Final = {"ok": "[green]✓[/]", "note": "[yellow]![/]", "bad": "[red]✗[/]"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one check found. A note is worth knowing; something bad must be mended."""

    check: str
    state: Literal["ok", "note", "bad"]
    found: str


def doctor(*, as_json: JsonFlag = False) -> None:
    """Check Python, Ray, the configuration, the store, the port, the models, and what earlier runs left behind."""
    findings = list(_findings())
    if as_json:
        write_json({"ok": all(item.state != "bad" for item in findings), "checks": [asdict(item) for item in findings]})
    else:
        from rich.table import Table

        table = Table.grid(padding=(0, 2))
        for item in findings:
            table.add_row(_ICONS[item.state], item.check, item.found)
        console().print(table)
    raise typer.Exit(int(any(item.state == "bad" for item in findings)))


def _findings() -> Iterator[Finding]:
    from greenroom.runtime.contracts.errors import GreenroomError
    from greenroom.settings import load_config

    yield Finding(check="python", state="ok", found=f"{platform.python_version()} ({sys.executable})")
    yield _ray()
    yield _bytecode()
    try:
        config = load_config()
    except GreenroomError as error:
        yield Finding(check="configuration", state="bad", found=error.message)
        return
    yield Finding(check="configuration", state="ok", found=f"project {config.root}, app {config.app or 'not set'}")
    checks: tuple[Callable[[Config], Finding], ...] = (_store, _port, _models, _temporary_folder, _leftovers)
    for check in checks:
        yield check(config)


def _ray() -> Finding:
    import importlib
    import importlib.metadata

    from greenroom.settings import prepare_ray

    wanted = next(
        (item for item in importlib.metadata.requires("greenroom") or () if item.replace(" ", "").startswith("ray[")),
        "ray",
    )
    prepare_ray()
    try:
        version = str(importlib.import_module("ray").__version__)
    except ImportError as error:
        return Finding(check="ray", state="bad", found=f"cannot be imported: {error}; install {wanted}")
    minor = wanted.partition(">=")[2].split(",")[0].strip()
    if minor and not version.startswith(f"{minor}."):
        return Finding(check="ray", state="bad", found=f"{version} is not the qualified version: install {wanted}")
    return Finding(check="ray", state="ok", found=version)


def _bytecode() -> Finding:
    import importlib.util

    spec = importlib.util.find_spec("ray")
    if spec is None or spec.origin is None or not sys.dont_write_bytecode:
        return Finding(check="bytecode", state="ok", found="kept")
    if Path(importlib.util.cache_from_source(spec.origin)).exists():
        return Finding(check="bytecode", state="ok", found="kept")
    folder = Path(spec.origin).parents[1]
    found = (
        "every process of Ray compiles all of it again, which doubles the time of a start: PYTHONDONTWRITEBYTECODE is "
        f"set; run `python -m compileall -q {folder}`"
    )
    return Finding(check="bytecode", state="note", found=found)


def _store(config: "Config") -> Finding:
    from greenroom.app import find_running, storage_url
    from greenroom.cli import serving
    from greenroom.runtime.contracts.errors import GreenroomError

    url = storage_url(config)
    if find_running(config) is None:
        try:
            serving.check_storage(config)
        except GreenroomError as error:
            return Finding(check="store", state="bad", found=error.message)
    if not url.startswith("file://"):
        return Finding(check="store", state="note", found=f"{url}: keeps nothing on this disk, not checked")
    folder = Path(url.removeprefix("file://")).expanduser()
    place = next(parent for parent in (folder, *folder.parents) if parent.exists())
    if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
        return Finding(check="store", state="bad", found=f"{folder} cannot be written; choose another with `storage`")
    free = shutil.disk_usage(place).free
    if free < MIN_FREE_BYTES:
        return Finding(check="store", state="bad", found=f"{folder}: only {free // 2**20} MB are free")
    used = ", in use by the runtime that is up" if find_running(config) else "" if folder.exists() else ", not made yet"
    return Finding(check="store", state="ok", found=f"{url} ({free // 2**30} GB free{used})")


def _port(config: "Config") -> Finding:
    from greenroom.app import find_running
    from greenroom.cli import serving
    from greenroom.runtime.contracts.errors import GreenroomError

    running = find_running(config)
    if running is not None:
        return Finding(check="http", state="ok", found=f"served at {running.http} (process {running.pid})")
    try:
        serving.settle_port(config)
    except GreenroomError as error:
        return Finding(check="http", state="bad", found=error.message)
    return Finding(check="http", state="ok", found=f"{config.serve.host}:{config.serve.port} is free")


def _models(config: "Config") -> Finding:
    from greenroom.settings import has_variable

    missing = [
        f"{name} (its key is to be in {provider.api_key_env})"
        for name, provider in config.models.items()
        if provider.api_key_env and not provider.api_key
        if not has_variable(provider.api_key_env)
    ]
    if missing:
        return Finding(check="models", state="bad", found=f"no key for {', '.join(missing)}")
    named = ", ".join(config.models)
    return Finding(
        check="models", state="ok", found=f"{named}, rehearsal" if named else "rehearsal only (needs no key)"
    )


def _temporary_folder(config: "Config") -> Finding:
    folder = Path(config.runtime.ray_temp_dir or tempfile.gettempdir())
    if not os.access(folder if folder.exists() else folder.parent, os.W_OK):
        return Finding(
            check="temporary folder", state="bad", found=f"{folder} cannot be written: set runtime.ray_temp_dir"
        )
    return Finding(check="temporary folder", state="ok", found=str(folder))


def _leftovers(config: "Config") -> Finding:
    from greenroom.app import RUN_FILE, find_running
    from greenroom.cli.processes import list_processes

    running = find_running(config)
    stale = Path(config.root) / RUN_FILE
    if running is None and stale.exists():
        return Finding(check="leftovers", state="note", found=f"{stale} is of a process that is gone; `up` replaces it")
    actors = [process for process in list_processes().values() if process.command.startswith("ray::RuntimeActor")]
    if running is None and actors:
        pids = ", ".join(str(process.pid) for process in actors)
        return Finding(check="leftovers", state="note", found=f"a runtime not started by `up` here: process {pids}")
    return Finding(check="leftovers", state="ok", found="none")
