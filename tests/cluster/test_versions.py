"""Two versions of an app on a real Ray: each has its own workers, and a run whose version is gone can be moved."""

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

import greenroom
from greenroom.runtime.client.link import ACTOR_NAME, NAMESPACE
from greenroom.runtime.client.runtime import RuntimeClient
from greenroom.runtime.contracts.config import Config, RuntimeSection

pytestmark = pytest.mark.cluster

LIMIT_S = 60

SOURCE = '''"""One version of an app."""

import os

from greenroom import App, StepContext, Workflow


async def ask(value: int, ctx: StepContext) -> dict:
    """Version {version}."""
    return {{"version": {version}, "pid": os.getpid(), "answer": await ctx.suspend(None)}}


app = App(workflows=[Workflow("asking", input=int).then(ask)])
'''


class Project:
    """A folder with a module whose app comes in versions."""

    def __init__(self, root: Path) -> None:
        self.config = Config(root=str(root), storage=f"file://{root}/store", runtime=RuntimeSection(step_workers=1))
        self._module = root / "versioned_flows.py"

    async def connect(self, version: int) -> RuntimeClient:
        """Write a version down and connect with it, as another process would."""
        # Its length differs, so that nobody takes the bytecode of the other version for it.
        self._module.write_text(SOURCE.format(version=str(version) * version))
        sys.modules.pop("versioned_flows", None)
        return await greenroom.connect("versioned_flows:app", config=self.config)


@pytest.fixture
async def project(ray_session: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Project]:
    """An empty project; what runs for it at the end is stopped."""
    import ray

    monkeypatch.syspath_prepend(str(tmp_path))
    project = Project(tmp_path)
    yield project
    client = await project.connect(2)
    await client.shutdown()
    actor: Any = ray.get_actor(ACTOR_NAME, namespace=NAMESPACE)
    ray.kill(actor)


async def _kill_workers(runtime: RuntimeClient, bundle: str) -> None:
    import ray

    for worker in (await runtime.status())["workers"]:
        if worker["bundle"] == bundle:
            ray.kill(ray.get_actor(worker["name"], namespace=NAMESPACE))


async def test_versions_run_side_by_side_and_a_run_of_one_that_is_gone_is_moved(project: Project) -> None:
    """37. The old run ends on the old code in a process of its own; what nobody can execute says so, and is moved."""
    runtime = await project.connect(1)
    old, stuck = [await runtime.workflow("asking").start(number) for number in range(2)]
    await asyncio.gather(old.result(LIMIT_S), stuck.result(LIMIT_S))
    first = (await old.get()).view["bundle"]
    runtime = await project.connect(2)
    new = await runtime.workflow("asking").start(3)
    await new.result(LIMIT_S)
    for run in (old, new):
        await run.resume("ask", "yes")
    before, after = await old.result(LIMIT_S), await new.result(LIMIT_S)
    assert (before.output["version"], after.output["version"]) == (1, 22)
    assert before.output["pid"] != after.output["pid"]
    await _kill_workers(runtime, first)
    await stuck.resume("ask", "yes")
    async with asyncio.timeout(LIMIT_S):
        while "problem" not in (told := (await stuck.get()).view):  # noqa: ASYNC110 - workers of the old version die and fail to start
            await asyncio.sleep(0.1)
    assert "not " + first in told["problem"]
    moved = await runtime.bundles.migrate()
    assert [item["run_id"] for item in moved["migrated"]] == [stuck.run_id]
    assert (await stuck.result(LIMIT_S)).output["version"] == 22
