"""The explicit package list: a package that is missing there would be left out of the wheel without a word."""

import subprocess
import sys
from pathlib import Path

from tests.tree import ROOMS, ROOT, settings

HEAVY = {"duckdb", "fastapi", "openai", "polars", "pyarrow", "ray", "starlette", "uvicorn"}


def _sources() -> list[tuple[str, Path]]:
    """The folders that hold packages, each with the package it is installed as."""
    return [("greenroom", ROOT / "src/greenroom"), *((f"greenroom.{room}", ROOT / room) for room in ROOMS)]


def _folders_with(pattern: str) -> set[str]:
    found = set[str]()
    for package, source in _sources():
        for path in source.rglob(pattern):
            inner = path.parent.relative_to(source).parts
            if "__pycache__" in inner or (package == "greenroom" and inner[:1] and inner[0] in ROOMS):
                continue
            found.add(".".join((package, *inner)))
    return found


def test_the_package_list_names_every_package() -> None:
    """The list in pyproject.toml and the folders with an __init__.py are the same set."""
    assert set(settings()["tool"]["setuptools"]["packages"]) == _folders_with("__init__.py")


def test_every_folder_of_modules_is_a_package() -> None:
    """A module beside no __init__.py would be importable here and absent from the wheel."""
    assert _folders_with("*.py") == _folders_with("__init__.py")


def test_the_rooms_are_linked_below_greenroom_by_relative_links() -> None:
    """Tools that read source see the layout the installed package has, wherever the clone stands."""
    links = {room: (ROOT / "src/greenroom" / room).readlink().as_posix() for room in ROOMS}
    assert links == {room: f"../../{room}" for room in ROOMS}


def test_importing_greenroom_loads_nothing_heavy() -> None:
    """`import greenroom` is cheap: Ray, Arrow, the HTTP stack and the model client load on first use."""
    probe = "import sys, greenroom; print(*{name.partition('.')[0] for name in sys.modules})"
    loaded = subprocess.run([sys.executable, "-c", probe], check=True, capture_output=True, text=True).stdout
    assert not HEAVY & set(loaded.split())
