"""House rules that can be read off the files: sizes, names, docstrings, purity, and what must not be committed."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tree import ROOMS, relative, tracked

MAX_MODULE_LINES = 400
NAMES_OF_NOTHING = {"common", "helper", "helpers", "manager", "misc", "util", "utils"}
AMBIENT_CLOCK = {"now", "today", "utcnow"}

# The brackets keep each needle from matching itself, so that this file may be tracked too.
FORBIDDEN_TEXT = {
    "a registry host name": r"\b(?:p[y]pi\.org|python[h]osted|registry\.np[m]js)\b",
    "a path of one machine": r"/(?:w[o]rk|r[o]ot)/",
}


def _modules() -> list[Path]:
    return tracked("*.py")


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"), filename=str(path))


def test_no_module_is_longer_than_the_limit() -> None:
    """A module holds one noun; past the limit it holds two."""
    lengths = {relative(path): len(path.read_text("utf-8").splitlines()) for path in _modules()}
    assert {name: length for name, length in lengths.items() if length > MAX_MODULE_LINES} == {}


def test_every_module_and_folder_is_named_after_what_it_holds() -> None:
    """No module and no folder is called utils, helpers, common, misc or manager."""
    unnamed = [
        relative(path)
        for path in _modules()
        if NAMES_OF_NOTHING & {part.removesuffix(".py") for part in Path(relative(path)).parts}
    ]
    assert unnamed == []


def test_inner_packages_hold_a_docstring_only() -> None:
    """A name has one address inside the project; the public names are gathered in greenroom/__init__.py alone."""
    inner = tracked(*(f"{room}/**/__init__.py" for room in ROOMS), *(f"{room}/__init__.py" for room in ROOMS))
    assert inner
    offenders = [
        relative(path) for path in inner if len(_tree(path).body) != 1 or ast.get_docstring(_tree(path)) is None
    ]
    assert offenders == []


def _tests_of(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            yield node


def test_every_test_says_what_holds() -> None:
    """The docstring of a test is the sentence that is true while it passes."""
    silent = [
        f"{relative(path)}:{test.lineno} {test.name}"
        for path in tracked("tests/**/test_*.py", "tests/test_*.py")
        for test in _tests_of(path)
        if not ast.get_docstring(test)
    ]
    assert silent == []


def test_core_and_contracts_never_ask_for_the_time() -> None:
    """Times are arguments of pure code: import rules keep `time` out, and this keeps datetime.now() out."""
    calls = [
        f"{relative(path)}:{node.lineno}"
        for path in tracked("runtime/core/*.py", "runtime/contracts/*.py")
        for node in ast.walk(_tree(path))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in AMBIENT_CLOCK
    ]
    assert calls == []


@pytest.mark.parametrize("kind", FORBIDDEN_TEXT)
def test_no_tracked_file_names(kind: str) -> None:
    """A clone works on any machine and with any package index."""
    needle = re.compile(FORBIDDEN_TEXT[kind])
    found = [
        f"{relative(path)}:{number}: {line.strip()[:120]}"
        for path in tracked()
        for number, line in enumerate(path.read_text("utf-8", errors="replace").splitlines(), start=1)
        if needle.search(line)
    ]
    assert found == []
