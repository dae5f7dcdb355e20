"""What the probe measures with: equality, the effect counter, commits, and the table."""

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.probe import effects
from benchmarks.probe.difference import difference
from benchmarks.probe.effects import Effects, exact
from benchmarks.probe.promises import Promise, broken, held
from benchmarks.probe.table import Report, exit_code, show
from tests.tree import ROOT


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, 1.0),
        (1, True),
        (0.0, -0.0),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        ([], ()),
        ("é", "e\u0301"),
        (2**53, 2**53 + 1),
    ],
)
def test_values_that_python_or_eyes_take_for_equal_are_told_apart(one: object, other: object) -> None:
    """Types, order of keys, the sign of a zero and every code point count."""
    assert exact(one) != exact(other)


def test_a_difference_is_told_with_its_place() -> None:
    """The evidence names where two values part."""
    assert difference({"a": [1, {"b": "x"}]}, {"a": [1, {"b": "y"}]}) == ".a[1].b is 'x' in place of 'y'"


def test_an_effect_is_counted_each_time_with_what_it_was_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line for each execution, whoever executes it."""
    monkeypatch.setenv(effects.VARIABLE, str(tmp_path / "effects"))
    effects.perform("ship", {"to": 1})
    effects.perform("ship", {"to": 1})
    counted = Effects(tmp_path / "effects")
    assert counted.counts() == {"ship": 2}
    assert counted.was_given("ship", {"to": 1})
    assert not counted.was_given("ship", {"to": 1.0})
    assert not counted.was_given("finish", None)


SQLITE = """
import sqlite3, sys
from benchmarks.probe import sqlite_commits
from benchmarks.probe.commits import Boundary, Commits
commits = Commits(Boundary(number=2, moment=sys.argv[2]))
sqlite_commits.watch(commits)
connection = sqlite3.connect(sys.argv[1])
connection.execute("create table t (x)")
commits.switch_on()
for number in range(3):
    connection.execute("insert into t values (?)", (number,))
    connection.commit()
    connection.execute("select * from t").fetchall()
    connection.commit()
"""


@pytest.mark.parametrize(("moment", "kept"), [("before", 1), ("after", 2)])
def test_a_process_dies_right_before_or_after_the_commit_it_was_told(moment: str, kept: int, tmp_path: Path) -> None:
    """Commits that have nothing to commit do not count."""
    import sqlite3

    database = tmp_path / "t.db"
    command = [sys.executable, "-c", SQLITE, str(database), moment]
    assert subprocess.run(command, cwd=ROOT, check=False).returncode == -9
    connection = sqlite3.connect(database)
    assert connection.execute("select count(*) from t").fetchone() == (kept,)
    connection.close()


def test_the_table_shows_what_was_seen_and_the_evidence(capsys: pytest.CaptureFixture[str]) -> None:
    """Each cell says what became of the promise, each broken one has a line below, and the sum is there."""
    verdicts = [held(promise, "tried") for promise in Promise if promise is not Promise.FORK]
    verdicts.append(broken(Promise.FORK, "2 faults", "the parent is gone"))
    report = Report(key="toy", name="Toy 1", verdicts=tuple(verdicts))
    show([report], "today")
    printed = capsys.readouterr().out
    assert (report.score, "5/6" in printed, "broken (2 faults)" in printed) == ("5/6", True, True)
    assert "Toy 1 (d): the parent is gone" in printed


def test_only_what_greenroom_breaks_makes_the_probe_fail() -> None:
    """Others may break what they like; a run without Greenroom says nothing of it."""
    whole = tuple(held(promise, "tried") for promise in Promise)
    part = (*whole[1:], broken(Promise.COMPLETED, "1 fault", "twice"))
    assert exit_code([Report(key="greenroom", name="Greenroom", verdicts=whole)]) == 0
    assert exit_code([Report(key="greenroom", name="Greenroom", verdicts=part)]) == 1
    assert exit_code([Report(key="burr", name="Burr", verdicts=part)]) == 0
