"""Bad input at the command line: one clear line that says what to do, the right exit code, no trace."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

import greenroom
from greenroom.app import RunningRuntime, write_run_file
from greenroom.cli.program import run
from greenroom.settings import load_config
from tests.cli.conftest import Shell

GONE = 2**22 - 1
"""An id that no process has: the largest one that Linux gives by default."""


@pytest.mark.parametrize(
    "arguments",
    [
        ("status",),
        ("run", "sum"),
        ("runs", "list"),
        ("runs", "show", "r"),
        ("chat", "writer"),
        ("schedules", "list"),
        ("tools", "list"),
        ("tools", "exec", "add"),
        ("down",),
    ],
    ids=" ".join,
)
def test_without_a_runtime_the_exit_code_is_three(shell: Shell, arguments: tuple[str, ...]) -> None:
    """Commands that need a runtime say that none is up; for machines also as JSON."""
    result = shell(*arguments)
    assert (result.exit_code, result.stdout) == (3, "")
    assert "no runtime is up" in result.stderr
    assert result.stderr.count("\n") == 1
    told = json.loads(shell(*arguments, "--json").stdout)
    assert told["error"]["code"] == "runtime_unavailable"


@pytest.mark.parametrize(
    ("code", "target", "expected"),
    [
        ("", "nosuch:app", "There is no module 'nosuch'"),
        ("import nosuchlibrary", "mine_a:app", "ModuleNotFoundError: No module named 'nosuchlibrary'"),
        ("\n\nraise ValueError('out of milk')", "mine_b:app", "ValueError: out of milk"),
        ("def broken(:", "mine_c:app", "SyntaxError"),
        ("x = 1", "mine_d:app", "Module 'mine_d' has no 'app'"),
        ("app = 1", "mine_e:app", "'mine_e:app' is a int, not an App"),
        ("", "no such thing", "is not a target; write 'module:attribute'"),
    ],
    ids=["no module", "no library", "raises", "syntax", "no attribute", "no app", "no target"],
)
def test_a_broken_app_is_told_before_anything_is_started(
    shell: Shell, project: Path, code: str, target: str, expected: str
) -> None:
    """`up` loads the app first: the message names what is wrong, with file and line of the user's code."""
    module = target.partition(":")[0]
    if code:
        (project / f"{module}.py").write_text(code)
    result = shell("up", target)
    assert (result.exit_code, result.stdout) == (1, "")
    assert expected in result.stderr
    assert result.stderr.count("\n") == 1
    if "raise" in code:
        assert f"{module}.py, line 3" in result.stderr


def test_up_without_an_app_says_how_to_name_one(shell: Shell) -> None:
    """Neither argument nor configuration: a usage error."""
    result = shell("up")
    assert result.exit_code == 2
    assert "greenroom up module:app" in result.stderr


def _make_app(project: Path, name: str) -> str:
    (project / f"{name}.py").write_text("from greenroom import App\napp = App()\n")
    return f"{name}:app"


def test_an_occupied_port_is_told_before_anything_is_started(shell: Shell, project: Path) -> None:
    """The message names the port and the option that changes it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        result = shell("up", _make_app(project, "port_app"), "--port", str(port))
    assert result.exit_code == 2
    assert f"port {port} on 127.0.0.1 is in use" in result.stderr
    assert "--port" in result.stderr


@pytest.mark.parametrize(
    ("storage", "expected"), [("ftp://x", "no store is known for ftp://"), ("greenroom.toml", "which is a file")]
)
def test_a_store_that_cannot_be_is_told_before_anything_is_started(
    shell: Shell, project: Path, storage: str, expected: str
) -> None:
    """An unknown scheme, and a file where a folder should be, are usage errors."""
    result = shell("up", _make_app(project, "store_app"), "--storage", storage)
    assert result.exit_code == 2
    assert expected in result.stderr


def test_a_store_in_use_is_told_before_anything_is_started(shell: Shell, project: Path) -> None:
    """Two runtimes never share a store: the message names the process that has it."""
    from greenroom.storage.parquet.lock import StoreLock

    (project / "store").mkdir()
    lock = StoreLock.acquire(project / "store")
    result = shell("up", _make_app(project, "lock_app"), "--storage", "file://store")
    lock.release()
    assert result.exit_code == 1
    assert f"already open by process {os.getpid()}" in result.stderr


def test_a_second_up_says_where_the_first_is(shell: Shell, project: Path) -> None:
    """The run file of a living process is respected; one of a dead process is not."""
    here = RunningRuntime(address="127.0.0.1:1", http="http://127.0.0.1:2", pid=os.getpid(), storage="memory://")
    write_run_file(load_config(), here)
    result = shell("up", _make_app(project, "second_app"))
    assert result.exit_code == 1
    assert f"http://127.0.0.1:2 (process {os.getpid()})" in result.stderr
    gone = RunningRuntime(address="127.0.0.1:1", http="http://127.0.0.1:2", pid=GONE, storage="memory://")
    write_run_file(load_config(), gone)
    assert shell("status").exit_code == 3


def test_a_runtime_that_does_not_answer_is_unavailable(shell: Shell) -> None:
    """The run file names an address where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    here = RunningRuntime(address="a:1", http=f"http://127.0.0.1:{port}", pid=os.getpid(), storage="memory://")
    write_run_file(load_config(), here)
    result = shell("runs", "list")
    assert result.exit_code == 3
    assert "cannot be reached" in result.stderr


