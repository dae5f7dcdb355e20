"""Tool calls that a person must approve. Line 43 of the page on semantics."""

import asyncio
from typing import Any

import pytest

from greenroom import AlreadyClaimed, App, InvalidInput, NotFound, StepContext, ToolContext, tool
from tests.host.harness import Harness
from tests.host.scripted_turns import ScriptedTurns, called, said
from tests.host.test_agents import agent, results


class Desk:
    """An agent whose one tool needs approval, and what it was called with."""

    def __init__(self, **options: Any) -> None:
        self.calls: list[str] = []

        @tool(requires_approval=True, **options)
        async def publish(page: str, ctx: ToolContext) -> str:
            """Publish."""
            self.calls.append(page)
            return f"published {page} by {ctx.agent_id} in {ctx.tool_call_id}"

        self.turns = ScriptedTurns([called(("publish", {"page": "p"}), ids=["c1"]), said("Done.")])
        self.app = App(agents=[agent(tools=[publish])])


async def test_an_approved_call_runs_exactly_once() -> None:
    """43. The pending call is shown with id, arguments and hash; approving runs it, also after a crash."""
    desk = Desk()
    async with Harness(desk.app, turns=desk.turns) as harness:
        handle = harness.client.agent("writer")
        reply = await handle.generate("Go.", timeout_s=5)
        payload = reply.run.suspend_payload["publish"]
        assert (payload["tool_call_id"], payload["tool"], payload["arguments"]) == ("c1", "publish", {"page": "p"})
        await harness.crash()
        await handle.approve(reply.run_id, "c1", args_hash=payload["args_hash"])
        reply = await handle.reply_of(await harness.client.run(reply.run_id), timeout_s=5)
        with pytest.raises(AlreadyClaimed):
            await handle.approve(reply.run_id, "c1")
        with pytest.raises(AlreadyClaimed):
            await handle.decline(reply.run_id, "c1")
    assert (reply.text, desk.calls) == ("Done.", ["p"])
    assert results(desk.turns.asked[1]) == {"c1": "published p by writer in c1"}


async def test_an_approval_may_edit_the_arguments() -> None:
    """43. Edited ones are validated and run instead."""
    desk = Desk()
    async with Harness(desk.app, turns=desk.turns) as harness:
        handle = harness.client.agent("writer")
        reply = await handle.generate("Go.", timeout_s=5)
        with pytest.raises(InvalidInput):
            await handle.approve(reply.run_id, "c1", {"page": 5})
        await handle.approve(reply.run_id, "c1", {"page": "edited"})
        await (await harness.client.run(reply.run_id)).result(timeout_s=5)
    assert desk.calls == ["edited"]


async def test_a_declined_call_never_runs_and_the_loop_goes_on() -> None:
    """43. The model gets the refusal, with its reason."""
    desk = Desk()
    async with Harness(desk.app, turns=desk.turns) as harness:
        handle = harness.client.agent("writer")
        reply = await handle.generate("Go.", timeout_s=5)
        await handle.decline(reply.run_id, "c1", "Not today.")
        reply = await handle.reply_of(await harness.client.run(reply.run_id), timeout_s=5)
    assert (reply.text, desk.calls) == ("Done.", [])
    assert results(desk.turns.asked[1]) == {"c1": "Not today."}


async def test_unknown_ids_and_changed_hashes_are_refused() -> None:
    """43. NotFound, InvalidInput; the call still waits."""
    desk = Desk()
    async with Harness(desk.app, turns=desk.turns) as harness:
        handle = harness.client.agent("writer")
        reply = await handle.generate("Go.", timeout_s=5)
        with pytest.raises(NotFound):
            await handle.approve(reply.run_id, "c9")
        with pytest.raises(InvalidInput):
            await handle.approve(reply.run_id, "c1", args_hash="0" * 16)
        assert (await (await harness.client.run(reply.run_id)).get()).status == "suspended"
    assert desk.calls == []


async def test_of_sixteen_approvals_one_is_taken() -> None:
    """43. The call runs once; the others are AlreadyClaimed."""
    desk = Desk()
    async with Harness(desk.app, turns=desk.turns) as harness:
        handle = harness.client.agent("writer")
        reply = await handle.generate("Go.", timeout_s=5)
        answers = await asyncio.gather(*(handle.approve(reply.run_id, "c1") for _ in range(16)), return_exceptions=True)
        await (await harness.client.run(reply.run_id)).result(timeout_s=5)
    assert sum(answer is None for answer in answers) == 1
    assert {type(answer) for answer in answers if answer is not None} == {AlreadyClaimed}
    assert desk.calls == ["p"]


async def test_a_call_id_used_again_means_the_call_that_waits() -> None:
    """43. Models repeat ids from turn to turn; what was settled stays settled."""
    desk = Desk()
    desk.turns.script = [
        called(("publish", {"page": "1"}), ids=["c1"]),
        called(("publish", {"page": "2"}), ids=["c1"]),
        said("Done."),
    ]
    async with Harness(desk.app, turns=desk.turns) as harness:
        handle = harness.client.agent("writer")
        reply = await handle.generate("Go.", timeout_s=5)
        for _ in range(2):
            await handle.approve(reply.run_id, "c1")
            reply = await handle.reply_of(await harness.client.run(reply.run_id), timeout_s=5)
    assert (reply.text, desk.calls) == ("Done.", ["1", "2"])


async def test_a_tool_that_suspends_after_its_approval_is_resumed_with_its_own_data() -> None:
    """43. An approval is over once it is given."""

    @tool(requires_approval=True)
    async def publish(page: str, ctx: ToolContext) -> Any:
        """Publish."""
        return [page, await ctx.suspend({"which": page})]

    turns = ScriptedTurns([called(("publish", {"page": "p"}), ids=["c1"]), said("Done.")])
    async with Harness(App(agents=[agent(tools=[publish])]), turns=turns) as harness:
        handle = harness.client.agent("writer")
        reply = await handle.generate("Go.", timeout_s=5)
        await handle.approve(reply.run_id, "c1")
        run = await harness.client.run(reply.run_id)
        assert (await run.result(timeout_s=5)).suspend_payload == {"publish": {"which": "p"}}
        await run.resume("publish", "there")
        await run.result(timeout_s=5)
    assert results(turns.asked[1]) == {"c1": '["p", "there"]'}


@pytest.mark.parametrize("path", ["dangerous", "harmless", "unclear"])
async def test_a_rule_decides_about_approval_and_fails_closed(path: str) -> None:
    """43. The rule runs on a worker; an error in it means that a person is asked."""

    async def rule(arguments: dict[str, Any], ctx: StepContext) -> bool:
        if arguments["path"] == "unclear":
            raise ValueError("unclear")
        return bool(arguments["path"] == "dangerous")

    calls: list[str] = []

    @tool(requires_approval=rule)
    async def delete(path: str) -> str:
        """Delete."""
        calls.append(path)
        return "deleted"

    turns = ScriptedTurns([called(("delete", {"path": path}), ids=["c1"]), said("Done.")])
    async with Harness(App(agents=[agent(tools=[delete])]), turns=turns) as harness:
        reply = await harness.client.agent("writer").generate("Go.", timeout_s=5)
    assert reply.finish_reason == ("stop" if path == "harmless" else "suspended")
    assert calls == (["harmless"] if path == "harmless" else [])
