"""Runs of every kind over HTTP: lists, views, numbered events, steering."""

import json

import pytest

from greenroom.runtime.contracts.values import Json
from tests.serve.stage import Stage


def _frames(text: str) -> list[dict[str, str]]:
    found: list[dict[str, str]] = []
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.split("\n") if line and not line.startswith(":"))
        if fields:
            found.append(fields)
    return found


async def test_runs_of_every_kind_are_listed_with_a_cursor(stage: Stage) -> None:
    """Newest first, page by page, each run once; filters by kind, target and status."""
    for number in range(5):
        await stage.post(f"/api/workflows/sum/start-async?runId=r{number}", {"inputData": number})
    await stage.post("/api/tools/search/execute", {"data": {"query": "x"}})
    found: list[str] = []
    query = ""
    page: dict[str, Json] = {}
    for _ in range(3):
        page = (await stage.get(f"/api/runs?limit=2{query}")).json()
        found += [run["runId"] for run in page["runs"]]
        query = f"&cursor={page['nextCursor']}"
    assert page["nextCursor"] is None
    assert len(found) == len(set(found)) == 6
    assert len((await stage.get("/api/runs?kind=tool")).json()["runs"]) == 1
    assert len((await stage.get("/api/runs?target=sum&status=success")).json()["runs"]) == 5
    assert (await stage.get("/api/runs?status=nope")).status_code == 400
    assert (await stage.get("/api/runs?cursor=%21%21")).status_code == 400
    assert (await stage.get("/api/runs?limit=0")).json()["issues"][0]["field"] == "limit"


async def test_children_are_listed_unless_only_roots_are_wanted(stage: Stage) -> None:
    """A nested workflow is a run with a parent, and can be shown by its id."""
    await stage.post("/api/workflows/outer/start-async?runId=r", {"inputData": 1})
    runs = (await stage.get("/api/runs")).json()["runs"]
    assert {run["parentId"] for run in runs} == {None, "r"}
    assert [run["runId"] for run in (await stage.get("/api/runs?roots=true")).json()["runs"]] == ["r"]
    child = next(run["runId"] for run in runs if run["parentId"])
    shown = (await stage.get(f"/api/runs/{child}")).json()
    assert (shown["target"], shown["status"], shown["parentId"]) == ("inner", "suspended", "r")


async def test_a_run_is_shown_with_every_step_by_path(stage: Stage) -> None:
    """Times in milliseconds, steps with attempts, what waits and what it shows."""
    await stage.post("/api/workflows/ask/start-async?runId=r", {"inputData": 1})
    response = await stage.get("/api/runs/r")
    run = response.json()
    assert (run["status"], run["suspended"], run["labels"]) == ("suspended", ["review"], {"review-it": "review"})
    assert (run["steps"]["add_one"]["output"], run["steps"]["add_one"]["attempts"]) == (2, 1)
    assert run["createdAt"] > 1_000_000_000_000
    assert response.headers["x-trace-id"] == run["traceId"]
    missing = await stage.get("/api/runs/nope")
    assert (missing.status_code, missing.json()["code"], missing.json()["runId"]) == (404, "run_not_found", "nope")


async def test_events_are_numbered_without_gaps_and_end_with_the_run(stage: Stage) -> None:
    """Durable events have ids from 1; ephemeral ones have none; every frame names its event and holds JSON."""
    await stage.post("/api/workflows/note/start-async?runId=r", {"inputData": 1})
    response = await stage.get("/api/runs/r/events")
    assert response.headers["content-type"].startswith("text/event-stream")
    frames = _frames(response.text)
    ids = [int(frame["id"]) for frame in frames if "id" in frame]
    assert ids == [*range(1, len(ids) + 1)]
    written = [frame for frame in frames if "id" not in frame]
    assert [frame["event"] for frame in written] == ["step_output"]
    data = [json.loads(frame["data"]) for frame in frames]
    assert [one["type"] for one in data] == [frame["event"] for frame in frames]
    assert (data[0]["type"], data[-1]["type"]) == ("run_started", "run_finished")
    assert {one["runId"] for one in data} == {"r"}


