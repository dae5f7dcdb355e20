"""Workflows over HTTP, through a whole runtime in this process."""

import asyncio

import pytest

from tests.serve.events import types
from tests.serve.stage import Stage


async def test_workflows_are_listed_by_id_and_shown_one_by_one(stage: Stage) -> None:
    """The list is a map; one has its schemas, steps and graph."""
    listed = (await stage.get("/api/workflows")).json()
    assert "sum" in listed
    shown = (await stage.get("/api/workflows/sum")).json()
    assert shown == listed["sum"]
    assert (shown["name"], shown["description"], [*shown["steps"]]) == ("sum", "Adds.", ["add_one", "double"])
    partial = (await stage.get("/api/workflows?partial=true")).json()
    assert "inputSchema" not in partial["sum"]


async def test_start_async_answers_the_result_with_its_trace(stage: Stage) -> None:
    """The result is there when the answer is, and the trace id is in body and header."""
    response = await stage.post("/api/workflows/sum/start-async", {"inputData": 4})
    result = response.json()
    assert (response.status_code, result["status"], result["result"]) == (200, "success", 10)
    assert response.headers["x-trace-id"] == result["traceId"] != ""
    assert result["stepExecutionPath"] == ["add_one", "double"]


async def test_create_run_reserves_an_id_that_start_takes(stage: Stage) -> None:
    """An id given is returned; without one there is a fresh one; start runs under it and answers at once."""
    assert (await stage.post("/api/workflows/sum/create-run?runId=mine")).json() == {"runId": "mine"}
    run_id = (await stage.post("/api/workflows/sum/create-run?")).json()["runId"]
    started = (await stage.post(f"/api/workflows/sum/start?runId={run_id}", {"inputData": 1})).json()
    assert started["message"] == "Workflow run started"
    assert started["runId"] == run_id
    shown = (await stage.get(f"/api/runs/{run_id}")).json()
    assert shown["traceId"] == started["traceId"]


async def test_the_same_start_twice_is_one_run(stage: Stage) -> None:
    """By run id or by Idempotency-Key; with another input it is refused."""
    for options in ({"path": "?runId=one"}, {"path": "", "headers": {"Idempotency-Key": "k"}}):
        path, headers = f"/api/workflows/sum/start-async{options['path']}", options.get("headers", {})
        first, second = [await stage.post(path, {"inputData": 4}, headers=headers) for _ in range(2)]
        assert first.json() == second.json()
        other = await stage.post(path, {"inputData": 5}, headers=headers)
        assert (other.status_code, other.json()["code"]) == (409, "already_claimed")
    assert len((await stage.get("/api/runs")).json()["runs"]) == 2


async def test_a_traceparent_is_continued(stage: Stage) -> None:
    """The run belongs to the caller's trace; tracingOptions come before the header; a malformed one counts as none."""
    header = {"traceparent": f"00-{'a' * 32}-{'b' * 16}-01"}
    told = (await stage.post("/api/workflows/sum/start-async", {"inputData": 1}, headers=header)).json()
    assert told["traceId"] == "a" * 32
    body = {"inputData": 2, "tracingOptions": {"traceId": "c" * 32}}
    assert (await stage.post("/api/workflows/sum/start-async", body, headers=header)).json()["traceId"] == "c" * 32
    broken = await stage.post("/api/workflows/sum/start-async", {"inputData": 3}, headers={"traceparent": "x"})
    assert broken.status_code == 200


async def test_stream_gives_the_recorded_sequence_to_the_byte(stage: Stage) -> None:
    """JSON and U+001E after every record, nothing else; text/plain; not cached."""
    response = await stage.post("/api/workflows/sum/stream?runId=s", {"inputData": 4})
    assert response.headers["content-type"].startswith("text/plain")
    assert response.headers["cache-control"] == "no-cache"
    assert response.text.count("\x1e") == 6
    assert response.text.endswith("}\x1e")
    assert "\n" not in response.text
    told = await stage.records("/api/workflows/sum/observe?runId=s")
    assert types(told) == [
        "workflow-start",
        "workflow-step-start",
        "workflow-step-result",
        "workflow-step-start",
        "workflow-step-result",
        "workflow-finish",
    ]


