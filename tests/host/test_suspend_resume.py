"""Suspending and resuming. Lines 19 to 23 of the page on semantics."""

import asyncio
from collections import Counter
from typing import Any

import pytest
from pydantic import BaseModel, field_validator

from greenroom import (
    AlreadyClaimed,
    AmbiguousResume,
    App,
    InvalidInput,
    RunFinished,
    RunNotFound,
    RunNotSuspended,
    StepContext,
    Workflow,
    step,
)
from tests.host.crash_store import CrashStore
from tests.host.harness import Harness, calm


class Decision(BaseModel):
    approved: bool
    note: str = ""


class Shown(BaseModel):
    text: str
    level: int = 1


class Checked(BaseModel):
    number: int

    @field_validator("number")
    @classmethod
    def _is_even(cls, value: int) -> int:
        if value % 2:
            raise ValueError("must be even")
        return value


async def echo(value: Any) -> Any:
    return value


async def ask(value: Any, ctx: StepContext) -> Any:
    return [value, await ctx.suspend({"about": value})]


@step(resume=Decision, suspend=Shown)
async def review(value: Any, ctx: StepContext) -> Any:
    decision = await ctx.suspend({"text": str(value)})
    assert isinstance(decision, Decision)
    return [decision.approved, decision.note]


def named(name: str, body: Any = ask) -> Any:
    return step(id=name)(body)


async def test_the_kth_suspend_returns_the_kth_resume_data() -> None:
    """19. The body runs again from its start; falsy data and None are data."""
    starts: list[int] = []

    async def talk(value: Any, ctx: StepContext) -> Any:
        starts.append(ctx.attempt)
        got = [await ctx.suspend(number) for number in range(4)]
        return [*got, ctx.resume_data, ctx.suspend_data]

    async with Harness(App(workflows=[Workflow("w").then(talk)])) as harness:
        run = await harness.client.workflow("w").start(1)
        for number, data in enumerate((0, None, "", {"x": [1]})):
            result = await run.result(timeout_s=5)
            assert result.suspend_payload == {"talk": number}
            await run.resume("talk", data)
        result = await run.result(timeout_s=5)
    assert result.output == [0, None, "", {"x": [1]}, {"x": [1]}, 3]
    assert starts == [1, 2, 3, 4, 5]


async def test_payload_and_data_are_validated_with_defaults() -> None:
    """19. The payload shows the schema's defaults; the body gets the model."""
    async with Harness(App(workflows=[Workflow("w").then(review)])) as harness:
        run = await harness.client.workflow("w").start(1)
        assert (await run.result(timeout_s=5)).suspend_payload == {"review": {"text": "1", "level": 1}}
        await run.resume("review", {"approved": True})
        assert (await run.result(timeout_s=5)).output == [True, ""]


async def test_invalid_data_leaves_the_run_suspended() -> None:
    """19. `InvalidInput` lists the fields; a later valid resume works."""
    async with Harness(App(workflows=[Workflow("w").then(review)])) as harness:
        run = await harness.client.workflow("w").start(1)
        await run.result(timeout_s=5)
        with pytest.raises(InvalidInput) as caught:
            await run.resume("review", {"note": 5})
        assert {issue["field"] for issue in caught.value.facts["issues"]} == {"approved", "note"}
        assert (await run.get()).suspended == ["review"]
        await run.resume("review", Decision(approved=False, note="no"))
        assert (await run.result(timeout_s=5)).output == [False, "no"]


async def test_a_models_own_validators_check_resume_data() -> None:
    """19. They run on a worker before the resume is acknowledged."""

    @step(resume=Checked)
    async def pick(value: Any, ctx: StepContext) -> Any:
        return (await ctx.suspend()).number

    async with Harness(App(workflows=[Workflow("w").then(pick)])) as harness:
        run = await harness.client.workflow("w").start(1)
        await run.result(timeout_s=5)
        with pytest.raises(InvalidInput, match="even"):
            await run.resume("pick", {"number": 3})
        await run.resume("pick", {"number": 4})
        assert (await run.result(timeout_s=5)).output == 4


async def test_an_invalid_payload_fails_the_step() -> None:
    """19. What a body shows is held to its schema."""

    @step(suspend=Shown)
    async def shy(value: Any, ctx: StepContext) -> Any:
        await ctx.suspend({"level": "high"})

    async with Harness(App(workflows=[Workflow("w").then(shy)])) as harness:
        result = await harness.client.workflow("w").run(1, timeout_s=5)
    assert result.error is not None
    assert {issue["field"] for issue in result.error.attributes["issues"]} == {"text", "level"}


