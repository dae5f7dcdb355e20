"""Errors over HTTP: one shape, the right status, what to do next, and never a trace."""

import asyncio
import logging
from collections.abc import AsyncGenerator

import pytest

from greenroom.runtime.contracts.errors import (
    AmbiguousResume,
    CreditError,
    Fenced,
    ForbiddenError,
    GreenroomError,
    RateLimited,
    RuntimeUnavailable,
    StorageFull,
    all_errors,
)
from greenroom.serve.refusals import refusal, status_of
from tests.serve.scripted_link import STARTED, ScriptedLink, http_of
from tests.serve.stage import Stage

START = "/api/workflows/w/start"


@pytest.mark.parametrize(
    ("error", "status", "retry_after"),
    [
        (RuntimeUnavailable("down", {"retry_after_s": 2.5}), 503, "3"),
        (RuntimeUnavailable("down"), 503, "1"),
        (RateLimited("slow down", {"retry_after_s": 30}), 429, "30"),
        (StorageFull("full"), 507, "1"),
        (Fenced("another owner"), 503, "1"),
        (ForbiddenError("no"), 403, None),
        (CreditError("broke"), 402, None),
        (AmbiguousResume("which?", {"candidates": ["a", "b"]}), 409, None),
    ],
)
async def test_the_runtimes_errors_keep_their_status(
    error: GreenroomError, status: int, retry_after: str | None
) -> None:
    """Status, message, code, facts; Retry-After where coming back may help."""
    async with http_of(ScriptedLink(start=error)) as http:
        response = await http.post(START, json={})
    body = response.json()
    assert (response.status_code, body["error"], body["code"]) == (status, error.message, error.code)
    assert response.headers.get("retry-after") == retry_after
    assert body.get("facts", {}) == error.facts


@pytest.mark.parametrize("kind", all_errors())
def test_every_error_is_an_answer_and_what_would_fail_again_is_not_repeated(kind: type[GreenroomError]) -> None:
    """5xx only for errors that may pass, or that are the server's; a failed step is the run's outcome."""
    response = refusal(kind("message", {"issues": [{"field": "a", "message": "b"}], "trace_id": "t"}))
    assert response.headers["x-trace-id"] == "t"
    assert b'"issues"' in response.body
    assert 400 <= status_of(kind("message")) < 600


async def test_an_unknown_error_is_told_without_its_trace(caplog: pytest.LogCaptureFixture) -> None:
    """500 with the error's name; the trace is in the log."""
    with caplog.at_level(logging.ERROR):
        async with http_of(ScriptedLink(start=KeyError("secret"))) as http:
            response = await http.post(START, json={})
    assert (response.status_code, response.json()) == (
        500,
        {"error": "the server failed: KeyError", "code": "internal_error"},
    )
    assert "secret" in caplog.text


async def test_malformed_json_is_named(stage: Stage) -> None:
    """400 with field `body`: broken, NaN, half a surrogate, not UTF-8, too deep."""
    bodies = [b"{bad", b'{"inputData": NaN}', b'{"inputData": "\\ud800"}', b'"\xff"', b"[" * 100_000, b"nope"]
    for body in bodies:
        response = await stage.post(
            "/api/workflows/sum/start", content=body, headers={"content-type": "application/json"}
        )
        told = response.json()
        assert (response.status_code, told["error"], told["issues"][0]["field"]) == (
            400,
            "Invalid request body",
            "body",
        )


async def test_json_without_its_content_type_is_explained(stage: Stage) -> None:
    """400 that names the header to send."""
    for headers in ({}, {"content-type": "application/x-www-form-urlencoded"}):
        response = await stage.post("/api/workflows/sum/start", content=b'{"inputData":1}', headers=headers)
        assert response.status_code == 400
        assert "content-type: application/json" in response.json()["issues"][0]["message"]


async def test_values_that_cannot_travel_are_refused(stage: Stage) -> None:
    """An integer beyond 64 bits is the caller's error."""
    response = await stage.post("/api/workflows/sum/start", {"inputData": 2**70})
    assert (response.status_code, response.json()["issues"][0]["message"]) == (400, "a number is too large")