async def test_a_parallel_starts_all_members_before_any_result(stage: Stage) -> None:
    """Both starts come first; the members stand in no execution path and keep their inputs."""
    told = await stage.records("/api/workflows/both/stream?runId=p", {"inputData": 2})
    assert types(told)[1:5] == [*["workflow-step-start"] * 2, *["workflow-step-result"] * 2]
    result = (await stage.post("/api/workflows/both/start-async?runId=p", {"inputData": 2})).json()
    assert result["stepExecutionPath"] == []
    assert result["steps"]["add_one"]["payload"] == 2


async def test_a_suspended_run_is_resumed_in_a_stream(stage: Stage) -> None:
    """The first stream ends with the suspension; the second tells what follows; observe tells both, each event once."""
    first = await stage.records("/api/workflows/ask/stream?runId=r", {"inputData": 1})
    assert first[-1]["payload"]["workflowStatus"] == "suspended"
    second = await stage.records("/api/workflows/ask/resume-stream?runId=r", {"resumeData": {"approved": True}})
    assert second[-1]["payload"]["finalWorkflowResult"] == 4
    assert second[1]["payload"]["resumePayload"] == {"approved": True}
    observed = await stage.records("/api/workflows/ask/observe?runId=r")
    assert observed == first + second
    assert await stage.records("/api/workflows/ask/observe?runId=r&offset=7") == (first + second)[7:]


async def test_a_stream_may_stay_open_over_a_suspension(stage: Stage) -> None:
    """With closeOnSuspend false one stream tells suspension, resume and end."""
    body = {"inputData": 1, "closeOnSuspend": False}
    stream = asyncio.create_task(stage.records("/api/workflows/ask/stream?runId=r", body))
    await stage.post("/api/workflows/ask/start-async?runId=r", {"inputData": 1})
    resumed = await stage.post("/api/workflows/ask/resume-async?runId=r", {"resumeData": {"approved": False}})
    assert resumed.json()["result"] == -2
    told = await stream
    assert [one["payload"]["workflowStatus"] for one in told if one["type"] == "workflow-finish"] == [
        "suspended",
        "success",
    ]


@pytest.mark.parametrize("step", [None, "review", "inner.review", ["inner", "review"], "inner/review"])
async def test_a_nested_step_is_resumed_by_every_spelling(stage: Stage, step: object) -> None:
    """No name, its id, a dotted id, a list of ids, a path."""
    parked = (await stage.post("/api/workflows/outer/start-async?runId=r", {"inputData": 1})).json()
    assert parked["suspended"] == [["inner", "review"]]
    body = {"resumeData": {"approved": True}, **({} if step is None else {"step": step})}
    assert (await stage.post("/api/workflows/outer/resume-async?runId=r", body)).json()["result"] == 4


async def test_items_of_a_foreach_are_resumed_one_by_one(stage: Stage) -> None:
    """ForEachIndex picks the item; without it, and with several waiting, all of them get the data."""
    await stage.post("/api/workflows/each/start-async?runId=r", {"inputData": 1})
    body = {"step": "ask_each", "forEachIndex": 1, "resumeData": "b"}
    parked = (await stage.post("/api/workflows/each/resume-async?runId=r", body)).json()
    assert (parked["status"], parked["suspended"]) == ("suspended", [["ask_each"]])
    result = (
        await stage.post("/api/workflows/each/resume-async?runId=r", {"step": "ask_each", "resumeData": "a"})
    ).json()
    assert result["result"] == ["a", "b"]


