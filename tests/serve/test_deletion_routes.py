"""Runs and conversations are deleted over HTTP, in the wire's shapes."""

import asyncio
from typing import Literal

from tests.serve.reader import Reader
from tests.serve.stage import ScriptedTurns, Stage, said


class Gate(asyncio.Event):
    """Tells when somebody stands before it."""

    def __init__(self) -> None:
        super().__init__()
        self.reached = asyncio.Event()

    async def wait(self) -> Literal[True]:
        """Wait until it is open."""
        self.reached.set()
        return await super().wait()


async def test_a_run_of_a_workflow_is_deleted_and_then_not_found(stage: Stage) -> None:
    """Also as a run of any kind; a run of another workflow is not reached."""
    for run_id in ("a", "b"):
        await stage.post(f"/api/workflows/ask/start-async?runId={run_id}", {"inputData": 1})
    assert (await stage.http.delete("/api/workflows/sum/runs/a")).status_code == 404
    deleted = await stage.http.delete("/api/workflows/ask/runs/a")
    assert (deleted.status_code, deleted.json()) == (200, {"message": "Workflow run deleted"})
    assert (await stage.http.delete("/api/runs/b")).json() == {"runId": "b", "deleted": True}
    for path in ("/api/workflows/ask/runs/a", "/api/workflows/ask/runs/b", "/api/runs/a", "/api/runs/b"):
        assert (await stage.http.delete(path)).status_code == 404
        assert (await stage.get(path)).status_code == 404
    assert (await stage.get("/api/workflows/ask/runs")).json() == {"runs": [], "total": 0}


async def test_a_deletion_that_is_sent_again_with_its_key_is_the_same(stage: Stage) -> None:
    """The client sends again what got no answer; another key finds nothing."""
    await stage.post("/api/workflows/ask/start-async?runId=a", {"inputData": 1})
    await stage.post("/api/workflows/ask/start-async?runId=b", {"inputData": 1})
    await stage.post("/api/memory/threads", {"threadId": "t", "resourceId": "user"})
    for path in ("/api/workflows/ask/runs/a", "/api/runs/b", "/api/memory/threads/t"):
        for key, status in (("k", 200), ("k", 200), ("other", 404)):
            response = await stage.http.delete(path, headers={"Idempotency-Key": key})
            assert response.status_code == status
    await stage.post("/api/workflows/ask/start-async?runId=c", {"inputData": 1})
    path = "/api/workflows/sum/runs/c"
    assert (await stage.http.delete(path, headers={"Idempotency-Key": "k"})).status_code == 404
    assert (await stage.get("/api/runs/c")).status_code == 200


async def test_a_run_that_moves_is_not_deleted(stage: Stage, turns: ScriptedTurns) -> None:
    """409 that names it; when it has been canceled it goes."""
    turns.play(said("one two"))
    gate = turns.gate = Gate()
    body = {"messages": "hello", "runId": "r"}
    answering = asyncio.ensure_future(stage.post("/api/agents/writer/generate", body))
    await asyncio.wait_for(gate.reached.wait(), 5)
    refused = await stage.http.delete("/api/runs/r")
    told = refused.json()
    assert (refused.status_code, told["code"], told["facts"]["runs"]) == (409, "run_still_running", ["r"])
    await stage.post("/api/runs/r/cancel")
    await answering
    assert (await stage.http.delete("/api/runs/r")).status_code == 200


async def test_a_child_is_deleted_with_its_root_only(stage: Stage) -> None:
    """400 that names the root."""
    await stage.post("/api/workflows/outer/start-async?runId=r", {"inputData": 1})
    runs = (await stage.get("/api/runs")).json()["runs"]
    child = next(run["runId"] for run in runs if run["parentId"])
    refused = await stage.http.delete(f"/api/runs/{child}")
    assert (refused.status_code, refused.json()["facts"]["root_id"]) == (400, "r")


async def test_a_stream_of_a_run_that_is_deleted_ends(stage: Stage) -> None:
    """The reader has seen what there was; nothing hangs."""
    await stage.post("/api/workflows/ask/start-async?runId=r", {"inputData": 1})
    reader = Reader("GET", "/api/runs/r/events")
    reading = asyncio.create_task(stage.api(reader.scope, reader.receive, reader.send))
    while b"event: run_suspended" not in await asyncio.wait_for(reader.received.get(), 5):
        pass
    await stage.http.delete("/api/runs/r")
    await asyncio.wait_for(reading, 5)
