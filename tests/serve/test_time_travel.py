"""Forks and reruns over HTTP, and the wire's time travel, through a whole runtime in this process."""

from tests.serve.events import types
from tests.serve.stage import Stage


async def _ended(stage: Stage, run_id: str = "one") -> None:
    await stage.post(f"/api/workflows/sum/start-async?runId={run_id}", {"inputData": 4})


async def test_a_fork_is_a_run_of_its_own(stage: Stage) -> None:
    """It names its parent, has its own id and trace, and the parent is as it was."""
    await _ended(stage)
    before = (await stage.get("/api/runs/one")).json()
    told = (await stage.post("/api/runs/one/fork", {"step": "double", "inputData": 50})).json()
    assert (told["forkedFrom"], told["runId"] != "one") == ("one", True)
    result = (await stage.get(f"/api/workflows/sum/runs/{told['runId']}")).json()
    shown = (await stage.get(f"/api/runs/{told['runId']}")).json()
    assert (result["result"], shown["forkedFrom"]) == (100, {"runId": "one", "path": "double"})
    assert (await stage.get("/api/runs/one")).json() == before


async def test_a_fork_that_is_sent_again_with_its_key_is_one(stage: Stage) -> None:
    """`Idempotency-Key` names it; another step under the key is refused."""
    await _ended(stage)
    headers = {"Idempotency-Key": "k"}
    first, second = [
        (await stage.post("/api/runs/one/fork", {"step": "double"}, headers=headers)).json() for _ in range(2)
    ]
    assert first == second
    other = await stage.post("/api/runs/one/fork", {"step": "add_one"}, headers=headers)
    assert (other.status_code, other.json()["code"]) == (409, "already_claimed")


async def test_what_cannot_be_forked_is_refused_and_named(stage: Stage) -> None:
    """Unknown run and step are 404, a wrong input 400 with its issues, never a 5xx that clients would send again."""
    await _ended(stage)
    unknown = await stage.post("/api/runs/none/fork", {"step": "double"})
    assert (unknown.status_code, unknown.json()["code"]) == (404, "run_not_found")
    step = await stage.post("/api/runs/one/fork", {"step": "nothing"})
    assert (step.status_code, step.json()["facts"]["candidates"]) == (404, ["add_one", "double"])
    wrong = await stage.post("/api/runs/one/rerun", {"step": "double", "inputData": "x"})
    assert (wrong.status_code, wrong.json()["code"]) == (400, "invalid_input")
    missing = await stage.post("/api/runs/one/fork", {})
    assert missing.status_code == 400


async def test_a_rerun_is_in_place(stage: Stage) -> None:
    """The run goes on under its id; null is an input like any other, and is not one that was left out."""
    await _ended(stage)
    assert (await stage.post("/api/runs/one/rerun", {"step": "double", "inputData": 6})).json()["rerun"] is True
    result = (await stage.post("/api/workflows/sum/time-travel-async?runId=one", {"step": "double"})).json()
    assert result["result"] == 10
    assert (await stage.get("/api/runs/one")).json()["rewinds"] == 2
    nothing = await stage.post("/api/runs/one/rerun", {"step": "double", "inputData": None})
    assert nothing.status_code == 400


async def test_time_travel_answers_as_the_wire_has_it(stage: Stage) -> None:
    """At once with a message, or with the result when the run has ended again."""
    await _ended(stage)
    told = await stage.post("/api/workflows/sum/time-travel?runId=one", {"step": "double", "inputData": 7})
    assert (told.status_code, told.json()["message"]) == (200, "Workflow run time travel started")
    result = (await stage.post("/api/workflows/sum/time-travel-async?runId=one", {"step": ["add_one"]})).json()
    assert (result["status"], result["result"], result["runId"]) == ("success", 10, "one")


async def test_time_travel_streams_from_the_step_on(stage: Stage) -> None:
    """The recorded sequence: start, the step, what follows, finish; a nested step is named with dots."""
    await _ended(stage)
    told = await stage.records("/api/workflows/sum/time-travel-stream?runId=one", {"step": "double"})
    assert types(told) == ["workflow-start", "workflow-step-start", "workflow-step-result", "workflow-finish"]
    assert told[1]["payload"]["id"] == "double"
    await stage.post("/api/workflows/outer/start-async?runId=two", {"inputData": 1})
    nested = await stage.records("/api/workflows/outer/time-travel-stream?runId=two", {"step": "inner.review"})
    assert [event["payload"].get("id") for event in nested if event["type"] == "workflow-step-start"] == [
        "inner",
        "inner.review",
    ]
    assert nested[-1]["payload"]["workflowStatus"] == "suspended"


async def test_an_observer_sees_every_timeline_and_tells_the_visits_apart(stage: Stage) -> None:
    """One segment after the other, as their streams gave them, with step call ids of their own."""
    first = await stage.records("/api/workflows/sum/stream?runId=one", {"inputData": 4})
    second = await stage.records("/api/workflows/sum/time-travel-stream?runId=one", {"step": "double"})
    assert await stage.records("/api/workflows/sum/observe?runId=one") == [*first, *second]
    calls = {event["payload"]["stepCallId"] for event in [*first, *second] if "stepCallId" in event["payload"]}
    assert len(calls) == 3


async def test_what_time_travel_does_not_take_is_refused(stage: Stage) -> None:
    """Outcomes from outside would not be those of the run: they are named, and nothing happens."""
    await _ended(stage)
    body = {"step": "double", "context": {"add_one": {"output": 3}}, "resumeData": {"x": 1}}
    refused = await stage.post("/api/workflows/sum/time-travel-async?runId=one", body)
    assert (refused.status_code, [issue["field"] for issue in refused.json()["issues"]]) == (
        400,
        ["resumeData", "context"],
    )
    other = await stage.post("/api/workflows/ask/time-travel?runId=one", {"step": "double"})
    assert other.status_code == 404
    assert (await stage.get("/api/runs/one")).json()["rewinds"] == 0