@pytest.mark.parametrize("name", ["outer/ask", "outer.ask", "ask", "outer", None])
async def test_a_step_is_resumed_by_whatever_names_it(name: str | None) -> None:
    """20. Path, dotted id, id, the workflow around it, or nothing when only one waits."""
    async with Harness(App(workflows=[Workflow("w").then(Workflow("outer").then(ask))])) as harness:
        run = await harness.client.workflow("w").start(1)
        await run.result(timeout_s=5)
        await run.resume(name, "yes")
        assert (await run.result(timeout_s=5)).output == [1, "yes"]


async def test_a_step_is_resumed_by_its_label() -> None:
    """20. The label stands beside the payload, and names one of several."""

    async def labelled(value: Any, ctx: StepContext) -> Any:
        return await ctx.suspend({}, label=f"for {ctx.path}")

    async with Harness(App(workflows=[Workflow("w").parallel(named("a", labelled), named("b", labelled))])) as harness:
        run = await harness.client.workflow("w").start(1)
        assert (await run.result(timeout_s=5)).labels == {"for a": "a", "for b": "b"}
        await run.resume(label="for b", data=2)
        with pytest.raises(AlreadyClaimed):
            await run.resume(label="for b", data=2)
        with pytest.raises(RunNotSuspended, match="for c"):
            await run.resume(label="for c", data=2)
        await run.resume(label="for a", data=1)
        assert (await run.result(timeout_s=5)).output == {"a": 1, "b": 2}


async def test_a_resume_without_a_name_is_ambiguous_when_several_wait() -> None:
    """20. The error lists them, and nothing is consumed."""
    async with Harness(App(workflows=[Workflow("w").parallel(named("a"), named("b"))])) as harness:
        run = await harness.client.workflow("w").start(1)
        await run.result(timeout_s=5)
        with pytest.raises(AmbiguousResume) as caught:
            await run.resume(data=1)
        assert caught.value.facts["candidates"] == ["a", "b"]
        inner = await run.get()
        assert inner.suspended == ["a", "b"]


async def test_an_id_that_fits_several_is_ambiguous() -> None:
    """20. The same step in two nested workflows needs more than its id."""
    flow = Workflow("w").parallel(Workflow("left").then(ask), Workflow("right").then(ask))
    async with Harness(App(workflows=[flow])) as harness:
        run = await harness.client.workflow("w").start(1)
        await run.result(timeout_s=5)
        with pytest.raises(AmbiguousResume):
            await run.resume("ask", 1)
        await run.resume("right.ask", 2)
        await run.resume("ask", 1)
        assert (await run.result(timeout_s=5)).output == {"left": [1, 1], "right": [1, 2]}


async def test_a_resume_that_cannot_be_says_what_is() -> None:
    """20. A finished run, an unknown run, a step that is not suspended: each its own error."""
    async with Harness(App(workflows=[Workflow("w").then(echo).then(ask), Workflow("plain").then(echo)])) as harness:
        run = await harness.client.workflow("w").start(1)
        await run.result(timeout_s=5)
        for name in ("echo", "nowhere"):
            with pytest.raises(RunNotSuspended) as caught:
                await run.resume(name, 1)
            assert caught.value.facts["suspended"] == ["ask"]
        plain = await harness.client.workflow("plain").start(1)
        await plain.result(timeout_s=5)
        with pytest.raises(RunFinished):
            await plain.resume("echo", 1)
        run.run_id = "nobody"
        with pytest.raises(RunNotFound):
            await run.resume("ask", 1)


@pytest.mark.parametrize("is_crashed", [False, True])
async def test_several_are_resumed_in_any_order_and_nothing_is_reverted(is_crashed: bool) -> None:
    """21. Parallel, branch, items and nested ones: outcomes of siblings stay."""

    async def always(value: Any) -> bool:
        return True

    branch = Workflow("chosen").branch((always, named("x")), (always, named("y")))
    items = Workflow("items").map(lambda value: [1, 2]).foreach(named("each"))
    flow = Workflow("w").parallel(named("a"), branch, items)
    async with Harness(App(workflows=[flow])) as harness:
        run = await harness.client.workflow("w").start(0)
        result = await run.result(timeout_s=5)
        order = ["chosen/y", "each[1]", "a", "each[0]", "chosen/x"]
        assert len(result.suspended) == len(order)
        done: set[str] = set()
        for name in order:
            await run.resume(name, name)
            done.add(name)
            if is_crashed:
                await harness.crash()
            result = await run.result(timeout_s=5)
            assert len(result.suspended) == len(order) - len(done)
    assert result.output == {
        "a": [0, "a"],
        "chosen": {"x": [0, "chosen/x"], "y": [0, "chosen/y"]},
        "items": [[1, "each[0]"], [2, "each[1]"]],
    }


