"""Agents over HTTP, through a whole runtime in this process whose model turns are scripted."""

import json

import pytest

from greenroom.runtime.contracts.values import Json
from tests.serve.events import types
from tests.serve.stage import ScriptedTurns, Stage, called, said

WRITER = "/api/agents/writer"


async def test_agents_are_listed_and_shown(stage: Stage) -> None:
    """The list is a map; partial leaves the schemas out; an unknown one is 404 and names those there are."""
    listed = (await stage.get("/api/agents")).json()
    shown = (await stage.get(WRITER)).json()
    assert listed == {"writer": shown}
    assert (shown["instructions"], shown["provider"], shown["modelId"]) == ("Write.", "rehearsal", "any")
    partial = (await stage.get("/api/agents?partial=true")).json()
    assert "inputSchema" not in partial["writer"]["tools"]["search"]
    missing = await stage.get("/api/agents/nope")
    assert (missing.status_code, missing.json()["facts"]["known"]) == (404, ["writer"])


async def test_generate_answers_text_usage_and_trace(stage: Stage, turns: ScriptedTurns) -> None:
    """Everything the client reads is there."""
    turns.play(said("Hello there"))
    response = await stage.post(f"{WRITER}/generate", {"messages": "hi"})
    reply = response.json()
    assert (reply["text"], reply["finishReason"]) == ("Hello there", "stop")
    assert reply["usage"] == reply["totalUsage"]
    assert (reply["usage"]["inputTokens"], reply["usage"]["outputTokens"]) == (10, 5)
    assert response.headers["x-trace-id"] == reply["traceId"]
    assert reply["response"]["messages"] == [
        {"role": "assistant", "content": [{"type": "text", "text": "Hello there"}]}
    ]
    assert [message["role"] for message in reply["messages"]] == ["user", "assistant"]


async def test_generate_with_a_tool_wraps_calls_and_results(stage: Stage, turns: ScriptedTurns) -> None:
    """Payload-wrapped at the top and in their step."""
    turns.play(called(("c1", "search", {"query": "x"})), said("done"))
    reply = (await stage.post(f"{WRITER}/generate", {"messages": "hi", "runId": "r"})).json()
    assert reply["toolCalls"] == [
        {
            "type": "tool-call",
            "runId": "r",
            "from": "AGENT",
            "payload": {"toolCallId": "c1", "toolName": "search", "args": {"query": "x"}},
        }
    ]
    assert reply["toolResults"][0]["payload"]["result"] == "found x"
    assert [(step["stepType"], step["finishReason"]) for step in reply["steps"]] == [
        ("initial", "tool-calls"),
        ("tool-result", "stop"),
    ]


async def test_stream_is_framed_to_the_byte(stage: Stage, turns: ScriptedTurns) -> None:
    """`data: {json}` and an empty line, `data: [DONE]` at the end, text/event-stream, not buffered by proxies."""
    turns.play(said("Hello there"))
    response = await stage.post(f"{WRITER}/stream", {"messages": "hi", "runId": "r"})
    assert response.headers["content-type"].startswith("text/event-stream")
    assert (response.headers["cache-control"], response.headers["x-accel-buffering"]) == ("no-cache", "no")
    frames = response.text.split("\n\n")
    assert all(frame.startswith("data: ") and "\n" not in frame for frame in frames[:-1])
    assert frames[-2:] == ["data: [DONE]", ""]
    assert types([json.loads(frame[6:]) for frame in frames[:-2]]) == [
        "start",
        "step-start",
        "text-start",
        "text-delta",
        "text-delta",
        "text-end",
        "step-finish",
        "finish",
    ]


async def test_an_approved_call_runs_once_and_the_stream_goes_on(stage: Stage, turns: ScriptedTurns) -> None:
    """The first stream ends at the approval, the second begins with the result; a second approval is refused."""
    turns.play(called(("c1", "publish", {"page": "p"})), said("done"))
    first = await stage.chunks(f"{WRITER}/stream", {"messages": "hi", "runId": "r"})
    assert types(first)[-2:] == ["tool-call", "tool-call-approval"]
    approval = {"runId": "r", "toolCallId": "c1"}
    second = await stage.chunks(f"{WRITER}/approve-tool-call", approval)
    assert types(second)[:3] == ["tool-result", "step-finish", "step-start"]
    assert types(second)[-1] == "finish"
    assert second[0]["payload"]["result"] == "published p"
    again = await stage.post(f"{WRITER}/approve-tool-call", approval)
    assert (again.status_code, again.json()["code"]) == (409, "already_claimed")
    observed = await stage.chunks(f"{WRITER}/observe", {"runId": "r"})
    assert [envelope["index"] for envelope in observed] == [*range(len(observed))]
    assert types([envelope["data"] for envelope in observed]) == types(first) + types(second)
    rest = await stage.chunks(f"{WRITER}/observe", {"runId": "r", "offset": 3})
    assert rest == observed[3:]


