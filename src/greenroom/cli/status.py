"""`greenroom status`: what is up, and how it is."""

from typing import Any

from greenroom.cli.connection import AddressOption, WorkspaceOption, connect
from greenroom.cli.terminal import JsonFlag, show_facts, write_json


def status(*, address: AddressOption = None, workspace: WorkspaceOption = "default", as_json: JsonFlag = False) -> None:
    """Show the runtime that is up: where, which bundle, how many runs and workers, how its store is."""
    from greenroom.app import find_running
    from greenroom.settings import load_config

    with connect(address, workspace) as runtime:
        state: dict[str, Any] = runtime.status()
    running = find_running(load_config({"runtime.address": address}))
    http = running.http if running is not None else ""
    if as_json:
        write_json({"http": http, "pid": running.pid if running is not None else None, **state})
        return
    from greenroom.cli.up import describe_workers

    store = state.get("storage") or {}
    facts = {
        "state": state.get("state"),
        "http": http or "none",
        "bundle": state.get("bundle") or "none",
        "runs in memory": state.get("runs_in_memory"),
        "in motion": state.get("running"),
        "timers": state.get("timers"),
        "workers": describe_workers(state.get("workers")),
        "store": f"{store.get('url')} ({_health(store)})",
        "recoveries": state.get("recoveries"),
    }
    facts |= {f"limit {name}": _describe_limit(use) for name, use in (state.get("limits") or {}).items()}
    stopped = state.get("stopped_workers") or ()
    if stopped:
        facts["stopped"] = f"{', '.join(stopped)} (no open run needs their bundle)"
    problems = state.get("problems") or {}
    show_facts("greenroom", {**facts, **({"problems": "; ".join(map(str, problems.values()))} if problems else {})})


def _describe_limit(use: dict[str, Any]) -> str:
    most = [f"{use['concurrency']} at once"] * bool(use.get("concurrency"))
    most += [f"{use['rate']} in {use['per_s']:g} s"] * bool(use.get("rate"))
    each = " for each workspace" if use.get("each") == "workspace" else ""
    return f"{use['running']} running, {use['waiting']} waiting ({', '.join(most)}{each})"


def _health(store: dict[str, Any]) -> str:
    return "writable" if store.get("is_writable") else str(store.get("error") or "read-only")
