"""A whole runtime on a real Ray: processes are killed, runs go on."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import greenroom
from greenroom.runtime.client.link import ACTOR_NAME, NAMESPACE
from greenroom.runtime.client.runtime import RuntimeClient
from greenroom.runtime.contracts.config import Config, RuntimeSection
from greenroom.runtime.contracts.errors import InvalidInput, RunNotFound

pytestmark = pytest.mark.cluster

LIMIT_S = 60


@pytest.fixture(scope="module")
def runtime(ray_session: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RuntimeClient]:
    """Start a runtime with a file store, and end it and its workers."""
    import ray

    root = tmp_path_factory.mktemp("project")
    config = Config(root=str(root), storage=f"file://{root}/store", runtime=RuntimeSection(step_workers=2))
    client = asyncio.run(greenroom.connect("tests.cluster.durable_app:app", config=config))
    yield client
    asyncio.run(client.shutdown())
    ray.kill(ray.get_actor(ACTOR_NAME, namespace=NAMESPACE))


@pytest.fixture
def context(tmp_path: Path) -> dict[str, str]:
    """Files the bodies write to and wait for."""
    return {"notes": str(tmp_path / "notes"), "go": str(tmp_path / "go")}


def calls(context: dict[str, str], path: str) -> list[int]:
    """Return the process of each call of a body."""
    notes = Path(context["notes"])
    lines = notes.read_text().splitlines() if notes.exists() else []
    return [int(line.split()[2]) for line in lines if line.split()[0] == path]


async def until_called(context: dict[str, str], path: str, count: int = 1) -> list[int]:
    """Return the processes once a body was called so often."""
    async with asyncio.timeout(LIMIT_S):
        while len(found := calls(context, path)) < count:  # noqa: ASYNC110 - another process writes the file
            await asyncio.sleep(0.02)
    return found


async def until_workers(runtime: RuntimeClient, count: int) -> None:
    """Return once the newest bundle has so many step workers."""
    async with asyncio.timeout(LIMIT_S):
        while True:
            status = await runtime.status()
            workers = [worker for worker in status["workers"] if worker["pool"] == "steps"]
            if len([worker for worker in workers if worker["bundle"] == status["bundle"]]) >= count:
                return
            await asyncio.sleep(0.1)


def let_go(context: dict[str, str]) -> None:
    """Let the bodies that wait go on."""
    Path(context["go"]).touch()


async def kill_runtime() -> None:
    """Kill the runtime actor's process."""
    import ray

    actor: Any = ray.get_actor(ACTOR_NAME, namespace=NAMESPACE)
    os.kill(await actor.begin.remote(), signal.SIGKILL)


async def test_a_run_goes_from_start_to_result(runtime: RuntimeClient, context: dict[str, str]) -> None:
    """An app is started by import path, its body runs in another process."""
    result = await runtime.workflow("plain").run(1, request_context=context, timeout_s=LIMIT_S)
    assert (result.status, result.output) == ("success", 2)
    assert calls(context, "first") != [os.getpid()]


async def test_a_killed_runtime_repeats_no_body(runtime: RuntimeClient, context: dict[str, str]) -> None:
    """30. The runtime dies while a body runs: the worker lives on and hands its result to the next runtime."""
    run = await runtime.workflow("long").start(1, request_context=context)
    await until_called(context, "held")
    await kill_runtime()
    let_go(context)
    result = await run.result(timeout_s=LIMIT_S)
    assert (result.status, result.output) == ("success", 21)
    assert [len(calls(context, path)) for path in ("first", "held", "first#2")] == [1, 1, 1]


async def test_a_killed_worker_costs_one_more_attempt(runtime: RuntimeClient, context: dict[str, str]) -> None:
    """30. The worker dies under a body: another takes it, what was done before is not repeated."""
    run = await runtime.workflow("long").start(1, request_context=context)
    os.kill((await until_called(context, "held"))[0], signal.SIGKILL)
    await until_called(context, "held", 2)
    let_go(context)
    result = await run.result(timeout_s=LIMIT_S)
    assert (result.status, result.output) == ("success", 21)
    assert [len(calls(context, path)) for path in ("first", "held", "first#2")] == [1, 2, 1]


async def test_a_suspended_run_survives_a_killed_runtime(runtime: RuntimeClient, context: dict[str, str]) -> None:
    """A run that waits for a person still waits after the kill, and its resume is taken."""
    run = await runtime.workflow("asking").start(1, request_context=context)
    assert (await run.result(timeout_s=LIMIT_S)).status == "suspended"
    await kill_runtime()
    assert (await run.get()).suspend_payload == {"ask": {"value": 2}}
    await run.resume("ask", 40)
    assert (await run.result(timeout_s=LIMIT_S)).output == 42