async def test_a_pending_call_is_the_answer_of_generate(stage: Stage, turns: ScriptedTurns) -> None:
    """FinishReason suspended with the call; approve-tool-call-generate answers the rest."""
    turns.play(called(("c1", "publish", {"page": "p"})), said("done"))
    parked = (await stage.post(f"{WRITER}/generate", {"messages": "hi", "runId": "r"})).json()
    assert (parked["finishReason"], parked["text"], parked["steps"]) == ("suspended", "", [])
    assert parked["suspendPayload"]["toolCallId"] == "c1"
    assert json.loads(parked["resumeSchema"])["required"] == ["approved"]
    changed = {"runId": "r", "toolCallId": "c1", "argsHash": "0"}
    assert (await stage.post(f"{WRITER}/approve-tool-call-generate", changed)).status_code == 400
    approval = {"runId": "r", "toolCallId": "c1", "argsHash": parked["suspendPayload"]["argsHash"]}
    reply = (await stage.post(f"{WRITER}/approve-tool-call-generate", approval)).json()
    assert (reply["text"], reply["toolResults"][0]["payload"]["result"]) == ("done", "published p")


async def test_a_declined_call_never_runs(stage: Stage, turns: ScriptedTurns) -> None:
    """The agent goes on with the refusal, streamed or waited for."""
    for run_id in ("a", "b"):
        turns.play(called(("c1", "publish", {"page": "p"})), said("understood"))
        await stage.post(f"{WRITER}/generate", {"messages": "hi", "runId": run_id})
    told = await stage.chunks(f"{WRITER}/decline-tool-call", {"runId": "a", "toolCallId": "c1", "reason": "no"})
    assert types(told)[:2] == ["tool-output-denied", "step-finish"]
    assert told[0]["payload"]["approval"]["reason"] == "no"
    turns.play(said("understood"))
    reply = (await stage.post(f"{WRITER}/decline-tool-call-generate", {"runId": "b", "toolCallId": "c1"})).json()
    assert reply["text"] == "understood"


async def test_unknown_calls_and_runs_are_not_found(stage: Stage, turns: ScriptedTurns) -> None:
    """404 for a call the run does not have and for a run that does not exist."""
    turns.play(called(("c1", "publish", {"page": "p"})))
    await stage.post(f"{WRITER}/generate", {"messages": "hi", "runId": "r"})
    assert (await stage.post(f"{WRITER}/approve-tool-call", {"runId": "r", "toolCallId": "x"})).status_code == 404
    assert (await stage.post(f"{WRITER}/approve-tool-call", {"runId": "x", "toolCallId": "c1"})).status_code == 404
    assert (await stage.post(f"{WRITER}/observe", {"runId": "x"})).status_code == 404
    assert (await stage.post("/api/agents/nope/generate", {"messages": "hi"})).status_code == 404


async def test_a_tool_that_suspended_itself_is_resumed(stage: Stage, turns: ScriptedTurns) -> None:
    """tool-call-suspended, then resume-stream by the call's id gives its result."""
    turns.play(called(("c1", "confirm", {"question": "sure?"})), said("ok"))
    told = await stage.chunks(f"{WRITER}/stream", {"messages": "hi", "runId": "r"})
    assert told[-1]["type"] == "tool-call-suspended"
    assert told[-1]["payload"]["suspendPayload"] == {"question": "sure?"}
    unknown = {"runId": "r", "toolCallId": "x", "resumeData": "yes"}
    assert (await stage.post(f"{WRITER}/resume-stream", unknown)).status_code == 404
    rest = await stage.chunks(f"{WRITER}/resume-stream", {"runId": "r", "toolCallId": "c1", "resumeData": "yes"})
    assert rest[0]["payload"]["result"] == "sure? yes"


async def test_a_failing_model_is_not_repeated_by_the_client(stage: Stage, turns: ScriptedTurns) -> None:
    """Generate gives 424 with run and trace; a stream has 200 and tells the error as a chunk."""
    turns.play("the provider is down", "the provider is down")
    response = await stage.post(f"{WRITER}/generate", {"messages": "hi"})
    assert (response.status_code, response.json()["error"]) == (424, "the provider is down")
    assert response.json()["runId"]
    assert response.json()["traceId"] == response.headers["x-trace-id"]
    told = await stage.chunks(f"{WRITER}/stream", {"messages": "hi"})
    assert types(told) == ["start", "step-start", "error", "step-finish", "finish"]


async def test_a_structured_answer_is_the_object(stage: Stage, turns: ScriptedTurns) -> None:
    """The schema reaches the model, the object the caller."""
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    turns.play(said('{"n": 3}'))
    body = {"messages": "hi", "structuredOutput": {"schema": schema}}
    assert (await stage.post(f"{WRITER}/generate", body)).json()["object"] == {"n": 3}
    assert turns.asked[0]["response_schema"]["schema"] == schema


