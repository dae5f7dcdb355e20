"""Following a run to where it ends or waits, as a live tree or as lines of JSON; and how its result is told."""

import contextlib
from collections.abc import Generator
from typing import TYPE_CHECKING, Any, Final

from greenroom.cli.terminal import console, say, show_value, write_json, write_json_line
from greenroom.cli.tree import RunTree, tree_of_view

if TYPE_CHECKING:
    from rich.live import Live

ENDS: Final = frozenset({"run_finished", "run_suspended", "run_paused"})
REFRESHES_PER_S: Final = 8


def follow(run: Any, title: str, *, as_json: bool, after: int = 0) -> Any:
    """Show a run until it ends or waits for somebody; return its result.

    Args:
        run: A blocking handle of it.
        after: Events up to this one are known.
    """
    tree = RunTree(title, run.run_id)
    with contextlib.closing(run.events(after=after)) as events, _live(tree, is_shown=not as_json) as live:
        for event in events:
            if as_json:
                write_json_line(event_json(event))
            tree.feed(event.type, event.path, event.at.timestamp() if event.at else 0.0, event.data)
            if live is not None and event.seq:
                live.update(tree)
            if event.type in ENDS and _is_at_rest(run, event.type):
                break
    return run.result(5.0)


def _is_at_rest(run: Any, type: str) -> bool:
    """Tell whether a run still stands as its event said: an old `suspended` may have been resumed since."""
    return type == "run_finished" or str(run.status()) in {"suspended", "paused"}


@contextlib.contextmanager
def _live(tree: RunTree, *, is_shown: bool) -> "Generator[Live | None]":
    shown_on = console(is_error=True)
    if not (is_shown and shown_on.is_terminal):
        yield None
        if is_shown:
            shown_on.print(tree)
        return
    from rich.live import Live

    with Live(tree, console=shown_on, refresh_per_second=REFRESHES_PER_S) as live:
        yield live


def event_json(event: Any) -> dict[str, Any]:
    """Return an event for machines."""
    return {"seq": event.seq, "type": event.type, "path": event.path, "at": event.at, "data": event.data}


def result_json(result: Any) -> dict[str, Any]:
    """Return a result for machines: what the runtime said, with the output as it was read."""
    return {**result.view, "output": result.output}


def tell_result(result: Any, *, as_json: bool, with_tree: bool = False) -> int:
    """Tell a person (or a machine) what came of a run; return the exit code."""
    is_bad = result.status in {"failed", "canceled", "tripwire"}
    if as_json:
        write_json(result_json(result))
        return int(is_bad)
    if with_tree:
        console().print(tree_of_view(result.view))
    if result.output is not None:
        show_value(result.output)
    usage = result.usage
    say(
        f"{result.status} · {usage.total_tokens} tokens · cost {usage.cost_micros / 1e6:.6f} · "
        f"run {result.run_id} · trace {result.trace_id}"
    )
    if result.error is not None:
        say(f"greenroom: {result.error}")
    if result.view.get("problem"):
        say(f"waits for its code: {result.view['problem']}")
    for path in result.suspended:
        say(f"{path} waits: greenroom runs resume {result.run_id} {path} --data JSON{_which(result, path)}")
        if result.suspend_payload.get(path) is not None:
            show_value(result.suspend_payload[path])
    return int(is_bad)


def _which(result: Any, path: str) -> str:
    token = result.suspensions.get(path)
    return f" --suspension {token}" if token else ""
