"""Tools over HTTP."""

import json

from tests.serve.stage import Stage


async def test_tools_are_listed_and_shown(stage: Stage) -> None:
    """The list is a map; one has its schema as text; an unknown one is 404."""
    listed = (await stage.get("/api/tools")).json()
    assert {"search", "publish"} <= listed.keys()
    shown = (await stage.get("/api/tools/search")).json()
    assert shown == listed["search"]
    assert json.loads(shown["inputSchema"])["json"]["required"] == ["query"]
    assert (await stage.get("/api/tools/nope")).status_code == 404


async def test_execute_answers_what_the_tool_returned(stage: Stage) -> None:
    """The result as it is, with the trace in the header; a lone `?` in the address is nothing."""
    response = await stage.post("/api/tools/search/execute?", {"data": {"query": "x"}})
    assert (response.status_code, response.json()) == (200, "found x")
    assert response.headers["x-trace-id"]
    assert (await stage.post("/api/tools/nope/execute", {"data": {}})).status_code == 404


async def test_arguments_that_do_not_fit_are_told_as_clients_expect(stage: Stage) -> None:
    """200 with error true and the wrong fields, also without any body."""
    for body in ({"data": {"query": 1}}, None):
        response = await stage.post("/api/tools/search/execute", body)
        told = response.json()
        assert (response.status_code, told["error"]) == (200, True)
        assert told["validationErrors"][0]["field"] == "query"


async def test_a_tool_that_raises_is_not_repeated(stage: Stage) -> None:
    """424: the call took place, and sending it again would make another."""
    response = await stage.post("/api/tools/broken/execute", {"data": {"query": "x"}})
    assert (response.status_code, response.json()["code"]) == (424, "tool_failed")
    assert "no x" in response.json()["error"]
    assert "Traceback" not in response.text


async def test_a_tool_that_waits_says_what_for(stage: Stage) -> None:
    """Status suspended with the run, which is resumed as any other."""
    told = (await stage.post("/api/tools/confirm/execute", {"data": {"question": "sure?"}})).json()
    assert (told["status"], told["suspendPayload"]) == ("suspended", {"question": "sure?"})
    assert (await stage.post(f"/api/runs/{told['runId']}/resume", {"resumeData": "yes"})).status_code == 200


async def test_the_same_key_is_one_call(stage: Stage) -> None:
    """Two executions with one Idempotency-Key are one run."""
    for _ in range(2):
        await stage.post("/api/tools/search/execute", {"data": {"query": "x"}}, headers={"Idempotency-Key": "k"})
    assert len((await stage.get("/api/runs?kind=tool")).json()["runs"]) == 1