async def test_fields_of_the_wrong_kind_are_all_listed(stage: Stage) -> None:
    """Dotted names in the wire's spelling; a body that is no object is `root`."""
    body = {"requestContext": 1, "perStep": "maybe", "tracingOptions": {"traceId": 5}}
    response = await stage.post("/api/workflows/sum/start", body)
    fields = {issue["field"] for issue in response.json()["issues"]}
    assert fields == {"requestContext", "perStep", "tracingOptions.traceId"}
    assert (await stage.post("/api/workflows/sum/start", [1])).json()["issues"][0]["field"] == "root"


async def test_unknown_fields_are_ignored(stage: Stage) -> None:
    """Newer clients send more."""
    response = await stage.post("/api/workflows/sum/start", {"inputData": 1, "brandNew": {"x": 1}})
    assert response.status_code == 200


async def test_unknown_routes_and_methods_are_json_too(stage: Stage) -> None:
    """404 and 405 name the path; parts that are not built yet are absent."""
    missing = await stage.get("/api/scorers")
    assert (missing.status_code, missing.json()["error"]) == (404, "there is no route GET /api/scorers")
    wrong = await stage.http.put("/api/workflows")
    assert (wrong.status_code, wrong.headers["allow"]) == (405, "GET")
    assert "error" in wrong.json()


async def test_a_body_over_the_limit_is_refused_unread() -> None:
    """413 by its announced length, and by what comes when none is announced; one at the limit passes."""

    async def pieces() -> AsyncGenerator[bytes]:
        for _ in range(3):
            yield b"x" * 1000

    link = ScriptedLink(start=STARTED)
    async with http_of(link, max_body_bytes=2048) as http:
        headers = {"content-type": "application/json"}
        announced = await http.post(START, content=b"x" * 2049, headers=headers)
        streamed = await http.post(START, content=pieces(), headers=headers)
        fitting = await http.post(START, content=b" " * 2046 + b"{}", headers=headers)
    assert [announced.status_code, streamed.status_code, fitting.status_code] == [413, 413, 200]
    assert announced.json()["error"] == "Request body too large"
    assert len(link.requests) == 1


async def test_a_key_that_is_too_long_is_refused(stage: Stage) -> None:
    """Keys are stored; they have a limit."""
    response = await stage.post("/api/workflows/sum/start", {"inputData": 1}, headers={"Idempotency-Key": "k" * 257})
    assert response.json()["issues"][0]["field"] == "idempotency-key"


async def test_origins_of_the_settings_may_call() -> None:
    """CORS is off unless origins are given."""
    origin = {"Origin": "http://front", "Access-Control-Request-Method": "POST"}
    async with http_of(ScriptedLink(), cors=["http://front"]) as http:
        allowed = await http.options(START, headers=origin)
    async with http_of(ScriptedLink()) as http:
        refused = await http.options(START, headers=origin)
    assert allowed.headers["access-control-allow-origin"] == "http://front"
    assert "access-control-allow-origin" not in refused.headers


async def test_health_needs_no_runtime_and_readiness_tells_what_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    """Healthz is the process; readyz is the runtime and its store, with a reason and Retry-After."""
    monkeypatch.setattr("greenroom.serve.routes.health.READY_WITHIN_S", 0.01)
    running = {"state": "running", "storage": {"is_writable": True, "error": None}}
    broken = {"state": "running", "storage": {"is_writable": False, "error": "disk full"}}
    cases = [
        (running, 200, None),
        (broken, 503, "disk full"),
        ({"state": "recovering"}, 503, "recovering"),
        (RuntimeUnavailable("nobody there"), 503, "nobody there"),
        (lambda _request: asyncio.sleep(60), 503, "did not answer"),
    ]
    for status, code, reason in cases:
        async with http_of(ScriptedLink(status=status)) as http:
            assert (await http.get("/healthz")).status_code == 200
            ready = await http.get("/readyz")
        assert ready.status_code == code
        assert (reason is None) or (reason in ready.json()["error"] and ready.headers["retry-after"])


async def test_the_api_describes_itself(stage: Stage) -> None:
    """OpenAPI and its page are served; every route of the wire is in it."""
    described = (await stage.get("/openapi.json")).json()
    assert {"/api/workflows/{workflow_id}/start-async", "/api/agents/{agent_id}/stream"} <= described["paths"].keys()
    assert (await stage.get("/docs")).status_code == 200
