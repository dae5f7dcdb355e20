"""The short form of `make kills`."""

import itertools
import os
import subprocess
import sys
from typing import get_args

import pytest

from tests.kills.killer import Victim, plan
from tests.tree import ROOT

SEED = 2851
KILLS = 6
LIMIT_S = 280


@pytest.mark.cluster
@pytest.mark.slow
def test_kills_under_load_break_no_promise() -> None:
    """Worker, runtime, both, a node, and the runtime while it recovers: judged from outside, nothing is wrong."""
    assert {blow.victim for blow in plan(SEED, KILLS)} == set(get_args(Victim))
    command = [sys.executable, "-m", "tests.kills", "--seed", str(SEED), "--kills", str(KILLS), "--customers", "4"]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ}, capture_output=True, text=True, timeout=LIMIT_S, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    assert f"{KILLS:8}  kills" in done.stdout


def test_a_seed_decides_what_is_killed() -> None:
    """The same number gives the same blows, so that a campaign can be played again; another gives others."""
    assert plan(7, 40) == plan(7, 40) != plan(8, 40)


def test_the_runtime_is_killed_in_its_recovery_right_after_it_was_killed() -> None:
    """A blow during a recovery follows one from which the runtime recovers."""
    blows = plan(7, 200)
    pairs = [(one.victim, other.victim) for one, other in itertools.pairwise(blows)]
    assert {one for one, other in pairs if other == "recovering"} == {"runtime", "both"}