async def test_options_of_a_call_reach_the_model(stage: Stage, turns: ScriptedTurns) -> None:
    """Instructions, model, settings and system messages of one call stand before the agent's own."""
    turns.play(said("x"))
    body = {
        "messages": [{"role": "user", "content": "hi"}],
        "instructions": "Be brief.",
        "system": "Now.",
        "model": "rehearsal/other",
        "modelSettings": {"maxOutputTokens": 9},
        "toolChoice": "none",
    }
    await stage.post(f"{WRITER}/generate", body)
    asked = turns.asked[0]
    assert [message["content"] for message in asked["messages"]] == ["Be brief.", "Now.", "hi"]
    assert (asked["models"], asked["settings"]) == (["rehearsal/other"], {"max_tokens": 9, "tool_choice": "none"})


async def test_a_thread_remembers_and_belongs_to_its_resource(stage: Stage, turns: ScriptedTurns) -> None:
    """The second call sees the first; another resource is refused."""
    memory = {"thread": "t", "resource": "user"}
    turns.play(said("one"), said("two"))
    for text in ("first", "second"):
        await stage.post(f"{WRITER}/generate", {"messages": text, "memory": memory})
    said_so_far = [message["content"] for message in turns.asked[1]["messages"]]
    assert said_so_far == ["Write.", "first", "one", "second"]
    other = {"messages": "x", "memory": {"thread": {"id": "t"}, "resource": "other"}}
    assert (await stage.post(f"{WRITER}/generate", other)).status_code == 404


async def test_the_same_key_is_one_run_and_one_payment(stage: Stage, turns: ScriptedTurns) -> None:
    """A generate that is sent again with its Idempotency-Key asks the model once."""
    turns.play(said("once"))
    key = {"Idempotency-Key": "k"}
    first, second = [await stage.post(f"{WRITER}/generate", {"messages": "hi"}, headers=key) for _ in range(2)]
    assert first.json() == second.json()
    assert len(turns.asked) == 1


@pytest.mark.parametrize("name", ["requireToolApproval", "clientTools"])
async def test_what_must_not_be_ignored_is_refused(stage: Stage, turns: ScriptedTurns, name: str) -> None:
    """A call that asks for a safety, or for tools, that nobody provides is 400 and asks no model."""
    body: dict[str, Json] = {"messages": "hi", name: True if name == "requireToolApproval" else {"t": {}}}
    response = await stage.post(f"{WRITER}/generate", body)
    assert (response.status_code, response.json()["issues"][0]["field"]) == (400, name)
    assert turns.asked == []


@pytest.mark.parametrize("body", [{}, {"messages": None}, {"messages": ""}, {"messages": "hi", "maxSteps": 0}])
async def test_bodies_that_cannot_be_are_refused_with_their_field(stage: Stage, body: dict[str, object]) -> None:
    """Missing and empty messages, and limits out of range."""
    response = await stage.post(f"{WRITER}/generate", body)
    assert response.status_code == 400
    assert response.json()["issues"][0]["field"].split(".")[0] in {"messages", "maxSteps"}


async def test_an_agent_as_a_step_streams_inside_its_workflow(stage: Stage, turns: ScriptedTurns) -> None:
    """Its chunks are the step's output; an approval suspends the workflow and is resumed there."""
    turns.play(called(("c1", "publish", {"page": "p"})), said("done"))
    told = await stage.records("/api/workflows/write/stream?runId=r", {"inputData": "hi"})
    chunks = [one["payload"]["output"]["type"] for one in told if one["type"] == "workflow-step-output"]
    assert chunks[-1] == "tool-call-approval"
    assert types(told)[-2:] == ["workflow-step-suspended", "workflow-finish"]
    parked = (await stage.post("/api/workflows/write/start-async?runId=r", {"inputData": "hi"})).json()
    assert parked["suspendPayload"]["writer"]["toolName"] == "publish"
    body = {"step": parked["suspended"][0], "resumeData": {"approved": True}}
    rest = await stage.records("/api/workflows/write/resume-stream?runId=r", body)
    inner = [one["payload"]["output"] for one in rest if one["type"] == "workflow-step-output"]
    assert types(inner)[:3] == ["tool-result", "step-finish", "step-start"]
    assert inner[0]["payload"]["args"] == {"page": "p"}
    assert rest[-1]["payload"]["finalWorkflowResult"] == "done"
    assert rest[-1]["payload"]["output"]["usage"]["inputTokens"] == 20


async def test_tools_of_an_agent_are_shown_and_executed(stage: Stage) -> None:
    """By the agent's path too; one it does not have is 404."""
    assert (await stage.get(f"{WRITER}/tools/search")).json()["id"] == "search"
    executed = await stage.post(f"{WRITER}/tools/search/execute", {"data": {"query": "x"}})
    assert executed.json() == "found x"
    assert (await stage.get(f"{WRITER}/tools/nope")).status_code == 404
