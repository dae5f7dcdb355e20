"""`greenroom demo` as a user runs it: everything it claims, and nothing left behind."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tree import ROOT

LIMIT_S = 180


@pytest.mark.cluster
@pytest.mark.slow
def test_the_demo_holds_what_it_claims(tmp_path: Path) -> None:
    """A run over HTTP, parallel research, a killed runtime, a resume, a brief with true quotes, and a clean end."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("OPENAI_", "GREENROOM_"))}
    command = [sys.executable, "-m", "greenroom.cli.main", "demo", "--json", "--out", str(tmp_path)]
    result = subprocess.run(
        command, check=False, capture_output=True, text=True, timeout=LIMIT_S, cwd=ROOT, env=environment
    )
    assert result.returncode == 0, result.stderr + result.stdout
    told = json.loads(result.stdout)
    assert [name for name, holds in told["claims"].items() if not holds] == []
    assert told["left"] == []
    assert told["runtime"]["new_pid"] != told["runtime"]["killed_pid"]
    assert told["sent_back"], "the first draft leaves sections out, and `validate` says so"
    assert told["usage"]["totalTokens"] > 0
    assert told["usage"]["costMicros"] > 0
    brief = Path(told["brief"]).read_text("utf-8")
    assert brief.count("\n> ") == told["outcome"]["quotes"] >= 6
    assert (tmp_path / Path(told["outcome"]["cover"]).name).read_bytes().startswith(b"\x89PNG")
