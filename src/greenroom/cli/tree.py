"""A run as a tree of its steps, folded from its events: what runs, what is done, how long it took, what agents say."""

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from greenroom.cli.terminal import brief

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

MAX_ITEMS: Final = 12
"""Items of one foreach that are shown; finished ones make room first."""

TAIL_CHARS: Final = 70
MINUTE_S: Final = 60
_ITEM: Final = re.compile(r"\[\d+\]$")

ICONS: Final = {
    "running": ("◐", "cyan"),
    "retrying": ("↻", "yellow"),
    "waiting": ("◷", "yellow"),
    "suspended": ("⏸", "yellow"),
    "paused": ("⏸", "yellow"),
    "success": ("✓", "green"),
    "failed": ("✗", "red"),
    "tripwire": ("✗", "red"),
    "canceled": ("⊘", "bright_black"),
    "skipped": ("–", "bright_black"),
    "pending": ("·", "bright_black"),
}

_STEP_STATUS: Final = {
    "step_started": "running",
    "step_finished": "success",
    "step_failed": "failed",
    "step_retrying": "retrying",
    "step_suspended": "suspended",
    "step_canceled": "canceled",
}
_RUN_STATUS: Final = {
    "run_started": "running",
    "run_waiting": "waiting",
    "run_suspended": "suspended",
    "run_paused": "paused",
    "run_resumed": "running",
    "run_rewound": "running",
}


@dataclass(slots=True, kw_only=True)
class Branch:
    """One step as it is shown."""

    name: str
    status: str = "running"
    kind: str = ""
    started_at: float = 0.0
    ended_at: float = 0.0
    note: str = ""
    tail: str = ""
    children: dict[str, "Branch"] = field(default_factory=dict)


class RunTree:
    """The tree of one run.

    Args:
        title: What runs.
        now: The wall clock, for the durations of what is not finished.
    """

    def __init__(self, title: str, run_id: str, *, now: Any = time.time) -> None:
        self.root = Branch(name=title, status="pending")
        self.run_id = run_id
        self._now = now
        self._branches: dict[str, Branch] = {}

    def feed(self, type: str, path: str, at: float, data: Any) -> None:
        """Take one event in; types that show nothing are passed over."""
        data = data if isinstance(data, Mapping) else {}
        if type in _RUN_STATUS or type == "run_finished":
            self._feed_run(type, path, at, data)
        elif type in _STEP_STATUS:
            self._feed_step(type, path, at, data)
        elif type == "foreach_progress":
            self.branch(path).note = f"{data.get('completed', 0)}/{data.get('total', 0)}"
        elif type == "agent_text_delta":
            branch = self.branch(path)
            branch.tail = (branch.tail + str(data.get("text", "")))[-4 * TAIL_CHARS :]
        elif type == "agent_tool_call":
            self.branch(path).note = f"calls {data.get('tool')}"
        elif type == "step_output":
            self.branch(path).note = brief(data, TAIL_CHARS)

    def _feed_run(self, type: str, path: str, at: float, data: Mapping[str, Any]) -> None:
        if type == "run_resumed" and path:
            self.branch(path).status = "running"
        if type == "run_rewound":
            self.root.note, self.root.ended_at = "", 0.0
        self.root.status = _RUN_STATUS.get(type) or str(data.get("status"))
        self.root.started_at = self.root.started_at or at
        if type == "run_finished":
            self.root.ended_at = at
            error = data.get("error") or {}
            self.root.note = f"{error.get('type')}: {error.get('message')}" if error else str(data.get("reason") or "")

    def _feed_step(self, type: str, path: str, at: float, data: Mapping[str, Any]) -> None:
        branch = self.branch(path)
        branch.status = _STEP_STATUS[type]
        branch.kind = str(data.get("kind") or branch.kind)
        if type == "step_started":
            branch.started_at = branch.started_at or at
            branch.ended_at = 0.0
        elif type in {"step_finished", "step_failed", "step_canceled"}:
            branch.ended_at, branch.tail = at, ""
        error = data.get("error") or {}
        if error:
            branch.note = f"{error.get('type')}: {brief(str(error.get('message')))}"

    def branch(self, path: str) -> Branch:
        """Return the branch of a path, made if it is new; the root for an empty one."""
        if not path:
            return self.root
        found = self._branches.get(path)
        if found is None:
            above = parent_of(path)
            name = path[len(above) :].lstrip("/") if above else path
            found = self._branches[path] = self.branch(above).children[path] = Branch(name=name)
        return found

    def __rich__(self) -> "RenderableType":
        """Show the tree as it is now."""
        from rich.tree import Tree

        tree = Tree(self._label(self.root, suffix=f"  {self.run_id}"), guide_style="bright_black")
        self._grow(tree, self.root)
        return tree

    def _grow(self, tree: Any, branch: Branch) -> None:
        children = list(branch.children.values())
        if len(children) > MAX_ITEMS and all(_ITEM.search(child.name) for child in children):
            # What is done or has not begun says little; what runs, waits or failed is what one looks for.
            shown = [child for child in children if child.status != "success"][:MAX_ITEMS]
            tree.add(f"[bright_black]… {len(children) - len(shown)} more items[/]")
            children = shown
        for child in children:
            self._grow(tree.add(self._label(child)), child)

    def _label(self, branch: Branch, suffix: str = "") -> "Text":
        from rich.text import Text

        icon, style = ICONS.get(branch.status, ICONS["pending"])
        label = Text.assemble((f"{icon} ", style), (branch.name, "bold" if branch is self.root else ""))
        if branch.started_at:
            until = branch.ended_at or (self._now() if branch.status in {"running", "retrying"} else 0.0)
            if until:
                label.append(f"  {duration(until - branch.started_at)}", "bright_black")
        if branch.note:
            label.append(f"  {branch.note}", "red" if branch.status == "failed" else "bright_black")
        tail = " ".join(branch.tail.split())[-TAIL_CHARS:]
        if tail:
            label.append(f"  {tail}", "italic bright_black")
        label.append(suffix, "bright_black")
        return label


