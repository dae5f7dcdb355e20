"""The README's code runs as it stands."""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.tree import ROOT

pytestmark = pytest.mark.cluster

BLOCK = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)


def test_the_application_and_the_script_of_the_readme_run(tmp_path: Path) -> None:
    """A newcomer saves both blocks and runs the second: the run suspends, is resumed and ends as the comment says."""
    application, script = BLOCK.findall((ROOT / "README.md").read_text("utf-8"))
    (tmp_path / "hello.py").write_text(application)
    (tmp_path / "notebook.py").write_text(script)
    with tempfile.TemporaryDirectory(prefix="gr-") as folder:
        done = subprocess.run(
            [sys.executable, "notebook.py"],
            cwd=tmp_path,
            env={
                **os.environ,
                "GREENROOM_RUNTIME__RAY_TEMP_DIR": f"{folder}/ray",
                "RAY_AUTH_TOKEN_PATH": f"{folder}/token",
            },
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
    lines = done.stdout.splitlines()
    assert lines == [
        "suspended {'review': {'item': 'lamp', 'cents': 1200}}",
        "{'item': 'lamp', 'cents': 1200}",
    ], done.stderr
