"""Schedules over HTTP, in the wire's shapes."""

from typing import Any

import pytest

from tests.serve.stage import ScriptedTurns, Stage, said

HOUR_S = 3600.0
NINE = 1_800_003_600_000  # on the first day of the fake clock, which begins at eight
DAY_MS = 86_400_000


async def make(stage: Stage, **fields: Any) -> dict[str, Any]:
    """Make a schedule of the workflow `sum` at nine and return its record."""
    response = await stage.post(
        "/api/schedules", {"id": "s", "workflowId": "sum", "cron": "0 9 * * *", "inputData": 1, **fields}
    )
    assert response.status_code == 200, response.text
    record: dict[str, Any] = response.json()
    return record


async def test_a_schedule_is_a_record_of_the_wire(stage: Stage) -> None:
    """Times are milliseconds; what is not set is not there; it is found by id and in the list."""
    record = await make(stage, metadata={"a": 1}, name="Morning")
    assert record["nextFireAt"] == NINE
    expected = {
        "id": "s",
        "workflowId": "sum",
        "cron": "0 9 * * *",
        "timezone": "UTC",
        "inputData": 1,
        "status": "active",
    }
    assert expected.items() <= record.items()
    assert (record["metadata"], record["name"]) == ({"a": 1}, "Morning")
    assert {"lastFireAt", "lastRunId", "lastRun", "threadId"} & set(record) == set()
    assert (await stage.get("/api/schedules/s")).json() == record
    assert (await stage.get("/api/schedules?workflowId=sum&status=active&name=Morning")).json() == {
        "schedules": [record]
    }
    for other in ("workflowId=ask", "agentId=writer", "status=paused", "name=Evening", "resourceId=x"):
        assert (await stage.get(f"/api/schedules?{other}")).json() == {"schedules": []}


async def test_a_schedule_that_fired_shows_its_last_run_and_its_triggers(stage: Stage) -> None:
    """Newest first, within a span of time, with how the run is."""
    await make(stage)
    for hours in (1, 24):
        await stage.harness.clock.advance(hours * HOUR_S)
    record = (await stage.get("/api/schedules/s")).json()
    assert (record["lastFireAt"], record["nextFireAt"]) == (NINE + DAY_MS, NINE + 2 * DAY_MS)
    assert record["lastRun"] == {
        "status": "success",
        "startedAt": NINE + DAY_MS,
        "completedAt": NINE + DAY_MS,
        "durationMs": 0,
    }
    triggers = (await stage.get("/api/schedules/s/triggers")).json()["triggers"]
    assert [trigger["scheduledFireAt"] for trigger in triggers] == [NINE + DAY_MS, NINE]
    assert triggers[0] == {
        "id": "s:2",
        "scheduleId": "s",
        "runId": record["lastRunId"],
        "scheduledFireAt": NINE + DAY_MS,
        "actualFireAt": NINE + DAY_MS,
        "outcome": "published",
        "triggerKind": "schedule-fire",
        "run": record["lastRun"],
    }
    for query, count in (("limit=1", 1), (f"fromActualFireAt={NINE + 1}", 1), (f"toActualFireAt={NINE}", 1), ("", 2)):
        assert len((await stage.get(f"/api/schedules/s/triggers?{query}")).json()["triggers"]) == count


async def test_a_schedule_is_paused_resumed_and_deleted(stage: Stage) -> None:
    """Without bodies; twice is no error; a deleted one is 404."""
    await make(stage)
    for action, status in (("pause", "paused"), ("pause", "paused"), ("resume", "active"), ("resume", "active")):
        assert (await stage.post(f"/api/schedules/s/{action}")).json()["status"] == status
    assert (await stage.http.delete("/api/schedules/s")).json() == {"message": "Schedule deleted"}
    for response in (await stage.get("/api/schedules/s"), await stage.post("/api/schedules/s/run")):
        assert (response.status_code, response.json()["error"]) == (404, "no schedule 's' in workspace 'default'")


async def test_a_schedule_runs_now_once_for_each_key(stage: Stage) -> None:
    """The answer names the run, and the history calls it manual."""
    await make(stage)
    answers = [(await stage.post("/api/schedules/s/run", headers={"Idempotency-Key": "k"})).json() for _ in range(2)]
    assert answers[0] == answers[1]
    assert (answers[0]["scheduleId"], answers[0]["claimId"]) == ("s", "k")
    assert answers[0]["scheduledFireAt"] == NINE - 3_600_000
    (trigger,) = (await stage.get("/api/schedules/s/triggers")).json()["triggers"]
    assert (trigger["triggerKind"], trigger["runId"]) == ("manual", answers[0]["runId"])


async def test_a_changed_line_counts_from_now(stage: Stage) -> None:
    """What is not named stays."""
    await make(stage)
    changed = (await stage.http.patch("/api/schedules/s", json={"cron": "30 8 * * *"})).json()
    assert (changed["nextFireAt"], changed["inputData"]) == (NINE - 1_800_000, 1)
    changed = (await stage.http.patch("/api/schedules/s", json={"everySeconds": 60, "inputData": 2})).json()
    assert (changed["everySeconds"], changed["inputData"], "cron" in changed) == (60, 2, False)


async def test_an_agent_is_prompted_by_its_schedule(stage: Stage, turns: ScriptedTurns) -> None:
    """In its conversation, for its resource."""
    turns.play(said("Good morning."))
    body = {"agentId": "writer", "cron": "0 9 * * *", "prompt": "Greet.", "threadId": "t", "resourceId": "u"}
    record = (await stage.post("/api/schedules", body)).json()
    assert record["id"].startswith("agent_")
    assert (record["agentId"], record["prompt"], record["threadId"]) == ("writer", "Greet.", "t")
    await stage.harness.clock.advance(HOUR_S)
    thread = await stage.harness.client.threads.get("t")
    assert [message["content"] for message in thread["messages"]] == ["Greet.", "Good morning."]
    assert thread["resource_id"] == "u"


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"brandNew": 1}, "brandNew"),
        ({"cron": "61 * * * *"}, "cron"),
        ({"timezone": "Mars"}, "timezone"),
        ({"agentId": "writer"}, "workflowId"),
        ({"inputData": "x"}, "root"),
        ({"maxCatchUp": 0}, "maxCatchUp"),
    ],
)
async def test_a_body_that_does_not_fit_is_refused(stage: Stage, fields: dict[str, Any], field: str) -> None:
    """400 with the field, unknown ones too; nothing is made."""
    response = await stage.post(
        "/api/schedules", {"id": "s", "workflowId": "sum", "cron": "0 9 * * *", "inputData": 1, **fields}
    )
    assert (response.status_code, response.json()["issues"][0]["field"]) == (400, field)
    assert (await stage.get("/api/schedules")).json() == {"schedules": []}


async def test_a_schedule_is_made_once_for_each_key(stage: Stage) -> None:
    """A client that got no answer asks again; another schedule under the id is refused."""
    body = {"workflowId": "sum", "cron": "0 9 * * *", "inputData": 1}
    made = [(await stage.post("/api/schedules", body, headers={"Idempotency-Key": "k"})).json() for _ in range(2)]
    assert made[0] == made[1]
    other = await stage.post("/api/schedules", {**body, "id": made[0]["id"], "cron": "@daily"})
    assert other.status_code == 409
