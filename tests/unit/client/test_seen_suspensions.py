"""What a handle knows of suspensions, and which one a resume by it means."""

from greenroom.runtime.client.seen_suspensions import SeenSuspensions
from greenroom.runtime.contracts.values import Json


def seen(*waiting: str, labels: dict[str, str] | None = None, seq: int = 0) -> SeenSuspensions:
    known = SeenSuspensions()
    known.see_view({"suspensions": {path: f"token of {path}" for path in waiting}, "labels": labels, "event_seq": seq})
    return known


def suspended(token: str, label: str | None = None) -> Json:
    return {"payload": None, "label": label, "suspension": token}


def test_a_path_means_the_suspension_that_was_seen_there() -> None:
    """A path, or a foreach's path and an index; a name that is not a path may mean several and is left open."""
    known = seen("outer/ask", "each[1]")
    assert known.meant("outer/ask", None, None) == "token of outer/ask"
    assert known.meant("each", None, 1) == "token of each[1]"
    assert known.meant("ask", None, None) is None
    assert known.meant("each", None, None) is None


def test_a_label_means_the_step_that_showed_it() -> None:
    """From a view or from an event."""
    known = seen("ask", labels={"go": "ask"})
    known.see_event(9, "step_suspended", "other", suspended("t", "stop"))
    assert known.meant(None, "go", None) == "token of ask"
    assert known.meant(None, "stop", None) == "t"
    assert known.meant(None, "wait", None) is None


def test_no_name_means_the_only_one_that_was_seen_waiting() -> None:
    """With several, or none, it is left open; so it is for an index without a name."""
    assert seen("ask").meant(None, None, None) == "token of ask"
    assert seen("ask").meant(None, None, 0) is None
    assert seen("a", "b").meant(None, None, None) is None
    assert seen().meant(None, None, None) is None


def test_a_newer_event_counts_and_an_older_one_does_not() -> None:
    """A reader that begins at the first event goes through suspensions that were answered long ago."""
    known = seen("ask", seq=7)
    known.see_event(5, "step_suspended", "ask", suspended("old"))
    assert known.meant("ask", None, None) == "token of ask"
    known.see_event(8, "step_suspended", "ask", suspended("new"))
    assert known.meant("ask", None, None) == "new"


def test_what_was_answered_by_others_is_still_what_was_seen() -> None:
    """It does not become a resume of whatever comes next; but it does not wait any more."""
    known = seen("ask", seq=7)
    known.see_event(8, "run_resumed", "ask", {"data": 1})
    assert known.meant("ask", None, None) == "token of ask"
    assert known.meant(None, None, None) is None


def test_a_run_that_goes_back_is_seen_anew() -> None:
    """A rerun by this handle forgets what was there before."""
    known = seen("ask", labels={"go": "ask"})
    known.clear()
    assert known.meant("ask", None, None) is None
    assert known.meant(None, "go", None) is None
    assert known.meant(None, None, None) is None
