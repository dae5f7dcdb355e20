"""Which suspension a resume over HTTP answers: tokens are shown with what waits, and a stale one changes nothing."""

from typing import Any

from greenroom import App, StepContext, Workflow
from tests.serve.cast import make_app
from tests.serve.stage import ScriptedTurns, called, said, staged


async def twice(value: Any, ctx: StepContext) -> Any:
    return [await ctx.suspend({"n": 1}), await ctx.suspend({"n": 2})]


def asking() -> App:
    return App(workflows=[Workflow("twice").then(twice)])


async def test_an_answer_to_an_earlier_suspension_is_refused_and_nothing_changes() -> None:
    """409 on every resume route, with and without the step's name; the right token goes on."""
    async with staged(asking()) as stage:
        started = (await stage.post("/api/workflows/twice/start-async?runId=r", {"inputData": 0})).json()
        first = started["suspensions"]["twice"]
        assert (await stage.get("/api/runs/r")).json()["suspensions"] == {"twice": first}
        body = {"step": "twice", "resumeData": 1, "suspension": first}
        then = (await stage.post("/api/workflows/twice/resume-async?runId=r", body)).json()
        second = then["suspensions"]["twice"]
        assert second != first
        routes = ("/api/runs/r/resume", *(f"/api/workflows/twice/{name}?runId=r" for name in RESUMES))
        for route in routes:
            for stale in (body, {"resumeData": 9, "suspension": first}):
                refused = await stage.post(route, stale)
                assert (refused.status_code, refused.json()["code"]) == (409, "already_claimed"), route
        assert (await stage.get("/api/workflows/twice/runs/r")).json()["suspensions"] == {"twice": second}
        assert (await stage.post("/api/runs/r/resume", {"resumeData": 2, "suspension": second})).status_code == 200
        assert (await stage.get("/api/runs/r")).json()["output"] == [1, 2]


RESUMES = ("resume", "resume-no-wait", "resume-async", "resume-stream")


async def test_the_event_of_a_suspension_has_its_token() -> None:
    """So that one who follows a run answers what was asked in that event."""
    async with staged(asking()) as stage:
        told = await stage.records("/api/workflows/twice/stream?runId=r", {"inputData": 0})
        (asked,) = (event["payload"] for event in told if event["type"] == "workflow-step-suspended")
        assert asked["suspension"] == (await stage.get("/api/runs/r")).json()["suspensions"]["twice"]


async def test_a_tool_call_that_suspends_itself_has_a_token_too() -> None:
    """In the chunk and in the result; a stale one is refused."""
    turns = ScriptedTurns(called(("c1", "confirm", {"question": "sure?"})), said("done"))
    async with staged(make_app(), turns) as stage:
        told = await stage.chunks("/api/agents/writer/stream", {"messages": "go", "runId": "r"})
        (asked,) = (chunk["payload"] for chunk in told if chunk["type"] == "tool-call-suspended")
        shown = (await stage.get("/api/runs/r")).json()
        assert list(shown["suspensions"].values()) == [asked["suspension"]]
        body = {"runId": "r", "toolCallId": "c1", "resumeData": "yes"}
        refused = await stage.post("/api/agents/writer/resume-stream", body | {"suspension": "0" * 16})
        assert refused.status_code == 409
        await stage.chunks("/api/agents/writer/resume-stream", body | {"suspension": asked["suspension"]})
        assert (await stage.get("/api/runs/r")).json()["status"] == "success"