def parent_of(path: str) -> str:
    """Return the path of the step that a step stands in; empty for a top-level one.

    >>> parent_of("research[2]/search"), parent_of("research[2]"), parent_of("research")
    ('research[2]', 'research', '')
    """
    if _ITEM.search(path):
        return _ITEM.sub("", path)
    return path.rpartition("/")[0]


def duration(seconds: float) -> str:
    """Return a duration in the unit that suits it.

    >>> duration(0.0421), duration(3.14159), duration(90)
    ('42 ms', '3.1 s', '1 min 30 s')
    """
    if seconds < 1:
        return f"{max(0.0, seconds) * 1000:.0f} ms"
    if seconds < MINUTE_S:
        return f"{seconds:.1f} s"
    return f"{int(seconds // MINUTE_S)} min {int(seconds % MINUTE_S)} s"


def tree_of_view(view: Mapping[str, Any]) -> RunTree:
    """Return the tree of a run as it stands, from the runtime's view of it."""
    tree = RunTree(str(view.get("target")), str(view.get("run_id")))
    for path, step in (view.get("steps") or {}).items():
        branch = tree.branch(path)
        branch.status, branch.kind = step["status"], step.get("kind") or ""
        branch.started_at, branch.ended_at = step.get("started_at") or 0.0, step.get("ended_at") or 0.0
        error = step.get("error")
        branch.note = f"{error['type']}: {brief(error['message'])}" if error else brief(step.get("output") or "", 60)
    tree.root.status = view["status"]
    tree.root.started_at, tree.root.ended_at = view.get("created_at") or 0.0, view.get("finished_at") or 0.0
    error = view.get("error")
    tree.root.note = f"{error['type']}: {error['message']}" if error else str(view.get("reason") or "")
    return tree