async def test_resume_and_resume_no_wait_answer_at_once(stage: Stage) -> None:
    """One says that it resumed, the other gives the run's id; a label names the step too."""
    await stage.post("/api/workflows/ask/start-async?runId=a", {"inputData": 1})
    body = {"label": "review-it", "resumeData": {"approved": True}}
    assert (await stage.post("/api/workflows/ask/resume?runId=a", body)).json()["message"] == "Workflow run resumed"
    await stage.post("/api/workflows/ask/start-async?runId=b", {"inputData": 1})
    body = {"resumeData": {"approved": True}}
    assert (await stage.post("/api/workflows/ask/resume-no-wait?runId=b", body)).json()["runId"] == "b"


async def test_of_two_resumes_one_wins_unless_they_are_the_same(stage: Stage) -> None:
    """The loser gets 409; the same Idempotency-Key gets the same acknowledgement."""
    await stage.post("/api/workflows/ask/start-async?runId=r", {"inputData": 1})
    body, key = {"step": "review", "resumeData": {"approved": True}}, {"Idempotency-Key": "k"}
    responses = [await stage.post("/api/workflows/ask/resume?runId=r", body, headers=key) for _ in range(2)]
    assert [response.status_code for response in responses] == [200, 200]
    assert (await stage.post("/api/workflows/ask/resume?runId=r", body)).status_code == 409


async def test_resumes_that_cannot_be_say_why(stage: Stage) -> None:
    """Wrong data 400 and still suspended; wrong step 409 with what waits; finished 409; unknown run 404."""
    await stage.post("/api/workflows/ask/start-async?runId=r", {"inputData": 1})
    resume = "/api/workflows/ask/resume-async"
    wrong = await stage.post(f"{resume}?runId=r", {"resumeData": {"approved": "maybe"}})
    assert (wrong.status_code, wrong.json()["issues"][0]["field"]) == (400, "approved")
    lost = await stage.post(f"{resume}?runId=r", {"step": "nope", "resumeData": {"approved": True}})
    assert (lost.status_code, lost.json()["facts"]["suspended"]) == (409, ["review"])
    assert (await stage.post(f"{resume}?runId=r", {"resumeData": {"approved": True}})).status_code == 200
    assert (await stage.post(f"{resume}?runId=r", {"resumeData": {"approved": True}})).status_code == 409
    await stage.post("/api/workflows/sum/start-async?runId=done", {"inputData": 1})
    over = await stage.post("/api/workflows/sum/resume-async?runId=done")
    assert (over.status_code, over.json()["code"]) == (409, "run_finished")
    assert (await stage.post(f"{resume}?runId=x", {})).status_code == 404
    missing = await stage.post(resume, {})
    assert (missing.status_code, missing.json()["issues"][0]["field"]) == (400, "runId")


async def test_a_failing_run_is_an_answer_and_not_an_http_error(stage: Stage) -> None:
    """200 with status failed and the error, so that nobody repeats it."""
    response = await stage.post("/api/workflows/fail/start-async", {"inputData": 7})
    result = response.json()
    assert (response.status_code, result["status"]) == (200, "failed")
    assert (result["error"]["name"], result["error"]["message"]) == ("ValueError", "boom 7")
    assert "Traceback" not in response.text


async def test_wrong_input_is_refused_before_anything_is_recorded(stage: Stage) -> None:
    """400 with every field, on all three starts; the run id stays free."""
    for route in ("start", "start-async", "stream"):
        response = await stage.post(f"/api/workflows/sum/{route}?runId=free", {"inputData": "four"})
        assert (response.status_code, response.json()["issues"][0]["field"]) == (400, "root")
    assert (await stage.get("/api/runs/free")).status_code == 404


async def test_a_run_of_another_workflow_is_not_found(stage: Stage) -> None:
    """A run id under the wrong workflow is 404 on every route that names it."""
    await stage.post("/api/workflows/sum/start-async?runId=r", {"inputData": 1})
    assert (await stage.get("/api/workflows/ask/runs/r")).status_code == 404
    for route in ("resume?runId=r", "observe?runId=r", "runs/r/cancel"):
        assert (await stage.post(f"/api/workflows/ask/{route}")).status_code == 404


