"""The project as files: its root, its settings and what git tracks.

Convention tests read it; nothing here knows the code.
"""

import subprocess
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent

ROOMS = ("actors", "runtime", "serve", "storage")
"""The folders that stand at the top level and are installed below `greenroom`."""


def settings() -> dict[str, Any]:
    """The parsed pyproject.toml."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


def tracked(*patterns: str) -> list[Path]:
    """Files git tracks that match one of the patterns (all without one), as absolute paths; links are not followed."""
    command = ["git", "ls-files", "-z", "--", *patterns]
    names = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\0")
    paths = (ROOT / name for name in names if name)
    return [path for path in paths if path.is_file() and not path.is_symlink()]


def relative(path: Path) -> str:
    """The path as messages show it."""
    return path.relative_to(ROOT).as_posix()
