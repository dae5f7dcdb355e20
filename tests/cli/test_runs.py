"""Commands about runs, over real HTTP to a runtime in this process: what they write, and how they end."""

import json

from tests.cli.conftest import RunningStage, Shell


def test_a_finished_run_is_written_as_one_document(running: RunningStage, shell: Shell) -> None:
    """`run --json` writes the whole result on stdout, and nothing else there."""
    result = shell("run", "sum", "--input", "4", "--json")
    told = json.loads(result.stdout)
    assert result.exit_code == 0
    assert (told["status"], told["output"], told["input"]) == ("success", 10, 4)
    assert list(told["steps"]) == ["add_one", "double"]
    assert told["trace_id"]


def test_a_person_gets_the_output_and_one_line_about_the_run(running: RunningStage, shell: Shell) -> None:
    """Without --json the output is on stdout, and what is said about it on stderr."""
    result = shell("run", "sum", "--input", "4", "--run-id", "r-1")
    assert result.stdout.strip() == "10"
    assert result.stderr.startswith("success · ")
    assert "run r-1" in result.stderr


def test_input_comes_from_a_file_or_from_stdin(running: RunningStage, shell: Shell) -> None:
    """`@file` and `-` are read; the output is the same."""
    with open("four.json", "w") as file:  # noqa: PTH123 - the current folder is the project
        file.write("4")
    assert shell("run", "sum", "--input", "@four.json").stdout.strip() == "10"
    assert shell("run", "sum", "--input", "-", stdin="4").stdout.strip() == "10"


def test_following_shows_the_steps(running: RunningStage, shell: Shell) -> None:
    """`--follow` shows the tree of steps; as JSON it writes every event on a line and the result at the end."""
    shown = shell("run", "sum", "--input", "4", "--follow")
    assert "✓ add_one" in shown.stderr
    assert "✓ double" in shown.stderr
    lines = shell("run", "sum", "--input", "4", "--follow", "--json").stdout
    events = [json.loads(line) for line in lines.splitlines()[:6]]
    assert [event["seq"] for event in events] == [1, 2, 3, 4, 5, 6]
    assert events[-1]["type"] == "run_finished"


def test_a_failed_run_ends_with_one(running: RunningStage, shell: Shell) -> None:
    """The exit code tells that the run failed, and stderr why."""
    result = shell("run", "fail", "--input", "4")
    assert result.exit_code == 1
    assert "ValueError: boom 4" in result.stderr


def test_a_suspended_run_says_how_to_go_on(running: RunningStage, shell: Shell) -> None:
    """What waits, what it shows, and the command that resumes it are told; then it is resumed."""
    parked = shell("run", "ask", "--input", "4", "--run-id", "r-2")
    assert parked.exit_code == 0
    assert "greenroom runs resume r-2 review --data JSON" in parked.stderr
    assert json.loads(parked.stdout) == {"value": 5}
    wrong = shell("runs", "resume", "r-2", "--data", '{"approved": "perhaps"}')
    assert (wrong.exit_code, wrong.stdout) == (2, "")
    resumed = shell("runs", "resume", "r-2", "--data", '{"approved": true}', "--follow", "--json")
    assert resumed.exit_code == 0
    last = resumed.stdout[resumed.stdout.index('{\n  "run_id"') :]
    assert json.loads(last)["output"] == 10
    again = shell("runs", "resume", "r-2", "--data", '{"approved": true}', "--json")
    assert (again.exit_code, json.loads(again.stdout)["error"]["code"]) == (1, "already_claimed")


def test_a_resume_names_the_suspension_that_it_answers(running: RunningStage, shell: Shell) -> None:
    """What waits is told with its token; a token of another suspension is refused, and the right one is taken."""
    parked = shell("run", "ask", "--input", "4", "--run-id", "r-3")
    token = parked.stderr.partition("--suspension ")[2].split()[0]
    answer = ("runs", "resume", "r-3", "review", "--data", '{"approved": true}', "--json", "--suspension")
    refused = shell(*answer, "0" * 16)
    assert (refused.exit_code, json.loads(refused.stdout)["error"]["code"]) == (1, "already_claimed")
    assert shell(*answer, token).exit_code == 0


def test_runs_are_listed_and_shown(running: RunningStage, shell: Shell) -> None:
    """A list has the newest first, page after page; a run is shown with the tree of its steps."""
    for number in range(3):
        shell("run", "sum", "--input", str(number), "--run-id", f"s-{number}")
    page = json.loads(shell("runs", "list", "--json", "--limit", "2").stdout)
    assert [run["run_id"] for run in page["items"]] == ["s-2", "s-1"]
    assert page["items"][0]["target"] == "sum"
    rest = json.loads(shell("runs", "list", "--json", "--cursor", page["next_cursor"]).stdout)
    assert [run["run_id"] for run in rest["items"]] == ["s-0"]
    assert "s-2" in shell("runs", "list", "--workflow", "sum", "--status", "success").stdout
    shown = shell("runs", "show", "s-2")
    assert "✓ add_one" in shown.stdout
    assert json.loads(shell("runs", "show", "s-2", "--json").stdout)["run_id"] == "s-2"


def test_events_are_shown_behind_a_number(running: RunningStage, shell: Shell) -> None:
    """`--after` leaves out what is known; the command ends with the last event there is."""
    shell("run", "ask", "--input", "4", "--run-id", "e-1")
    lines = shell("runs", "events", "e-1", "--after", "3", "--json").stdout.splitlines()
    assert [json.loads(line)["seq"] for line in lines] == [4, 5, 6]
    assert "step_suspended" in shell("runs", "events", "e-1").stdout
    assert shell("runs", "events", "e-1", "--after", "6").stdout == ""


def test_signals_and_cancels_are_acknowledged(running: RunningStage, shell: Shell) -> None:
    """A signal reaches its run; a second cancel of what has finished ends with one."""
    shell("run", "pay", "--input", "1", "--run-id", "p-1", "--detach")
    assert shell("runs", "signal", "p-1", "paid", "--data", '{"approved": true}').exit_code == 0
    shown = json.loads(shell("runs", "events", "p-1", "--follow", "--json").stdout.splitlines()[-1])
    assert shown["data"] == {"status": "success", "output": True}
    assert json.loads(shell("runs", "cancel", "p-1", "--json").stdout) == {"run_id": "p-1", "canceled": False}
    shell("run", "ask", "--input", "4", "--run-id", "c-1")
    assert shell("runs", "cancel", "c-1", "--reason", "enough").exit_code == 0
    assert shell("runs", "cancel", "p-1").exit_code == 1


def test_what_does_not_exist_is_named(running: RunningStage, shell: Shell) -> None:
    """An unknown workflow or run, and input that does not fit, each give one line and nothing on stdout."""
    cases = {
        ("run", "nope"): (1, "there is no workflow 'nope'; there are: "),
        ("runs", "show", "nope"): (1, "no run 'nope'"),
        ("runs", "events", "nope"): (1, "no run 'nope'"),
        ("runs", "cancel", "nope"): (1, "no run 'nope'"),
        ("run", "sum", "--input", '"x"'): (2, "Invalid input for workflow 'sum'"),
    }
    for arguments, (code, text) in cases.items():
        result = shell(*arguments)
        assert (result.exit_code, result.stdout) == (code, "")
        assert result.stderr.count("\n") == 1
        assert text in result.stderr
