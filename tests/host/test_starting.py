"""Starting a run: validated, deduplicated, acknowledged when durable. Lines 1 to 5 of the page on semantics."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import BaseModel, field_validator

from greenroom import AlreadyClaimed, App, DefinitionError, InvalidInput, RunNotFound, StepContext, Workflow, step
from tests.host.crash_store import CrashStore
from tests.host.harness import Harness, calm


class Question(BaseModel):
    text: str
    sections: int = 3
    tags: list[str] = []


class Even(BaseModel):
    number: int

    @field_validator("number")
    @classmethod
    def _is_even(cls, value: int) -> int:
        if value % 2:
            raise ValueError("must be even")
        return value


async def echo(value: Any) -> Any:
    return value


async def tell(value: Any, ctx: StepContext) -> Any:
    return {
        "run_id": ctx.run_id,
        "resource_id": ctx.resource_id,
        "workspace": ctx.workspace_id,
        "context": ctx.request_context,
        "workflow": ctx.workflow_id,
    }


async def ask(value: Any, ctx: StepContext) -> Any:
    await ctx.suspend()
    return {"context": ctx.request_context, "resource_id": ctx.resource_id, "run_id": ctx.run_id}


@pytest.mark.parametrize(
    ("make", "place"),
    [
        (lambda: Workflow("w"), "empty"),
        (lambda: Workflow("w").parallel(echo, echo), "echo"),
        (lambda: Workflow("w").branch(echo), "condition"),  # type: ignore[arg-type]
        (lambda: Workflow("w", input=int).foreach(echo), "list"),
        (lambda: Workflow("w").map({"a": "b"}), "a"),
    ],
)
def test_a_workflow_that_cannot_run_is_refused_when_the_app_is_built(make: Callable[[], Workflow], place: str) -> None:
    """1. Duplicates in a scope, a branch without condition, a foreach without list, emptiness: named and refused."""
    with pytest.raises(DefinitionError, match=place):
        App(workflows=[make()])


async def test_one_step_may_stand_twice_and_paths_keep_them_apart() -> None:
    """1. Using one step twice in a graph is legal; the second has `#2` in its path."""
    async with Harness(App(workflows=[Workflow("w").then(echo).then(echo)])) as harness:
        result = await harness.client.workflow("w").run(5, timeout_s=5)
    assert list(result.steps) == ["echo", "echo#2"]


async def test_input_is_validated_with_defaults_and_every_wrong_field_is_listed() -> None:
    """2. A wrong start lists all fields, records nothing, and leaves the run id free."""
    async with Harness(App(workflows=[Workflow("w", input=Question).then(echo)])) as harness:
        flow = harness.client.workflow("w")
        with pytest.raises(InvalidInput) as caught:
            await flow.start({"sections": "many", "tags": [1]}, run_id="mine")
        assert {issue["field"] for issue in caught.value.facts["issues"]} == {"text", "sections", "tags[0]"}
        assert len(await harness.client.runs()) == 0
        with pytest.raises(RunNotFound):
            await harness.client.run("mine")
        result = await flow.run({"text": "why"}, run_id="mine", timeout_s=5)
    assert result.run_id == "mine"
    assert result.output == {"text": "why", "sections": 3, "tags": []}


async def test_a_models_own_validators_are_asked_before_a_start_is_acknowledged() -> None:
    """2. A validator of the model is user code: a worker runs it, and its refusal is the caller's error."""
    async with Harness(App(workflows=[Workflow("w", input=Even).then(echo)])) as harness:
        with pytest.raises(InvalidInput, match="even"):
            await harness.client.workflow("w").start({"number": 3})
        assert len(await harness.client.runs()) == 0
        assert (await harness.client.workflow("w").run({"number": 4}, timeout_s=5)).output == {"number": 4}


async def test_a_known_key_gives_the_same_run_and_refuses_another_input() -> None:
    """3. Same key, same input: the same run. Other input: AlreadyClaimed. Nothing else is compared."""
    async with Harness(App(workflows=[Workflow("w", input=int).then(echo)])) as harness:
        flow = harness.client.workflow("w")
        first = await flow.start(1, key="k", resource_id="a")
        again = await flow.start(1, key="k", resource_id="b", request_context={"x": 1})
        assert again.run_id == first.run_id
        with pytest.raises(AlreadyClaimed):
            await flow.start(2, key="k")
        assert len(await harness.client.runs()) == 1


