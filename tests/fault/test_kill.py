"""Processes that write are killed at any moment, one after the other, on one store."""

import random
from pathlib import Path

import pytest

from tests.fault.servers import Servers
from tests.fault.work import whole_appends
from tests.fault.writer import OPTIONS


async def test_no_acknowledged_append_is_lost_when_processes_are_killed(
    servers: Servers, tmp_path: Path, is_long: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    """After each kill every acknowledged append is there, and each append is there whole or not at all."""
    server = servers.both[0]
    chance = random.Random(3)
    acknowledged: set[str] = set()
    for _ in range(250 if is_long else 25):
        answer = await server.run("write", tmp_path / "store", -chance.randrange(1, 350))
        acknowledged |= {line.partition(" ")[2] for line in answer.said if line.startswith("append ")}
        if server.kills % 5 == 0:
            assert acknowledged <= await whole_appends(tmp_path / "store", OPTIONS)
    assert server.kills == (250 if is_long else 25)
    assert len(acknowledged) > 1000
    with capsys.disabled():
        print(f" {server.kills} kills, {len(acknowledged)} appends, 0 losses ", end="")  # noqa: T201 - asked for
