"""The tree of a run: what it shows of each event."""

import io

from rich.console import Console

from greenroom.cli.tree import RunTree


def _shown(tree: RunTree) -> str:
    console = Console(file=io.StringIO(), width=120, color_system=None)
    console.print(tree)
    return str(console.file.getvalue())  # type: ignore[attr-defined]  # the StringIO from above


def _tree() -> RunTree:
    return RunTree("brief", "r-1", now=lambda: 10.0)


def test_nested_steps_stand_below_what_they_belong_to() -> None:
    """Items stand below their foreach, children below their step, each with its status and time."""
    tree = _tree()
    tree.feed("run_started", "", 1.0, {})
    tree.feed("step_started", "research", 1.0, {})
    tree.feed("step_started", "research[0]", 1.0, {})
    tree.feed("step_started", "research[0]/search", 1.0, {})
    tree.feed("step_finished", "research[0]/search", 1.25, {})
    tree.feed("foreach_progress", "research", 2.0, {"completed": 1, "total": 3})
    assert _shown(tree).splitlines() == [
        "◐ brief  9.0 s  r-1",
        "└── ◐ research  9.0 s  1/3",
        "    └── ◐ [0]  9.0 s",
        "        └── ✓ search  250 ms",
    ]


def test_what_an_agent_says_is_shown_until_it_is_done() -> None:
    """The tail of its text stands beside the step while it speaks."""
    tree = _tree()
    tree.feed("step_started", "writer", 1.0, {})
    tree.feed("agent_text_delta", "writer", 1.0, {"text": "Once upon"})
    tree.feed("agent_text_delta", "writer", 1.0, {"text": " a time"})
    assert "Once upon a time" in _shown(tree)
    tree.feed("step_finished", "writer", 2.0, {})
    assert "Once" not in _shown(tree)


def test_of_many_items_only_those_that_matter_are_shown() -> None:
    """Finished items make room for the one that failed."""
    tree = _tree()
    for item in range(50):
        tree.feed("step_started", f"each[{item}]", 1.0, {})
        tree.feed("step_finished", f"each[{item}]", 2.0, {})
    tree.feed("step_failed", "each[7]", 2.0, {"error": {"type": "ValueError", "message": "seven"}})
    shown = _shown(tree)
    assert "… 49 more items" in shown
    assert "✗ [7]  1.0 s  ValueError: seven" in shown


def test_the_end_of_the_run_is_shown_with_its_error() -> None:
    """A failed run says why, beside its name."""
    tree = _tree()
    tree.feed("run_started", "", 1.0, {})
    error = {"type": "ValueError", "message": "boom"}
    tree.feed("run_finished", "", 2.0, {"status": "failed", "error": error})
    assert _shown(tree).startswith("✗ brief  1.0 s  ValueError: boom")
