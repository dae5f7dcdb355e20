"""Agents with scripted model turns. Lines 41, 42 and 46 of the page on semantics."""

import asyncio
import json
from typing import Any

import pytest
from pydantic import BaseModel

from greenroom import (
    Agent,
    App,
    ModelError,
    Workflow,
    tool,
)
from tests.host.harness import Harness, calm
from tests.host.scripted_turns import ScriptedTurns, called, said


class Finding(BaseModel):
    title: str
    score: int = 1


@tool
async def search(query: str, limit: int = 5) -> list[str]:
    """Search."""
    return [f"{query}:{limit}"]


@tool
async def broken(query: str) -> str:
    """Fail."""
    raise ValueError(f"no {query}")


def results(request: Any) -> dict[str, Any]:
    """Return what the model was told of its calls, by call id."""
    return {message["tool_call_id"]: message["content"] for message in request["messages"] if message["role"] == "tool"}


def agent(**options: Any) -> Agent:
    given: dict[str, Any] = {"id": "writer", "instructions": "Write.", "model": "scripted/one", **options}
    return Agent(**given)


async def test_the_loop_goes_on_until_there_is_no_call() -> None:
    """41. Turn, calls, results, turn; usage is summed; the conversation holds it all."""
    turns = ScriptedTurns([called(("search", {"query": "a"}), text="Looking."), said("Found it.")])
    async with Harness(App(agents=[agent(tools=[search])]), turns=turns) as harness:
        reply = await harness.client.agent("writer").generate("Find a.", timeout_s=5)
    assert (reply.text, reply.finish_reason) == ("Found it.", "stop")
    assert (reply.usage.input_tokens, reply.usage.cost_micros) == (20, 200)
    assert [call["tool"] for call in reply.tool_calls] == ["search"]
    first, second = turns.asked
    assert first["messages"] == [
        {"role": "system", "content": "Write."},
        {"role": "user", "content": "Find a."},
    ]
    assert results(second) == {"call-search-0": '["a:5"]'}
    assert reply.run.steps["search"].output == ["a:5"]


async def test_calls_of_one_turn_run_at_once_up_to_a_limit() -> None:
    """41. Ten at most; the others follow as slots come free."""
    running: list[int] = []
    most: list[int] = []
    gate = asyncio.Event()

    @tool
    async def wait(number: int) -> int:
        """Wait."""
        running.append(number)
        most.append(len(running))
        await gate.wait()
        running.remove(number)
        return number

    turns = ScriptedTurns([called(*(("wait", {"number": number}) for number in range(14))), said("Done.")])
    async with Harness(App(agents=[agent(tools=[wait])]), turns=turns) as harness:
        run = await harness.client.agent("writer").start("Go.")
        await calm(400)
        assert len(running) == 10
        gate.set()
        await run.result(timeout_s=5)
    assert max(most) == 10
    assert list(results(turns.asked[1]).values()) == [str(number) for number in range(14)]


async def test_calls_of_a_turn_run_in_order_when_one_needs_approval() -> None:
    """41. Nothing behind the call that waits has begun."""
    seen: list[str] = []

    @tool(requires_approval=True)
    async def publish(page: str) -> str:
        """Publish."""
        seen.append(f"publish {page}")
        return "published"

    @tool
    async def note(text: str) -> str:
        """Note."""
        seen.append(f"note {text}")
        return "noted"

    script = [called(("note", {"text": "1"}), ("publish", {"page": "p"}), ("note", {"text": "2"})), said("Done.")]
    async with Harness(App(agents=[agent(tools=[publish, note])]), turns=ScriptedTurns(script)) as harness:
        handle = harness.client.agent("writer")
        reply = await handle.generate("Go.", timeout_s=5)
        assert (reply.finish_reason, seen) == ("suspended", ["note 1"])
        await handle.approve(reply.run_id, "call-publish-1")
        await (await harness.client.run(reply.run_id)).result(timeout_s=5)
    assert seen == ["note 1", "publish p", "note 2"]