def test_a_cluster_that_is_gone_is_unavailable_at_once(project: Path) -> None:
    """Ray would go on asking its head for ten minutes. In a process of its own: this one may be in a cluster."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"
    command = [sys.executable, "-m", "greenroom.cli.main", "status", "--address", address]
    result = subprocess.run(command, check=False, cwd=project, capture_output=True, text=True, timeout=60)
    assert result.returncode == 3
    assert f"the Ray cluster at {address} cannot be reached: Connection refused" in result.stderr


@pytest.mark.parametrize("given", ["{bad", "@missing.json", "@greenroom.toml"])
def test_input_that_is_no_json_is_a_usage_error(shell: Shell, project: Path, given: str) -> None:
    """The message says where it is wrong, or which file cannot be read; nothing is sent."""
    (project / "greenroom.toml").write_text("# no JSON\n")
    result = shell("run", "sum", "--input", given)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "is not JSON" in result.stderr or "cannot be read" in result.stderr


def test_unknown_configuration_names_the_nearest_key(shell: Shell, project: Path) -> None:
    """A misspelt key stops every command, with the key that was probably meant."""
    (project / "greenroom.toml").write_text('storag = "memory://"\n')
    result = shell("status")
    assert result.exit_code == 2
    assert "did you mean storage?" in result.stderr


def test_a_documents_folder_that_cannot_be_read_stops_the_demo(shell: Shell, project: Path) -> None:
    """A missing folder, a file and an empty folder each give one line, before anything is started."""
    (project / "empty").mkdir()
    for docs, expected in (("nowhere", "does not exist"), ("greenroom.toml", "is a file"), ("empty", "holds no text")):
        result = shell("demo", "--docs", docs)
        assert (result.exit_code, result.stdout) == (2, "")
        assert expected in result.stderr
    assert shell("demo", "--question", "?").exit_code == 2


@pytest.mark.parametrize(
    "arguments", [("nosuch",), ("runs",), ("up", "--port", "99999"), ("runs", "show")], ids=" ".join
)
def test_a_wrong_command_line_ends_with_two(shell: Shell, arguments: tuple[str, ...]) -> None:
    """Unknown commands, missing arguments and numbers out of range are usage errors."""
    assert shell(*arguments).exit_code == 2


def test_the_demo_of_an_installed_wheel_says_where_the_example_is(
    shell: Shell, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The wheel holds no examples: the message says so, and what to do."""
    monkeypatch.setattr(greenroom, "__file__", str(project / "lib" / "greenroom" / "__init__.py"))
    result = shell("demo")
    assert result.exit_code == 1
    assert "in the source checkout and not in the installed package" in result.stderr


def test_debug_shows_the_trace_wherever_it_stands(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without --debug there is no trace."""
    del project
    assert run(["up", "nosuch:app"]) == 1
    assert "Traceback" not in capsys.readouterr().err
    assert run(["up", "nosuch:app", "--debug"]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_doctor_tells_what_is_wrong(shell: Shell, project: Path) -> None:
    """A check that fails ends with one; all well ends with zero."""
    (project / "greenroom.toml").write_text('storage = "ftp://x"\n[serve]\nport = 0\n')
    result = shell("doctor", "--json")
    told = json.loads(result.stdout)
    assert (result.exit_code, told["ok"]) == (1, False)
    assert {check["check"]: check["state"] for check in told["checks"]}["store"] == "bad"
    (project / "greenroom.toml").write_text("[serve]\nport = 0\n")
    well = shell("doctor", "--json")
    assert json.loads(well.stdout)["ok"], well.stdout
    assert well.exit_code == 0


def test_doctor_tells_of_code_that_is_compiled_again_and_again(
    shell: Shell, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where bytecode may not be written and is not there, each of Ray's processes compiles everything."""

    def bytecode() -> str:
        checks = json.loads(shell("doctor", "--json").stdout)["checks"]
        return str(next(check["state"] for check in checks if check["check"] == "bytecode"))

    monkeypatch.setattr(sys, "pycache_prefix", str(project / "none"))
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    assert bytecode() == "ok"
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    assert bytecode() == "note"