async def test_cancel_without_a_body_cancels_and_again_is_fine(stage: Stage) -> None:
    """The run is canceled, its stream says so, a second cancel changes nothing."""
    await stage.post("/api/workflows/ask/start-async?runId=r", {"inputData": 1})
    first = (await stage.post("/api/workflows/ask/runs/r/cancel")).json()
    assert (first["message"], first["canceled"]) == ("Workflow run cancelled", True)
    assert (await stage.get("/api/workflows/ask/runs/r")).json()["status"] == "canceled"
    assert (await stage.post("/api/workflows/ask/runs/r/cancel")).json()["canceled"] is True
    told = await stage.records("/api/workflows/ask/observe?runId=r")
    assert types(told)[-2:] == ["workflow-canceled", "workflow-finish"]
    await stage.post("/api/workflows/sum/start-async?runId=done", {"inputData": 1})
    assert (await stage.post("/api/workflows/sum/runs/done/cancel")).json()["canceled"] is False


async def test_runs_are_listed_in_pages_newest_first_with_a_total(stage: Stage) -> None:
    """Page and perPage, limit and offset, status and resource; total counts before paging."""
    for number in range(3):
        body = {"inputData": number, "resourceId": f"user-{number % 2}"}
        await stage.post(f"/api/workflows/sum/start-async?runId=r{number}", body)
    await stage.post("/api/workflows/ask/start-async?runId=other", {"inputData": 1})
    runs = "/api/workflows/sum/runs"
    whole = (await stage.get(runs)).json()
    assert (whole["total"], len(whole["runs"])) == (3, 3)
    assert whole["runs"][0]["snapshot"]["context"]["input"] in {0, 1, 2}
    pages = [(await stage.get(f"{runs}?page={page}&perPage=2")).json() for page in range(2)]
    assert [len(page["runs"]) for page in pages] == [2, 1]
    assert [row["runId"] for page in pages for row in page["runs"]] == [row["runId"] for row in whole["runs"]]
    assert len((await stage.get(f"{runs}?limit=1&offset=2")).json()["runs"]) == 1
    assert (await stage.get(f"{runs}?resourceId=user-0")).json()["total"] == 2
    assert (await stage.get(f"{runs}?status=suspended")).json()["total"] == 0
    assert (await stage.get(f"{runs}?fromDate=2100-01-01T00:00:00Z")).json()["total"] == 0
    assert (await stage.get(f"{runs}?status=nonsense")).status_code == 400
    assert (await stage.get("/api/workflows/nope/runs")).status_code == 404


async def test_counts_tell_what_runs_and_what_waits(stage: Stage) -> None:
    """run-counts is a route of its own and not a workflow's id."""
    await stage.post("/api/workflows/ask/start-async", {"inputData": 1})
    counts = (await stage.get("/api/workflows/run-counts")).json()
    assert (counts["ask"], counts["sum"]) == ({"running": 0, "suspended": 1}, {"running": 0, "suspended": 0})


async def test_a_stored_run_shows_nested_steps_and_picks_fields(stage: Stage) -> None:
    """Dotted ids by default; `fields` and `withNestedWorkflows` limit it."""
    await stage.post("/api/workflows/outer/start-async?runId=r", {"inputData": 1})
    path = "/api/workflows/outer/runs/r"
    stored = (await stage.get(path)).json()
    assert [*stored["steps"]] == ["inner", "inner.add_one", "inner.review"]
    assert (stored["payload"], stored["status"], stored["suspendedPaths"]) == (1, "suspended", {"inner": [0]})
    assert [*(await stage.get(f"{path}?withNestedWorkflows=false")).json()["steps"]] == ["inner"]
    assert "steps" not in (await stage.get(f"{path}?fields=result,payload")).json()


async def test_a_run_goes_step_by_step_when_asked(stage: Stage) -> None:
    """PerStep pauses after the first step."""
    result = (await stage.post("/api/workflows/sum/start-async", {"inputData": 1, "perStep": True})).json()
    assert (result["status"], [*result["steps"]]) == ("paused", ["input", "add_one"])
