"""The head of a cluster dies, and with it Ray's memory of everything; the store survives."""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from greenroom.cli.processes import list_processes
from tests.kills.stage import kill, processes_below
from tests.tree import ROOT

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

LIMIT_S = 180
RAY = ("gcs_server", "raylet/raylet", "/agent.py", "/monitor.py", "/log_monitor.py")


def live(folder: str, life: str) -> "subprocess.Popen[bytes]":
    """Start a life."""
    command = [sys.executable, "-m", "tests.kills.lives", folder, life]
    return subprocess.Popen(command, cwd=ROOT, env={**os.environ}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


@pytest.fixture(scope="module")
def facts() -> Iterator[dict[str, Any]]:
    """What the second life found. Of the first all was killed that is Ray, so that its actors ended by themselves."""
    with tempfile.TemporaryDirectory(prefix="grk-", dir="/tmp", ignore_cleanup_errors=True) as folder:
        with live(folder, "first") as process:
            ids = Path(folder, "ids.json")
            while not ids.exists():
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(0.1)
                assert process.returncode is None, process.communicate()[1][-3000:]
            everything = processes_below([process.pid])
            for pid in (*processes_below([process.pid], RAY), process.pid):
                kill(pid)
        with live(folder, "second") as process:
            _, said = process.communicate(timeout=LIMIT_S)
        told = Path(folder, "facts.json")
        for pid in set(everything) & set(list_processes()):
            kill(pid)
        assert told.exists(), said[-3000:]
        yield json.loads(told.read_text())


def test_a_new_cluster_over_the_store_goes_on_by_itself(facts: dict[str, Any]) -> None:
    """Whoever connects with the app sets what was running and sleeping in motion again; nothing done is repeated."""
    assert facts["found"]["long"] == facts["found"]["sleepy"] == facts["found"]["sequence"] == "success"
    calls = {name: set(paths.values()) for name, paths in facts["calls"].items() if name != "long"}
    assert calls == {"sequence": {1}, "asking": {1, 2}, "paid": {1}, "sleepy": {1}}  # a resumed body runs again
    assert facts["calls"]["long"] == {"add_one": 1, "held": 2, "add_one#2": 1}


def test_a_new_cluster_over_the_store_finds_every_run(facts: dict[str, Any]) -> None:
    """What waits for a person or a signal waits on and takes its answer; a start with a key is the run from before."""
    assert facts["found"]["asking"] == "suspended"
    assert facts["found"]["paid"] == "waiting"
    assert facts["outputs"] == {"sequence": 5, "long": 21, "asking": 43, "paid": 5, "sleepy": 3}
    assert facts["all_are_listed"]
    assert facts["is_same_run"]