async def test_a_step_is_resumed_while_its_siblings_still_run() -> None:
    """21. The run is `running` and takes the resume."""
    gate = asyncio.Event()

    async def slow(value: Any) -> Any:
        await gate.wait()
        return "slow"

    async with Harness(App(workflows=[Workflow("w").parallel(ask, slow)])) as harness:
        run = await harness.client.workflow("w").start(0)
        await calm()
        assert (await run.get()).status == "running"
        await run.resume("ask", 1)
        await calm()
        assert (await run.get()).steps["ask"].output == [0, 1]
        gate.set()
        assert (await run.result(timeout_s=5)).output == {"ask": [0, 1], "slow": "slow"}


async def test_concurrent_resumes_of_different_steps_all_count() -> None:
    """21. Eight members, eight resumes at once."""
    flow = Workflow("w").parallel(*(named(f"s{number}") for number in range(8)))
    async with Harness(App(workflows=[flow]), storage=CrashStore()) as harness:
        run = await harness.client.workflow("w").start(0)
        await run.result(timeout_s=5)
        await asyncio.gather(*(run.resume(f"s{number}", number) for number in range(8)))
        assert (await run.result(timeout_s=5)).output == {f"s{number}": [0, number] for number in range(8)}


@pytest.mark.parametrize("name", ["ask", None])
@pytest.mark.parametrize("checks", [False, True], ids=["plain", "checked on a worker"])
async def test_of_sixteen_concurrent_resumes_one_is_consumed(name: str | None, checks: bool) -> None:
    """22. The body runs once more; the others get AlreadyClaimed, also those that come later."""
    calls: Counter[str] = Counter()

    async def body(value: Any, ctx: StepContext) -> Any:
        calls["body"] += 1
        data = await ctx.suspend()
        return data.number if checks else data["number"]

    made = step(id="ask", resume=Checked if checks else None)(body)
    async with Harness(App(workflows=[Workflow("w").then(made)]), storage=CrashStore()) as harness:
        run = await harness.client.workflow("w").start(1)
        await run.result(timeout_s=5)
        answers = await asyncio.gather(
            *(run.resume(name, {"number": 2 * number}) for number in range(16)), return_exceptions=True
        )
        won = [number for number, answer in enumerate(answers) if not isinstance(answer, Exception)]
        assert len(won) == 1
        assert {type(answer) for answer in answers if isinstance(answer, Exception)} == {AlreadyClaimed}
        assert (await run.result(timeout_s=5)).output == 2 * won[0]
        with pytest.raises(AlreadyClaimed):
            await run.resume(name, {"number": 2})
    assert calls["body"] == 2


async def test_resumes_with_one_key_get_the_same_acknowledgement() -> None:
    """22. The same key is the same resume: nobody is refused, one is consumed."""
    calls: Counter[str] = Counter()

    async def body(value: Any, ctx: StepContext) -> Any:
        calls["body"] += 1
        return await ctx.suspend()

    async with Harness(App(workflows=[Workflow("w").then(named("ask", body))]), storage=CrashStore()) as harness:
        run = await harness.client.workflow("w").start(1)
        await run.result(timeout_s=5)
        await asyncio.gather(*(run.resume("ask", 5, key="k") for _ in range(16)))
        await run.resume("ask", 5, key="k")
        assert (await run.result(timeout_s=5)).output == 5
        await harness.crash()
        await run.resume("ask", 5, key="k")
    assert calls["body"] == 2


async def test_retry_counts_survive_a_suspension() -> None:
    """23. Failures before and after a suspension are counted together."""
    calls: list[int] = []

    async def body(value: Any, ctx: StepContext) -> Any:
        calls.append(ctx.attempt)
        if ctx.resume_data is None and len(calls) == 1:
            raise OSError("first")
        await ctx.suspend()
        raise OSError("later")

    made = step(id="ask", retries=2, backoff=1)(body)
    async with Harness(App(workflows=[Workflow("w").then(made)])) as harness:
        run = await harness.client.workflow("w").start(1)
        await calm()
        await harness.clock.advance(1)
        await run.result(timeout_s=5)
        await harness.crash()
        await run.resume("ask", 1)
        await calm()
        await harness.clock.advance(2)
        result = await run.result(timeout_s=5)
    assert result.status == "failed"
    assert calls == [1, 2, 3, 4]


async def test_state_set_before_a_suspension_is_there_after_it() -> None:
    """23. State and trace survive; what the body set before it suspended is committed with the suspension."""

    async def body(value: Any, ctx: StepContext) -> Any:
        seen.append(dict(ctx.state))
        ctx.set_state({"asked": True})
        await ctx.suspend()
        return ctx.state

    seen: list[Any] = []
    async with Harness(App(workflows=[Workflow("w").then(named("ask", body))])) as harness:
        run = await harness.client.workflow("w").start(1, state={"n": 1})
        before = await run.result(timeout_s=5)
        assert before.state == {"n": 1, "asked": True}
        await harness.crash()
        await run.resume("ask", 1)
        result = await run.result(timeout_s=5)
    assert seen == [{"n": 1}, {"n": 1, "asked": True}]
    assert result.trace_id == before.trace_id