async def test_a_start_is_one_run_across_a_kill(runtime: RuntimeClient, context: dict[str, str]) -> None:
    """3. Starts with one key before and after a kill are one run."""
    one = await runtime.workflow("plain").start(1, key="across", request_context=context)
    await one.result(timeout_s=LIMIT_S)
    await kill_runtime()
    other = await runtime.workflow("plain").start(1, key="across", request_context=context)
    assert other.run_id == one.run_id
    assert len(calls(context, "first")) == 1


async def test_a_stream_has_no_gap_across_a_kill(runtime: RuntimeClient, context: dict[str, str]) -> None:
    """A reader that was there before the kill sees every event once, in order."""
    run = await runtime.workflow("long").start(1, request_context=context)
    seen: list[int] = []

    async def read() -> None:
        seen.extend([event.seq async for event in run.events() if event.seq])

    reader = asyncio.create_task(read())
    await until_called(context, "held")
    await kill_runtime()
    let_go(context)
    await asyncio.wait_for(reader, LIMIT_S)
    assert seen == list(range(1, len(seen) + 1))
    assert len(seen) == 8


async def test_items_run_at_the_same_time_on_different_workers(runtime: RuntimeClient, context: dict[str, str]) -> None:
    """A foreach spreads over the workers of the pool; one that was killed has been replaced."""
    await until_workers(runtime, 2)
    result = await runtime.workflow("wide").run([1, 2, 3, 4], request_context=context, timeout_s=LIMIT_S)
    assert len(set(result.output)) == 2


async def test_bad_input_is_told_in_full_and_recorded_nowhere(runtime: RuntimeClient) -> None:
    """2. Every wrong field is listed; the run id stays free."""
    with pytest.raises(InvalidInput) as caught:
        await runtime.workflow("plain").start("many", run_id="not-taken")
    assert caught.value.facts["issues"] == [{"field": "root", "message": "'many' is not an integer"}]
    with pytest.raises(RunNotFound):
        await runtime.run("not-taken")


async def test_a_table_goes_from_step_to_step_by_reference(runtime: RuntimeClient) -> None:
    """9. What the runtime and the journal hold of a table of megabytes is a reference of a few bytes."""
    rows = 1_000_000
    result = await runtime.workflow("table").run(rows, timeout_s=LIMIT_S)
    assert result.output == rows * (rows - 1) // 2
    reference = result.steps["make_table"].output["$blob"]
    assert (reference["kind"], reference["bytes"] > 8 * rows) == ("arrow", True)


async def test_a_large_json_value_is_stored_once_and_read_by_the_next_step(runtime: RuntimeClient) -> None:
    """A value above 256 kB stands in the journal as a reference; the next body gets the value."""
    result = await runtime.workflow("big").run(100_000, timeout_s=LIMIT_S)
    assert result.output == sum(range(100_000))
    assert result.steps["map"].output["$blob"]["kind"] == "json"


async def test_a_step_with_resources_is_a_ray_task(runtime: RuntimeClient) -> None:
    """A body that asks for CPUs runs in a process of its own, not in a worker of the pool."""
    pool = set((await runtime.workflow("wide").run([1, 2], request_context={"notes": os.devnull})).output)
    result = await runtime.workflow("heavy").run(1, timeout_s=LIMIT_S)
    assert result.error is None
    assert result.output not in pool


NOTEBOOK = """
import asyncio, sys
import greenroom
from greenroom.runtime.contracts.config import Config

async def double(value: int) -> int:
    return value * 2

app = greenroom.App(workflows=[greenroom.Workflow("by-value", input=int).then(double)])

async def main():
    config = Config(root=sys.argv[1], runtime={"address": sys.argv[2]})
    runtime = await greenroom.connect(app, config=config)
    print((await runtime.workflow("by-value").run(21, timeout_s=60)).output)
    await runtime.flush()
    print(len(runtime.storage.sql("select * from runs where target = 'by-value'")))

asyncio.run(main())
"""


async def test_a_notebook_brings_its_code_by_value(runtime: RuntimeClient, tmp_path: Path) -> None:
    """Another process joins, defines steps in its main module, and they run on the cluster's workers.

    It reads the runtime's store, though it is configured with a folder of its own.
    """
    import ray

    script = tmp_path / "notebook.py"
    script.write_text(NOTEBOOK)
    address = ray.get_runtime_context().gcs_address
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, str(script), str(tmp_path), address],
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert done.stdout.split() == ["42", "1"], done.stderr
