"""Commands that execute runs again and look after bundles, over real HTTP and through the handle."""

import json

from tests.cli.conftest import RunningStage, Shell


def test_a_run_is_forked_from_a_step(running: RunningStage, shell: Shell) -> None:
    """The new run's id is told, with the command that follows it; with --follow its result is."""
    shell("run", "sum", "--input", "4", "--run-id", "r-1")
    told = json.loads(shell("runs", "fork", "r-1", "double", "--input", "50", "--json").stdout)
    assert (told["forked_from"], told["run_id"] != "r-1") == ("r-1", True)
    assert json.loads(shell("runs", "show", told["run_id"], "--json").stdout)["output"] == 100
    followed = shell("runs", "fork", "r-1", "double", "--follow")
    assert (followed.exit_code, followed.stdout.strip()) == (0, "10")
    assert "greenroom runs events" in shell("runs", "fork", "r-1", "double").stderr


def test_a_run_goes_back_in_place(running: RunningStage, shell: Shell) -> None:
    """The result of the same run is the new one."""
    shell("run", "sum", "--input", "4", "--run-id", "r-1")
    again = shell("runs", "rerun", "r-1", "double", "--input", "6", "--follow", "--json")
    assert again.exit_code == 0
    assert json.loads(shell("runs", "show", "r-1", "--json").stdout)["output"] == 12
    assert "r-1 runs again from add_one" in shell("runs", "rerun", "r-1", "add_one").stderr


def test_an_unknown_step_ends_with_an_error(running: RunningStage, shell: Shell) -> None:
    """The steps there are stand in the message, on stderr."""
    shell("run", "sum", "--input", "4", "--run-id", "r-1")
    result = shell("runs", "fork", "r-1", "tripple")
    assert (result.exit_code != 0, result.stdout) == (True, "")
    assert "add_one, double" in result.stderr


def test_bundles_are_drained_and_runs_moved(running: RunningStage, shell: Shell) -> None:
    """Each tells what it did; a report with nothing to do is one too."""
    bundle = running.handle.status()["bundle"]
    drained = shell("runs", "drain", bundle[:10])
    assert f"{bundle} takes no new runs; open runs left: 0" in drained.stderr
    assert shell("run", "sum", "--input", "4").exit_code != 0
    assert "takes new runs" in shell("runs", "drain", bundle, "--undo").stderr
    assert "there is no older bundle" in shell("runs", "drain").stderr
    moved = shell("runs", "migrate", "--dry-run")
    assert (moved.exit_code, f"would move 0 runs to {bundle}" in moved.stderr) == (0, True)
    told = json.loads(shell("runs", "migrate", "--json").stdout)
    assert (told["to"], told["migrated"], told["refused"]) == (bundle, [], [])
