"""What is shipped: the wheel holds every package and nothing else, and works without the source tree."""

import subprocess
import sys
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest
from uv import find_uv_bin

from tests.tree import ROOMS, ROOT, relative, settings, tracked


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the sdist, which is built from the tree: so both are shown to be complete."""
    out = tmp_path_factory.mktemp("dist")
    command = [find_uv_bin(), "build", "--quiet", "--offline", "--no-build-isolation", "--python", sys.executable]
    subprocess.run([*command, "--out-dir", str(out), str(ROOT)], check=True)
    assert len(list(out.glob("*.tar.gz"))) == 1
    (built,) = out.glob("*.whl")
    return built


def _names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def _metadata(wheel: Path, name: str) -> str:
    with zipfile.ZipFile(wheel) as archive:
        (path,) = (path for path in archive.namelist() if path.endswith(f".dist-info/{name}"))
        return archive.read(path).decode()


def test_the_wheel_holds_every_tracked_file_of_every_package(wheel: Path) -> None:
    """Modules, py.typed and data files all arrive, at the place they are imported from."""
    ours = [relative(path) for path in tracked("src/greenroom", *ROOMS)]
    installed = {name.removeprefix("src/") if name.startswith("src/") else f"greenroom/{name}" for name in ours}
    assert "greenroom/py.typed" in installed
    assert installed - _names(wheel) == set()


def test_the_wheel_holds_nothing_but_the_package(wheel: Path) -> None:
    """No tests, no examples, no second top-level name."""
    tops = {name.partition("/")[0] for name in _names(wheel)}
    assert tops == {"greenroom", f"greenroom-{settings()['project']['version']}.dist-info"}
    assert not [name for name in _names(wheel) if "/tests/" in name or "__pycache__" in name]


def test_the_wheel_declares_the_command_and_the_pinned_ray(wheel: Path) -> None:
    """`greenroom` is on the path after an install, beside the one minor version of Ray it was qualified with."""
    assert "greenroom = greenroom.cli.main:main" in _metadata(wheel, "entry_points.txt")
    metadata = Parser().parsestr(_metadata(wheel, "METADATA"))
    assert "ray[serve]<2.61,>=2.60" in metadata.get_all("Requires-Dist", [])


def test_the_installed_wheel_imports_without_the_source_tree(wheel: Path, tmp_path: Path) -> None:
    """Each room loads from the installed files, under its one name."""
    install = [find_uv_bin(), "pip", "install", "--quiet", "--offline", "--no-deps", "--python", sys.executable]
    subprocess.run([*install, "--target", str(tmp_path), str(wheel)], check=True)
    probe = "import sys; sys.path.insert(0, sys.argv.pop()); import importlib\n" + "\n".join(
        f"print(importlib.import_module('greenroom.{room}').__file__)" for room in ("runtime.contracts", *ROOMS)
    )
    command = [sys.executable, "-I", "-c", probe, str(tmp_path)]
    shown = subprocess.run(command, check=True, capture_output=True, text=True, cwd=tmp_path).stdout
    assert all(Path(line).is_relative_to(tmp_path) for line in shown.splitlines())
    assert len(shown.splitlines()) == len(ROOMS) + 1
