"""Reading values by dotted paths."""

from typing import Any

import pytest

from greenroom.runtime.core.mapping import MappingProblem, dig

VALUE = {"a": {"b": [1, {"c": None}], "": 5}, "0": "zero"}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        (".", VALUE),
        ("a.b", [1, {"c": None}]),
        ("a.b.0", 1),
        ("a.b.-1", {"c": None}),
        ("a.b.1.c", None),
        ("0", "zero"),
    ],
)
def test_a_path_leads_into_objects_and_lists(path: str, found: Any) -> None:
    """6. `.` is the whole value; None is a value."""
    assert dig(VALUE, path, "x") == found


@pytest.mark.parametrize("path", ["b", "a.c", "a.b.2", "a.b.x", "a.b.0.d", "a.b.1.c.d"])
def test_a_path_that_leads_nowhere_is_named(path: str) -> None:
    """6. The message has the path and where it ends."""
    with pytest.raises(MappingProblem, match=path.replace(".", r"\.")):
        dig(VALUE, path, "x")
