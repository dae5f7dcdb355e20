"""The process is killed at every single file operation of a fixed piece of work, and of the recovery that follows."""

import shutil
from pathlib import Path

import pytest

from tests.fault.servers import Server, Servers
from tests.fault.work import check


async def test_a_kill_at_any_file_operation_loses_nothing(servers: Servers, memory: Path) -> None:
    """Each of open, append, roll, flush, manifest, merge, blob, deletion, purge, compact, sweep and close."""

    async def kill(server: Server, at: int) -> None:
        root = memory / str(at)
        await check(root, (await server.run("work", root, at)).said)
        shutil.rmtree(root)

    calls = (await servers.both[0].run("work", memory / "whole")).calls
    await servers.do(kill, range(1, calls + 1))
    assert servers.kills == calls > 200


async def test_a_kill_at_any_file_operation_of_recovery_loses_nothing(
    servers: Servers, memory: Path, is_long: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    """The recovery after a kill is killed at each of its own operations, and the one after that at one of its own."""

    async def kill(server: Server, at: int) -> None:
        died = memory / f"died-{at}"
        said = (await server.run("work", died, at)).said
        for recovery_at in range(1, 1000):
            root = memory / f"{at}-{recovery_at}"
            shutil.copytree(died, root)
            answer = await server.run("recover", root, recovery_at)
            if "opened" in answer.said:
                break
            later = (await server.run("recover again", root, recovery_at // 2)).said if recovery_at % 5 == 0 else []
            await check(root, [*said, *answer.said, *later])
            shutil.rmtree(root)
        else:
            pytest.fail("the recovery never ends")

    calls = (await servers.both[0].run("work", memory / "whole")).calls
    await servers.do(kill, range(5, calls, 5 if is_long else 83))
    assert servers.kills > (1000 if is_long else 80)
    with capsys.disabled():
        print(f" {servers.kills} kills of recoveries, 0 losses ", end="")  # noqa: T201 - the figure that is asked for