async def test_unknown_tools_and_wrong_arguments_go_back_to_the_model() -> None:
    """41. They are error results; neither runs anything, neither fails the run. So is a tool that raises."""
    script = [
        called(
            ("nothing", {}),
            ("search", {"limit": "many"}),
            ("search", "no object"),
            ("broken", {"query": "x"}),
            ids=["a", "b", "c", "d"],
        ),
        said("Sorry."),
    ]
    turns = ScriptedTurns(script)
    async with Harness(App(agents=[agent(tools=[search, broken])]), turns=turns) as harness:
        reply = await harness.client.agent("writer").generate("Go.", timeout_s=5)
    assert reply.text == "Sorry."
    told = {key: json.loads(content)["error"] for key, content in results(turns.asked[1]).items()}
    assert "nothing" in told["a"]
    assert "search" in told["a"]
    assert "query" in told["b"]
    assert "limit" in told["b"]
    assert "object" in told["c"]
    assert "no x" in told["d"]


async def test_max_steps_ends_the_loop() -> None:
    """41. The last turn's calls are made, no further turn is."""
    turns = ScriptedTurns(lambda request: called(("search", {"query": "again"}), text="More."))
    async with Harness(App(agents=[agent(tools=[search], max_steps=3)]), turns=turns) as harness:
        reply = await harness.client.agent("writer").generate("Go.", timeout_s=5)
        fewer = await harness.client.agent("writer").generate("Go.", max_steps=1, timeout_s=5)
    assert (reply.finish_reason, len(reply.steps)) == ("max_steps", 3)
    assert (fewer.finish_reason, len(fewer.steps)) == ("max_steps", 1)


async def test_structured_output_is_the_model_and_an_invalid_one_is_given_back() -> None:
    """42. The schema is sent; what does not fit is told to the model, up to `output_retries`."""
    turns = ScriptedTurns([said("not JSON"), said('{"score": "x"}'), said('{"title": "t"}')])
    async with Harness(App(agents=[agent(output=Finding, output_retries=2)]), turns=turns) as harness:
        reply = await harness.client.agent("writer").generate("Go.", timeout_s=5)
    assert reply.output == Finding(title="t")
    assert turns.asked[0]["response_schema"]["schema"]["properties"].keys() == {"title", "score"}
    assert "title" in turns.asked[2]["messages"][-1]["content"]
    assert "JSON" in turns.asked[1]["messages"][-1]["content"]


async def test_an_output_that_never_fits_is_an_error() -> None:
    """42. After the retries the run fails with what was wrong."""
    turns = ScriptedTurns(lambda request: said("{}"))
    async with Harness(App(agents=[agent(output=Finding, output_retries=1)]), turns=turns) as harness:
        with pytest.raises(ModelError, match="title"):
            await harness.client.agent("writer").generate("Go.", timeout_s=5)
    assert len(turns.asked) == 2


async def test_an_output_asked_for_by_the_caller_wins() -> None:
    """42. `output=` of a call is that call's schema."""
    async with Harness(App(agents=[agent()]), turns=ScriptedTurns([said('{"title": "t"}')])) as harness:
        reply = await harness.client.agent("writer").generate("Go.", output=Finding, timeout_s=5)
    assert reply.output == Finding(title="t")


async def test_a_delegate_and_a_workflow_are_called_as_tools() -> None:
    """41. Both are child runs; the model gets their output; an approval inside a delegate suspends the whole."""
    calls: list[str] = []

    @tool(requires_approval=True)
    async def publish(page: str) -> str:
        """Publish."""
        calls.append(page)
        return "published"

    async def double(value: dict[str, int]) -> int:
        return value["n"] * 2

    flow = Workflow("double", input=dict[str, int]).then(double)
    helper = Agent(id="helper", instructions="Help.", model="scripted/one", tools=[publish])
    turns = ScriptedTurns(
        {
            "writer": [called(("helper", {"prompt": "Publish."}), ("double", {"n": 4}), ids=["a", "b"]), said("Done.")],
            "helper": [called(("publish", {"page": "p"}), ids=["c"]), said("It is out.")],
        }
    )
    async with Harness(App(agents=[agent(tools=[helper, flow])]), turns=turns) as harness:
        handle = harness.client.agent("writer")
        reply = await handle.generate("Go.", timeout_s=5)
        assert reply.run.suspended == ["helper/publish"]
        await handle.approve(reply.run_id, "c")
        reply = await handle.reply_of(await harness.client.run(reply.run_id), timeout_s=5)
    assert calls == ["p"]
    assert results(turns.asked[-1]) == {"a": "It is out.", "b": "8"}
    assert reply.usage.total_tokens == 60


