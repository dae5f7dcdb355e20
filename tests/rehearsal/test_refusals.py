"""Bad input: each gets a right status and a message in OpenAI's shape."""

from typing import Any

import httpx
import pytest

from greenroom.actors.rehearsal import edge
from greenroom.actors.rehearsal.server import RehearsalServer

ASK = {"role": "user", "content": "x"}
CALLED = {"role": "assistant", "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f"}}]}
FORMAT = {
    "type": "json_schema",
    "json_schema": {"name": "x", "schema": {"type": "integer", "minimum": 3, "maximum": 1}},
}


def post(server: RehearsalServer, path: str, body: Any) -> httpx.Response:
    with httpx.Client(base_url=server.base_url) as http:
        return http.post(path, content=body) if isinstance(body, bytes) else http.post(path, json=body)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b"{", None),
        (b"[1]", None),
        ({"messages": [ASK]}, "model"),
        ({"model": "m"}, "messages"),
        ({"model": "m", "messages": []}, "messages"),
        ({"model": "m", "messages": [{"role": "robot", "content": "x"}]}, "messages.0.role"),
        ({"model": "m", "messages": [{"role": "user"}]}, "messages.0"),
        ({"model": "m", "messages": [ASK], "tool_choice": "required"}, None),
        ({"model": "m", "messages": [ASK, {"role": "tool", "tool_call_id": "c", "content": "1"}]}, None),
        ({"model": "m", "messages": [ASK, CALLED, ASK]}, None),
        ({"model": "m", "messages": [ASK], "max_tokens": 0}, "max_tokens"),
        ({"model": "m", "messages": [ASK], "response_format": FORMAT}, None),
    ],
)
def test_a_malformed_chat_is_refused(server: RehearsalServer, body: Any, param: str | None) -> None:
    """Status 400, and the message names the field where there is one."""
    answer = post(server, "/chat/completions", body)
    error = answer.json()["error"]
    assert answer.status_code == 400
    assert (error["type"], error["param"]) == ("invalid_request_error", param)
    assert error["message"]
    assert server.requests[0].outcome == "refused"


def test_a_schema_that_is_none_is_refused(server: RehearsalServer) -> None:
    """A broken JSON Schema is the sender's mistake."""
    wanted = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "banana"}}}
    answer = post(server, "/chat/completions", {"model": "m", "messages": [ASK], "response_format": wanted})
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "invalid_schema"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/embeddings", {"model": "m", "input": ""}),
        ("/embeddings", {"model": "m", "input": []}),
        ("/embeddings", {"model": "m", "input": "x", "dimensions": 0}),
        ("/images/generations", {"prompt": ""}),
        ("/images/generations", {"prompt": "x", "size": "huge"}),
        ("/images/generations", {"prompt": "x", "size": "9000x10"}),
        ("/images/generations", {"prompt": "x", "response_format": "url"}),
    ],
)
def test_other_malformed_bodies_are_refused(server: RehearsalServer, path: str, body: Any) -> None:
    """Embeddings and images refuse what they cannot do."""
    assert post(server, path, body).status_code == 400


def test_unknown_paths_and_methods_have_openais_shape(server: RehearsalServer) -> None:
    """404 and 405 say what was asked for."""
    with httpx.Client(base_url=server.base_url) as http:
        missing, wrong = http.get("/nowhere"), http.get("/chat/completions")
    assert (missing.status_code, wrong.status_code) == (404, 405)
    assert "/v1/nowhere" in missing.json()["error"]["message"]


def test_a_huge_body_is_refused(server: RehearsalServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A body over the limit gets 413."""
    monkeypatch.setattr(edge, "MAX_BODY_BYTES", 100)
    assert post(server, "/chat/completions", b" " * 101).status_code == 413
