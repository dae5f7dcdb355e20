"""Commands that use the runtime's own handle: status, tools, chat, the store's figures."""

import json

from tests.cli.conftest import RunningStage, Shell
from tests.serve.stage import called, said


def test_status_tells_how_the_runtime_is(running: RunningStage, shell: Shell) -> None:
    """As JSON it is what the runtime says, with where it is reached."""
    told = json.loads(shell("status", "--json").stdout)
    assert told["state"] == "running"
    assert told["http"].startswith("http://127.0.0.1:")
    assert "running" in shell("status").stdout


def test_tools_are_listed_and_called(running: RunningStage, shell: Shell) -> None:
    """A tool's result is written; arguments that do not fit are refused."""
    assert set(json.loads(shell("tools", "list", "--json").stdout)) >= {"search", "publish"}
    assert shell("tools", "exec", "search", "--input", '{"query": "ray"}').stdout.strip() == "found ray"
    told = shell("tools", "exec", "search", "--input", '{"query": "ray"}', "--json")
    assert json.loads(told.stdout) == {"tool": "search", "result": "found ray"}
    assert shell("tools", "exec", "search", "--input", "{}").exit_code == 2
    assert shell("tools", "exec", "broken", "--input", '{"query": "x"}').exit_code == 1


def test_a_long_result_is_not_broken_into_lines(running: RunningStage, shell: Shell) -> None:
    """What is piped on is whole, however narrow the terminal is."""
    words = "ray " * 100
    arguments = json.dumps({"query": words})
    assert shell("tools", "exec", "search", "--input", arguments).stdout == f"found {words}\n"


def test_a_chat_through_a_pipe_answers_line_by_line(running: RunningStage, shell: Shell) -> None:
    """Each line of stdin is a message; the answers are on stdout, and `/quit` ends it."""
    running.turns.play(said("Good day to you"), said("As you wish"))
    result = shell("chat", "writer", stdin="hello\n\nwrite\n/quit\nnever\n")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == ["Good day to you", "As you wish"]


def test_a_chat_asks_before_a_tool_that_needs_approval(running: RunningStage, shell: Shell) -> None:
    """`y` lets the call run; anything else, the end of the input too, declines it."""
    running.turns.play(called(("c1", "publish", {"page": "one"})), said("Done"))
    shell("chat", "writer", stdin="publish it\ny\n")
    assert running.turns.asked[-1]["messages"][-1]["content"] == "published one"
    running.turns.play(called(("c2", "publish", {"page": "two"})), said("Not done"))
    result = shell("chat", "writer", stdin="publish it\n")
    assert "the user said no" in running.turns.asked[-1]["messages"][-1]["content"]
    assert result.stdout.strip() == "Not done"


def test_a_chat_for_machines_is_one_line_for_each_answer(running: RunningStage, shell: Shell) -> None:
    """With --json each answer is an object with its text, run and usage."""
    running.turns.play(said("Good day"), said("Again"))
    lines = shell("chat", "writer", "--json", stdin="hello\nhello\n").stdout.splitlines()
    told = [json.loads(line) for line in lines]
    assert [answer["text"] for answer in told] == ["Good day", "Again"]
    assert told[0]["usage"]["input_tokens"] == 10


def test_a_chat_with_nobody_names_who_there_is(running: RunningStage, shell: Shell) -> None:
    """An unknown agent is refused before anything is read."""
    result = shell("chat", "nobody", stdin="hello\n")
    assert result.exit_code == 1
    assert "there is no agent 'nobody'; there are: writer" in result.stderr


def test_the_figures_of_the_store_are_shown(running: RunningStage, shell: Shell) -> None:
    """`storage stats` shows what the store says of itself."""
    assert "url" in json.loads(shell("storage", "stats", "--json").stdout)
