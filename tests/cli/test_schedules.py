"""Commands about schedules, on a runtime in this process."""

import json

import pytest

from tests.cli.conftest import RunningStage, Shell


@pytest.fixture
def morning(running: RunningStage) -> str:
    """A schedule that starts the workflow `sum` at nine."""
    running.handle.schedules.create(id="morning", workflow="sum", cron="0 9 * * *", input=4)
    return "morning"


def test_schedules_are_listed_and_shown(morning: str, shell: Shell) -> None:
    """With what they start and when; by status; as JSON everything that is known."""
    listed = shell("schedules", "list").stdout
    assert all(word in listed for word in ("morning", "workflow sum", "0 9 * * *", "active"))
    told = json.loads(shell("schedules", "list", "--json").stdout)
    assert [item["schedule_id"] for item in told["items"]] == ["morning"]
    assert json.loads(shell("schedules", "list", "--status", "paused", "--json").stdout)["items"] == []
    shown = shell("schedules", "show", "morning").stdout
    assert "morning: workflow sum, 0 9 * * *, active" in shown
    assert "input: 4" in shown
    assert json.loads(shell("schedules", "show", "morning", "--json").stdout)["next_at"] == 1_800_003_600.0


def test_a_schedule_is_paused_and_resumed(morning: str, shell: Shell) -> None:
    """The answer is the schedule; a policy that there is not is refused."""
    assert json.loads(shell("schedules", "pause", "morning", "--json").stdout)["status"] == "paused"
    assert shell("schedules", "resume", "morning", "--catch-up", "some").exit_code == 2
    assert json.loads(shell("schedules", "resume", "morning", "--json").stdout)["status"] == "active"


def test_a_schedule_runs_now_and_tells_its_history(morning: str, shell: Shell) -> None:
    """One run for a key; the history names it."""
    run_id = json.loads(shell("schedules", "run", "morning", "--key", "k", "--json").stdout)["run_id"]
    assert run_id in shell("schedules", "run", "morning", "--key", "k").stderr
    assert json.loads(shell("runs", "show", run_id, "--json").stdout)["input"] == 4
    told = json.loads(shell("schedules", "history", "morning", "--json").stdout)
    assert [(line["kind"], line["outcome"], line["run_id"]) for line in told["items"]] == [
        ("manual", "started", run_id)
    ]
    assert "manual" in shell("schedules", "history", "morning").stdout


def test_a_schedule_that_there_is_not_is_told(running: RunningStage, shell: Shell) -> None:
    """In one line, with exit code 1."""
    result = shell("schedules", "show", "none")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "no schedule 'none'" in result.stderr
