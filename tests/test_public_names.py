"""The names users import from greenroom: they are all there, they are light, and they are documented."""

import ast
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import greenroom
from greenroom.runtime.contracts.errors import all_errors

INTERNAL = {"BundleUnavailable", "WorkerLost"}


def _typed_names() -> set[str]:
    """The names that type checkers see: those imported under TYPE_CHECKING."""
    tree = ast.parse(Path(inspect.getfile(greenroom)).read_text("utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    return {
        alias.asname or alias.name for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names
    }


@pytest.mark.parametrize("name", greenroom.__all__)
def test_every_public_name_is_there(name: str) -> None:
    """Each loads from its home on first use, and has a docstring if it is code."""
    found = getattr(greenroom, name)
    assert name == "__version__" or inspect.getdoc(found)


def test_type_checkers_see_the_same_names() -> None:
    """What is loaded lazily and what is imported for type checkers is one list."""
    assert _typed_names() | {"__version__"} == set(greenroom.__all__)


def test_dir_lists_the_public_names() -> None:
    """Completion in a notebook shows them, and nothing else."""
    assert set(dir(greenroom)) == set(greenroom.__all__)


def test_every_error_is_public() -> None:
    """Whatever the library raises can be caught by a name users import."""
    own = "greenroom.runtime."  # the command line has two besides, for its exit codes
    tree = {error.__name__ for error in all_errors() if error.__module__.startswith(own)}
    assert tree <= set(greenroom.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    """As of any module."""
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        greenroom.nothing  # noqa: B018 - the access is under test


def test_importing_greenroom_is_quick() -> None:
    """Under 200 ms, with nothing loaded that a command line that only wants help would wait for."""
    probe = """
import sys, time
before, start = set(sys.modules), time.perf_counter()
import greenroom
print(time.perf_counter() - start, *(set(sys.modules) - before))
"""
    output = subprocess.run([sys.executable, "-c", probe], check=True, capture_output=True, text=True).stdout
    seconds, *modules = output.split()
    assert float(seconds) < 0.2
    assert {name.partition(".")[0] for name in modules} <= {"greenroom", *sys.stdlib_module_names}


def test_definitions_need_no_ray() -> None:
    """A module that defines an app loads where Ray is not started, and not even imported."""
    probe = "import sys; from greenroom import App, Agent, Workflow, step, tool; App(); print('ray' in sys.modules)"
    output = subprocess.run([sys.executable, "-c", probe], check=True, capture_output=True, text=True).stdout
    assert output.strip() == "False"