@pytest.mark.parametrize("how", ["header", "query"])
async def test_a_reader_that_comes_back_gets_every_later_event_once(stage: Stage, how: str) -> None:
    """Behind Last-Event-ID, or `after`, from any event on."""
    await stage.post("/api/workflows/sum/start-async?runId=r", {"inputData": 1})
    whole = _frames((await stage.get("/api/runs/r/events")).text)
    for seq in range(len(whole) + 1):
        if how == "header":
            response = await stage.get("/api/runs/r/events", headers={"Last-Event-ID": str(seq)})
        else:
            response = await stage.get(f"/api/runs/r/events?after={seq}")
        assert _frames(response.text) == whole[seq:]


@pytest.mark.parametrize("value", ["-1", "x", "99999999999999999999"])
async def test_a_cursor_that_is_none_is_refused(stage: Stage, value: str) -> None:
    """400 that names the field, in header and query."""
    await stage.post("/api/workflows/sum/start-async?runId=r", {"inputData": 1})
    assert (await stage.get(f"/api/runs/r/events?after={value}")).json()["issues"][0]["field"] == "after"
    assert (await stage.get("/api/runs/r/events", headers={"Last-Event-ID": value})).status_code == 400


async def test_events_go_on_after_a_crash_of_the_runtime(stage: Stage) -> None:
    """A reader that comes back after a crash misses nothing and sees nothing twice."""
    await stage.post("/api/workflows/ask/start-async?runId=r", {"inputData": 1})
    seq = (await stage.get("/api/runs/r")).json()["lastEventId"]
    await stage.harness.crash()
    await stage.post("/api/runs/r/resume", {"resumeData": {"approved": True}})
    await stage.post("/api/workflows/ask/start-async?runId=r", {"inputData": 1})
    rest = _frames((await stage.get(f"/api/runs/r/events?after={seq}")).text)
    assert [int(frame["id"]) for frame in rest] == [*range(seq + 1, seq + len(rest) + 1)]
    assert (rest[0]["event"], rest[-1]["event"]) == ("run_resumed", "run_finished")


async def test_a_signal_is_taken_once_for_each_key(stage: Stage) -> None:
    """A payload that does not fit is the sender's 400; the right one lets the run go on; afterwards it has ended."""
    started = (await stage.post("/api/workflows/pay/start?runId=r", {"inputData": 1})).json()
    assert started["runId"] == "r"
    wrong = await stage.post("/api/runs/r/signal", {"name": "paid", "payload": {"approved": 7}})
    assert (wrong.status_code, wrong.json()["issues"][0]["field"]) == (400, "approved")
    body: Json = {"name": "paid", "payload": {"approved": True}}
    accepted = await stage.post("/api/runs/r/signal", body, headers={"Idempotency-Key": "k"})
    assert accepted.json() == {"runId": "r", "accepted": True}
    result = (await stage.post("/api/workflows/pay/start-async?runId=r", {"inputData": 1})).json()
    assert result["result"] is True
    assert (await stage.post("/api/runs/r/signal", body)).status_code == 409
    assert (await stage.post("/api/runs/r/signal", {"payload": 1})).json()["issues"][0]["field"] == "name"
    assert (await stage.post("/api/runs/x/signal", body)).status_code == 404


async def test_cancel_says_whether_the_run_is_canceled(stage: Stage) -> None:
    """True for one that waited, with its reason; false for one that had finished."""
    await stage.post("/api/workflows/ask/start-async?runId=r", {"inputData": 1})
    assert (await stage.post("/api/runs/r/cancel", {"reason": "late"})).json() == {"runId": "r", "canceled": True}
    assert (await stage.get("/api/runs/r")).json()["reason"] == "late"
    await stage.post("/api/workflows/sum/start-async?runId=done", {"inputData": 1})
    assert (await stage.post("/api/runs/done/cancel")).json() == {"runId": "done", "canceled": False}


async def test_resume_is_durable_when_it_answers(stage: Stage) -> None:
    """The run moves on; the same key again is the same acknowledgement."""
    await stage.post("/api/workflows/ask/start-async?runId=r", {"inputData": 1})
    key = {"Idempotency-Key": "k"}
    body = {"step": "review", "resumeData": {"approved": True}}
    assert (await stage.post("/api/runs/r/resume", body, headers=key)).json()["resumed"] is True
    result = (await stage.post("/api/workflows/ask/start-async?runId=r", {"inputData": 1})).json()
    assert result["result"] == 4
    assert (await stage.post("/api/runs/r/resume", body, headers=key)).status_code == 200
