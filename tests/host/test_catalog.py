"""What a runtime knows: bundles, and what it refuses to take."""

import pytest

from greenroom import Agent, App, Workflow
from greenroom.runtime.contracts.errors import DefinitionError, NotFound, StorageError
from greenroom.runtime.contracts.ports import BundleUnavailable, WorkerLink, WorkerSpec
from greenroom.runtime.contracts.storage import Storage
from tests.host.harness import Harness, calm


def add_one(value: int) -> int:
    """Return one more."""
    return value + 1


def add_two(value: int) -> int:
    """Return two more."""
    return value + 2


def guard(text: str) -> str:
    """Let everything pass."""
    return text


async def test_an_app_that_needs_what_is_not_carried_out_is_refused() -> None:
    """A guard is never left out silently: the refusal names each."""
    agent = Agent(id="careful", instructions="Be careful.", model="rehearsal/x", input_guards=[guard])
    app = App(agents=[agent], workflows=[Workflow("nightly").then(add_one)])
    harness = Harness(app)
    harness.host.start()
    with pytest.raises(DefinitionError, match="agent 'careful': input_guards"):
        await harness.register(app)
    await harness.host.close()


async def test_a_new_bundle_is_for_new_runs_only() -> None:
    """A run keeps the bundle it started with; the next start takes the newest."""
    first = App(workflows=[Workflow("sum", input=int).then(add_one)])
    second = App(workflows=[Workflow("sum", input=int).then(add_two)])
    async with Harness(first) as harness:
        before = await harness.client.workflow("sum").run(1, timeout_s=5)
        await harness.register(second)
        after = await harness.client.workflow("sum").run(1, timeout_s=5)
        assert (before.output, after.output) == (2, 3)
        assert before.view["bundle"] != after.view["bundle"]


async def test_an_unknown_workflow_is_named_with_those_there_are() -> None:
    """The error says what was asked for and what there is."""
    app = App(workflows=[Workflow("sum").then(add_one)])
    async with Harness(app) as harness:
        with pytest.raises(NotFound, match="there is no workflow 'sun'; there are: sum"):
            await harness.client.workflow("sun").start(1)


async def test_a_run_whose_code_cannot_be_loaded_waits_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """37. The run shows what is missing; when the code is there again it goes on by itself."""
    app = App(workflows=[Workflow("sum", input=int).then(add_one)])
    harness = Harness(app)

    async def refuse(spec: WorkerSpec) -> WorkerLink:
        raise BundleUnavailable(f"no module for {spec.pool}")

    monkeypatch.setattr(harness.spawner, "spawn", refuse)
    async with harness:
        run = await harness.client.workflow("sum").start(1)
        await calm()
        waiting = await run.get()
        assert (waiting.status, waiting.view["problem"]) == ("running", "no module for steps")
        monkeypatch.undo()
        await harness.register(app)
        assert (await run.result(timeout_s=5)).output == 2
        assert "problem" not in (await run.get()).view


async def test_a_store_that_another_runtime_has_is_tried_until_it_is_free() -> None:
    """A request is refused with the store's own words meanwhile; nobody has to start the runtime again."""
    app = App(workflows=[Workflow("sum", input=int).then(add_one)])
    harness = Harness(app)
    free = harness.host._open_storage
    tries: list[int] = []

    async def open_storage() -> Storage:
        tries.append(1)
        if len(tries) == 1:
            raise StorageError("the store is already open by process 7")
        return await free()

    harness.host._open_storage = open_storage
    harness.host.start()
    with pytest.raises(StorageError, match="already open by process 7"):
        await harness.register(app)
    await harness.clock.advance(1)
    await harness.register(app)
    assert (await harness.client.workflow("sum").run(1, timeout_s=5)).output == 2
    await harness.__aexit__()
