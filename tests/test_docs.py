"""Examples run: those in docstrings, and those in the pages."""

import doctest
import importlib
import pkgutil
import re
from pathlib import Path

import pytest

import greenroom
from tests.tree import ROOT, relative, tracked

OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
LINK = re.compile(r"\[[^\]]*\]\((?P<target>[^)#\s]+)[^)]*\)")
FENCE = re.compile(r"(?ms)^```.*?^```")


def _modules() -> list[str]:
    found = pkgutil.walk_packages(greenroom.__path__, "greenroom.")
    return ["greenroom", *(module.name for module in found if not module.name.endswith("__main__"))]


@pytest.mark.parametrize("name", _modules())
def test_the_examples_of_a_module_hold(name: str) -> None:
    """Every `>>>` in a docstring prints what the docstring says."""
    assert doctest.testmod(importlib.import_module(name), optionflags=OPTIONS).failed == 0


@pytest.mark.parametrize("page", tracked("*.md"), ids=relative)
def test_the_examples_of_a_page_hold(page: Path) -> None:
    """Every `>>>` in a page prints what the page says."""
    assert doctest.testfile(str(page), module_relative=False, optionflags=OPTIONS, encoding="utf-8").failed == 0


@pytest.mark.parametrize("page", tracked("*.md"), ids=relative)
def test_the_links_of_a_page_lead_somewhere(page: Path) -> None:
    """A relative link names a file of this repository."""
    targets = [match["target"] for match in LINK.finditer(FENCE.sub("", page.read_text("utf-8")))]
    local = [target for target in targets if "://" not in target and not target.startswith("mailto:")]
    outside = [target for target in local if not (page.parent / target).resolve().is_relative_to(ROOT)]
    assert [target for target in local if not (page.parent / target).exists()] == outside == []
