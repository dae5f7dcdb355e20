"""Every test that a promise names exists."""

import re

from tests.tree import ROOT

NAME = re.compile(r"`(test_\w+)`")
DEFINITION = re.compile(r"^(?:async )?def (test_\w+)", re.MULTILINE)


def test_every_promise_names_tests_that_exist() -> None:
    """A promise without its test, or with one that was renamed, is found."""
    text = (ROOT / "docs" / "guarantees.md").read_text("utf-8")
    defined = {name for path in (ROOT / "tests").rglob("test_*.py") for name in DEFINITION.findall(path.read_text())}
    promises = re.findall(r"^\d+\. .*?(?=^\d+\. |^## )", text, re.DOTALL | re.MULTILINE)
    assert len(promises) >= 13
    assert [promise.split("\n")[0] for promise in promises if not NAME.search(promise)] == []
    assert sorted(set(NAME.findall(text)) - defined) == []
