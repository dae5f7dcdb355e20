"""Scripts: which reply a request gets, from Python and over HTTP."""

import httpx
import pytest
from openai import AsyncOpenAI
from pydantic import ValidationError

from greenroom.actors.rehearsal.script import Fault, Reply, Script, ScriptedUsage
from greenroom.actors.rehearsal.seen import MAX_LOGGED, RequestLog
from greenroom.actors.rehearsal.server import RehearsalServer


async def say(client: AsyncOpenAI, text: str, model: str = "rehearsal") -> str:
    reply = await client.chat.completions.create(model=model, messages=[{"role": "user", "content": text}])
    return reply.choices[0].message.content or ""


async def test_replies_are_used_in_order(client: AsyncOpenAI, server: RehearsalServer) -> None:
    """Each reply answers one request; after them rehearsal answers by itself."""
    server.script.add(Reply(text="one"), Reply(text="two"))
    assert [await say(client, "Hello") for _ in range(2)] == ["one", "two"]
    assert (await say(client, "Hello")).startswith("Rehearsal model")
    assert [seen.is_scripted for seen in server.requests] == [True, True, False]


async def test_replies_wait_for_their_request(client: AsyncOpenAI, server: RehearsalServer) -> None:
    """A reply with conditions is left for the request that meets them."""
    server.script.add(
        Reply(text="for ferries", user_contains="ferries", times=None), Reply(text="for big", model="big", times=2)
    )
    assert (await say(client, "Hello")).startswith("Rehearsal model")
    assert await say(client, "Night ferries") == "for ferries"
    assert await say(client, "Hello", model="big") == "for big"
    assert await say(client, "More ferries") == "for ferries"
    assert server.script.pending == 2


async def test_usage_and_the_reason_can_be_scripted(client: AsyncOpenAI, server: RehearsalServer) -> None:
    """Figures of the script replace the estimate."""
    usage = ScriptedUsage(prompt_tokens=1000, completion_tokens=20)
    server.script.add(Reply(text="x", usage=usage, finish_reason="content_filter"))
    reply = await client.chat.completions.create(model="rehearsal", messages=[{"role": "user", "content": "x"}])
    assert reply.choices[0].finish_reason == "content_filter"
    assert reply.usage is not None
    assert reply.usage.total_tokens == 1020


async def test_other_processes_script_over_http(client: AsyncOpenAI, server: RehearsalServer) -> None:
    """Replies are posted, requests counted and both forgotten over HTTP."""
    root = server.base_url.removesuffix("/v1")
    async with httpx.AsyncClient(base_url=root) as http:
        posted = await http.post(
            "/rehearsal/script",
            json={"replies": [{"text": "hi"}, {"fault": {"kind": "status", "status": 503}, "model": "other"}]},
        )
        assert (posted.status_code, posted.json()) == (201, {"pending": 2})
        assert await say(client, "Hello") == "hi"
        log = (await http.get("/rehearsal/requests")).json()
        assert [(item["user"], item["outcome"], item["is_scripted"]) for item in log["items"]] == [
            ("Hello", "answered", True)
        ]
        assert (log["in_flight"], log["items"][0]["body"]["model"]) == (0, "rehearsal")
        assert (await http.delete("/rehearsal/script")).status_code == 204
        assert server.script.pending == 0
        assert (await http.delete("/rehearsal/requests")).status_code == 204
        assert (await http.get("/rehearsal/requests")).json()["items"] == []
        assert (await http.get("/healthz")).json()["status"] == "ok"


@pytest.mark.parametrize("body", [{"replies": []}, {"replies": [{"txt": "hi"}]}, {"replies": [{"times": 0}]}, {}])
def test_a_wrong_script_is_refused(server: RehearsalServer, body: object) -> None:
    """A misspelt key is an error, and nothing of the script is taken."""
    answer = httpx.post(f"{server.base_url.removesuffix('/v1')}/rehearsal/script", json=body)
    assert answer.status_code == 400
    assert answer.json()["error"]["param"].startswith("replies")
    assert server.script.pending == 0


def test_other_endpoints_take_status_faults_only() -> None:
    """A text for an image makes no sense and is said so."""
    with pytest.raises(ValidationError, match="status fault"):
        Reply(on="images", text="x")
    Reply(on="images", fault=Fault.http(500))


def test_the_log_is_bounded() -> None:
    """Old requests leave the log, the count goes on."""
    log = RequestLog()
    for _ in range(MAX_LOGGED + 5):
        log.open("/x")
    assert len(log.items) == MAX_LOGGED
    assert log.items[0].seq == 6
    assert log.summary()["total"] == MAX_LOGGED + 5


def test_a_script_is_bounded() -> None:
    """A script refuses more replies than it may hold."""
    with pytest.raises(ValueError, match="at most"):
        Script([Reply()] * 10_001)
