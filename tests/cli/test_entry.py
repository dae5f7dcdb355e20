"""The entry of the command: quick, and clear on a Python that is too old."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from greenroom.cli import main
from tests.tree import ROOT

HEAVY = {"ray", "httpx", "openai", "fastapi", "pyarrow", "pydantic", "uvicorn", "duckdb"}


def test_help_loads_nothing_heavy() -> None:
    """`greenroom --help` answers at once: Ray, pydantic and the HTTP stack load when a command needs them."""
    probe = "import sys; from greenroom.cli.program import run; run(['--help']); print(*sys.modules, file=sys.stderr)"
    result = subprocess.run([sys.executable, "-c", probe], check=True, capture_output=True, text=True)
    assert "Usage: greenroom" in result.stdout
    assert not HEAVY & {name.partition(".")[0] for name in result.stderr.split()}


def test_an_old_python_gets_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The version is looked at before anything of today is imported."""
    monkeypatch.setattr(sys, "version_info", (3, 8, 1))
    with pytest.raises(SystemExit) as ended:
        main.main()
    said = capsys.readouterr().err
    assert ended.value.code == 1
    assert said.count("\n") == 1
    assert "needs Python 3.11 or newer, and this is 3.8" in said


@pytest.mark.parametrize("name", ["__init__.py", "cli/__init__.py", "cli/main.py"])
def test_what_an_old_python_reads_it_can_parse(name: str) -> None:
    """The way to the version check is written in the Python of long ago."""
    source = Path(ROOT / "src/greenroom" / name).read_text("utf-8")
    ast.parse(source, feature_version=(3, 6))


def test_the_version_is_shown() -> None:
    """`--version` names the package and its version."""
    result = subprocess.run(
        [sys.executable, "-m", "greenroom.cli.main", "--version"], check=True, capture_output=True, text=True
    )
    assert result.stdout.startswith("greenroom 0.")