async def test_a_known_run_id_gives_the_same_run_and_refuses_another_input() -> None:
    """3. A run id names one run, whatever it is started with."""
    async with Harness(App(workflows=[Workflow("w", input=int).then(echo)])) as harness:
        flow = harness.client.workflow("w")
        await flow.start(1, run_id="mine")
        assert (await flow.start(1, run_id="mine")).run_id == "mine"
        with pytest.raises(AlreadyClaimed):
            await flow.start(2, run_id="mine")


@pytest.mark.parametrize("ids", [False, True], ids=["one key", "one key and sixteen ids"])
async def test_sixteen_concurrent_starts_with_one_key_are_one_run(ids: bool) -> None:
    """3. One key is one run and one call, also when the starts are concurrent and bring ids of their own."""
    calls: list[Any] = []

    async def count(value: Any) -> Any:
        calls.append(value)
        return value

    async with Harness(App(workflows=[Workflow("w").then(count)]), storage=CrashStore()) as harness:
        flow = harness.client.workflow("w")
        runs = await asyncio.gather(
            *(flow.start(7, key="k", run_id=f"id-{number}" if ids else None) for number in range(16))
        )
        await runs[0].result(timeout_s=5)
        assert len({run.run_id for run in runs}) == 1
        assert len(await harness.client.runs()) == 1
    assert calls == [7]


async def test_the_callers_run_id_and_context_reach_every_body() -> None:
    """4. `run_id` may be the caller's; `resource_id` and `request_context` are stored with the run."""
    async with Harness(App(workflows=[Workflow("w").then(tell)])) as harness:
        result = await harness.client.workflow("w").run(
            None, run_id="mine", resource_id="user-7", request_context={"locale": "de"}, timeout_s=5
        )
    assert result.output == {
        "run_id": "mine",
        "resource_id": "user-7",
        "workspace": "default",
        "context": {"locale": "de"},
        "workflow": "w",
    }


async def test_the_context_comes_back_on_resume_and_a_key_given_there_wins() -> None:
    """4. The stored context is merged with that of the resume, also after a crash."""
    async with Harness(App(workflows=[Workflow("w").then(ask)])) as harness:
        context = {"locale": "de", "tier": 1}
        run = await harness.client.workflow("w").start(None, resource_id="user-7", request_context=context)
        await run.result(timeout_s=5)
        await harness.crash()
        await run.resume("ask", None, request_context={"tier": 2, "new": True})
        result = await run.result(timeout_s=5)
    assert result.output["context"] == {"locale": "de", "tier": 2, "new": True}
    assert result.output["resource_id"] == "user-7"


async def test_the_context_of_a_resume_reaches_a_step_that_saw_an_older_one() -> None:
    """4. The key given at resume wins in the same life of the runtime too, where the old context was sent before."""
    async with Harness(App(workflows=[Workflow("w").then(ask)])) as harness:
        run = await harness.client.workflow("w").start(None, request_context={"tier": 1})
        await run.result(timeout_s=5)
        await run.resume("ask", None, request_context={"tier": 2})
        result = await run.result(timeout_s=5)
    assert result.output["context"] == {"tier": 2}


async def test_a_start_is_acknowledged_only_when_it_is_durable() -> None:
    """5. As long as the store has not answered, neither has the runtime."""
    store = CrashStore([1])
    async with Harness(App(workflows=[Workflow("w").then(echo)]), storage=store) as harness:
        start = asyncio.ensure_future(harness.client.workflow("w").start(1, run_id="mine"))
        await store.hit.wait()
        await calm()
        assert not start.done()
        await harness.crash()
        store.hit.clear()
        assert (await (await start).result(timeout_s=5)).output == 1


async def test_success_is_not_shown_before_the_last_outcome_is_durable() -> None:
    """5. The commit that ends the run is the one that holds the last outcome; until then nobody sees a success."""
    store = CrashStore([2], "before")
    async with Harness(App(workflows=[Workflow("w").then(step(id="only")(echo))]), storage=store) as harness:
        run = await harness.client.workflow("w").start(1, run_id="mine")
        result = asyncio.ensure_future(run.result(timeout_s=5))
        await store.hit.wait()
        await calm()
        assert not result.done()
        assert (await harness.client.runs()).items[0].status == "running"
        await harness.crash()
        store.hit.clear()
        assert (await result).status == "success"