async def test_an_agent_is_a_step() -> None:
    """41. It takes a text or a prompt and gives its text; its turns and calls stand under its path."""
    turns = ScriptedTurns([called(("search", {"query": "a"})), said("Found it.")])
    flow = Workflow("w", input=str).then(agent(tools=[search])).map(lambda value: value.upper())
    async with Harness(App(workflows=[flow]), turns=turns) as harness:
        result = await harness.client.workflow("w").run("Find a.", timeout_s=5)
    assert result.output == "FOUND IT."
    assert {"writer", "writer/turn[0]", "writer/search", "writer/turn[1]"} <= set(result.steps)
    assert turns.asked[0]["messages"][-1] == {"role": "user", "content": "Find a."}


async def test_a_failing_model_fails_the_run_and_its_cost_is_counted() -> None:
    """44. A turn that failed for good is an error of the run; what it cost is in the usage."""
    turns = ScriptedTurns([called(("search", {"query": "a"})), RuntimeError("the endpoint is gone")])
    async with Harness(App(agents=[agent(tools=[search])]), turns=turns) as harness:
        run = await harness.client.agent("writer").start("Go.")
        result = await run.result(timeout_s=5)
        entries = await harness.client.ledger.entries(run_id=run.run_id)
    assert (result.status, result.error and result.error.type) == ("failed", "ModelError")
    assert result.usage.total_tokens == 30
    assert [entry["amount_micros"] for entry in entries] == [-100, -100]


async def test_a_crash_does_not_pay_a_finished_turn_again() -> None:
    """46. Turns that ended are in the journal; one in flight goes on when only the runtime dies."""
    turns = ScriptedTurns([called(("search", {"query": "a"})), said("Found it.")])
    async with Harness(App(agents=[agent(tools=[search])]), turns=turns) as harness:
        turns.gate.clear()
        run = await harness.client.agent("writer").start("Find a.")
        await turns.started.wait()
        await harness.crash()
        turns.started.clear()
        turns.gate.set()
        await turns.started.wait()
        turns.gate.clear()
        await harness.crash()
        turns.gate.set()
        assert (await run.result(timeout_s=5)).output == "Found it."
        entries = await harness.client.ledger.entries(run_id=run.run_id)
    assert len(turns.asked) == 2
    assert len(entries) == 2


async def test_a_stream_has_the_turns_and_calls_in_order() -> None:
    """38. Deltas, call, result, step ends; the text that was streamed is the text of the answer."""
    turns = ScriptedTurns([called(("search", {"query": "a"}), text="Looking."), said("Found it now.")])
    async with Harness(App(agents=[agent(tools=[search])]), turns=turns) as harness:
        chunks = [chunk async for chunk in harness.client.agent("writer").stream("Find a.")]
    shown = [chunk.type for chunk in chunks]
    assert shown == [
        "text_delta",
        "tool_call",
        "step_finish",
        "tool_result",
        "text_delta",
        "text_delta",
        "text_delta",
        "step_finish",
        "finish",
    ]


@pytest.mark.parametrize("is_crashed", [False, True])
async def test_a_reader_that_missed_the_deltas_gets_the_text_whole(is_crashed: bool) -> None:
    """39. Deltas are dropped for one who reads late, all of them by a crash; the durable events have the whole text."""
    text = " ".join(f"word{number}" for number in range(6000))
    async with Harness(App(agents=[agent()]), turns=ScriptedTurns([said(text)])) as harness:
        reply = await harness.client.agent("writer").generate("Write much.")
        if is_crashed:
            await harness.crash()
        events = [event async for event in harness.client.run_handle(reply.run_id).events()]
    deltas = [event for event in events if event.type == "agent_text_delta"]
    assert len(deltas) == 0 if is_crashed else len(deltas) < 6000
    assert events[-1].type == "run_finished"
    assert events[-1].data["output"] == reply.text == text
