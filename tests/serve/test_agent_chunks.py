"""Our events as the wire's agent chunks: the recorded sequences, one by one."""

import json

from greenroom.runtime.contracts.values import Json
from greenroom.serve.wire.agent_chunks import AgentChunks
from tests.serve.events import Story, seen, types, view

ASKED = {"tool_call_id": "c1", "tool": "publish", "arguments": {"p": 1}, "args_hash": "h"}


def _mapper(**options: object) -> AgentChunks:
    return AgentChunks("r", "writer", **options)  # type: ignore[arg-type] # tests give views as they please


def _told(mapper: AgentChunks, *events: object) -> list[dict[str, Json]]:
    return [chunk for event in events for chunk in mapper.map(event)]  # type: ignore[arg-type] # events of a story


def test_a_plain_text_answer_is_one_step() -> None:
    """start, step-start, text block, step-finish, finish; every chunk payload-wrapped with run id and sender."""
    story, mapper = Story(), _mapper()
    chunks = _told(
        mapper,
        story.tell("run_started"),
        story.hint("agent_text_delta", "turn[0]", text="Hel"),
        story.hint("agent_text_delta", "turn[0]", text="lo"),
        story.tell("agent_step_finish", "", turn=0, text="Hello", finish_reason="stop"),
    )
    ended = story.tell("run_finished", status="success", output="Hello")
    assert mapper.wants_view(ended)
    mapper.learn(view(agent={"text": "Hello", "output": None, "finish_reason": "stop", "steps": [], "tool_calls": []}))
    chunks += mapper.map(ended)
    assert types(chunks) == [
        "start",
        "step-start",
        "text-start",
        "text-delta",
        "text-delta",
        "text-end",
        "step-finish",
        "finish",
    ]
    assert {(chunk["runId"], chunk["from"]) for chunk in chunks} == {("r", "AGENT")}
    assert chunks[0]["payload"]["id"] == "writer"
    assert chunks[6]["payload"]["stepResult"]["isContinued"] is False
    finish = chunks[7]["payload"]
    assert finish["stepResult"]["reason"] == "stop"
    assert finish["usage"] == finish["output"]["usage"]
    assert finish["usage"]["totalTokens"] == 3


def test_a_tool_call_finishes_its_step_after_the_result() -> None:
    """The recorded order: input streaming, tool-call, tool-result, step-finish, then the next step."""
    story, mapper = Story(), _mapper()
    chunks = _told(
        mapper,
        story.tell("run_started"),
        story.hint("agent_tool_call_delta", "turn[0]", index=0, id="c1", name="search", arguments='{"q"'),
        story.hint("agent_tool_call_delta", "turn[0]", index=0, id="c1", name="search", arguments=":1}"),
        story.tell("agent_tool_call", "", tool_call_id="c1", tool="search", arguments={"q": 1}),
        story.tell("agent_step_finish", "", turn=0, text="", finish_reason="tool_calls"),
        story.tell("step_started", "search", input={"q": 1}, kind="tool"),
        story.tell("step_finished", "search", output=5),
        story.tell("agent_tool_result", "", tool_call_id="c1", tool="search", result=5),
        story.hint("agent_text_delta", "turn[1]", text="ok"),
    )
    assert types(chunks) == [
        "start",
        "step-start",
        "tool-call-input-streaming-start",
        "tool-call-delta",
        "tool-call-delta",
        "tool-call-input-streaming-end",
        "tool-call",
        "tool-result",
        "step-finish",
        "step-start",
        "text-start",
        "text-delta",
    ]
    assert chunks[6]["payload"] == {"toolCallId": "c1", "toolName": "search", "args": {"q": 1}}
    assert chunks[7]["payload"] == {"toolCallId": "c1", "toolName": "search", "args": {"q": 1}, "result": 5}
    assert chunks[8]["payload"]["stepResult"] == {
        "reason": "tool-calls",
        "rawReason": "tool_calls",
        "isContinued": True,
        "warnings": [],
    }


def test_of_several_calls_the_step_finishes_after_the_last_result() -> None:
    """Two calls of one turn: one step-finish, behind both results, whatever their order."""
    story, mapper = Story(), _mapper()
    chunks = _told(
        mapper,
        story.tell("agent_tool_call", "", tool_call_id="a", tool="t", arguments={}),
        story.tell("agent_tool_call", "", tool_call_id="b", tool="t", arguments={}),
        story.tell("agent_step_finish", "", turn=0, text="", finish_reason="tool_calls"),
        story.tell("agent_tool_result", "", tool_call_id="b", tool="t", result=1),
        story.tell("agent_tool_result", "", tool_call_id="a", tool="t", error={"type": "E", "message": "no"}),
    )
    assert types(chunks) == ["step-start", "tool-call", "tool-call", "tool-result", "tool-error", "step-finish"]
    error = chunks[4]["payload"]["error"]
    assert (error["id"], error["name"], error["message"]) == ("TOOL_EXECUTION_FAILED", "E", "no")


def test_an_approval_is_asked_for_and_the_step_stays_open() -> None:
    """tool-call, tool-call-approval with a schema as text and the hash; neither step-finish nor finish."""
    story, mapper = Story(), _mapper()
    chunks = _told(
        mapper,
        story.tell("agent_tool_call", "", tool_call_id="c1", tool="publish", arguments={"p": 1}),
        story.tell("agent_step_finish", "", turn=0, text="", finish_reason="tool_calls"),
        story.tell("agent_approval", "publish", **ASKED),
        story.tell("step_suspended", "publish", payload=ASKED, label=None),
        story.tell("run_suspended"),
    )
    assert types(chunks) == ["step-start", "tool-call", "tool-call-approval"]
    payload = chunks[2]["payload"]
    assert (payload["toolCallId"], payload["args"], payload["argsHash"]) == ("c1", {"p": 1}, "h")
    assert json.loads(payload["resumeSchema"])["properties"]["approved"] == {"type": "boolean"}


def _parked() -> dict[str, Json]:
    turn = {"text": "", "tool_calls": [{"id": "c1", "name": "publish", "arguments": {"p": 1}}]}
    turn["finish_reason"] = "tool_calls"
    steps = {"turn[0]": seen("turn", output=turn), "publish": seen("tool", "suspended")}
    return view(steps, status="suspended", suspended=["publish"], suspend_payload={"publish": ASKED}, event_seq=6)


def test_after_an_approval_the_stream_begins_with_the_result() -> None:
    """No start; tool-result with its arguments, the open step's finish, then the next step with its own numbers."""
    story, mapper = Story(), _mapper(view=_parked())
    chunks = _told(
        mapper,
        story.tell("run_resumed", "publish", data={"approved": True}),
        story.tell("step_started", "publish", input={"p": 1}, kind="tool"),
        story.tell("agent_tool_result", "", tool_call_id="c1", tool="publish", result="ok"),
        story.hint("agent_text_delta", "turn[1]", text="done"),
    )
    assert types(chunks) == ["tool-result", "step-finish", "step-start", "text-start", "text-delta"]
    assert chunks[0]["payload"]["args"] == {"p": 1}
    assert chunks[3]["payload"]["id"] == "txt-1"


def test_a_declined_call_is_denied_with_its_reason() -> None:
    """tool-output-denied in place of a result."""
    refused = {"type": "Declined", "message": "not today"}
    result = Story().tell("agent_tool_result", "", tool_call_id="c1", tool="publish", error=refused, declined=True)
    chunks = _mapper(view=_parked()).map(result)
    assert types(chunks) == ["tool-output-denied", "step-finish"]
    assert chunks[0]["payload"]["approval"] == {"id": "c1", "approved": False, "reason": "not today"}


def test_a_tool_that_suspends_itself_shows_its_payload() -> None:
    """tool-call-suspended names the call that stands at the path."""
    story, mapper = Story(), _mapper()
    chunks = _told(
        mapper,
        story.tell("agent_tool_call", "", tool_call_id="a", tool="t", arguments={}),
        story.tell("agent_tool_call", "", tool_call_id="b", tool="t", arguments={}),
        story.tell("step_suspended", "t#2", payload={"q": 1}, label=None),
    )
    suspended = chunks[-1]
    assert suspended["type"] == "tool-call-suspended"
    assert (suspended["payload"]["toolCallId"], suspended["payload"]["suspendPayload"]) == ("b", {"q": 1})


def test_lost_deltas_are_supplied_by_the_finished_turn() -> None:
    """A late reader gets the text whole: the rest of it, or all of it, in the one block."""
    story, mapper = Story(), _mapper()
    chunks = _told(
        mapper,
        story.hint("agent_text_delta", "turn[0]", text="He"),
        story.tell("agent_step_finish", "", turn=0, text="Hello", finish_reason="stop"),
    )
    assert [chunk["payload"]["text"] for chunk in chunks if chunk["type"] == "text-delta"] == ["He", "llo"]
    alone = _mapper().map(story.tell("agent_step_finish", "", turn=0, text="Hello", finish_reason="stop"))
    assert types(alone) == ["step-start", "text-start", "text-delta", "text-end"]


def test_a_broken_stream_voids_its_text_and_the_answer_begins_anew() -> None:
    """The block ends, data-stream-reset names it, and the new text has a block of its own."""
    story, mapper = Story(), _mapper()
    chunks = _told(
        mapper,
        story.hint("agent_text_delta", "turn[0]", text="Wro"),
        story.hint("agent_stream_reset", "turn[0]", model="m", reason="stream broke"),
        story.hint("agent_text_delta", "turn[0]", text="Right"),
        story.tell("agent_step_finish", "", turn=0, text="Right", finish_reason="stop"),
    )
    assert types(chunks)[1:] == [
        "text-start",
        "text-delta",
        "text-end",
        "data-stream-reset",
        "text-start",
        "text-delta",
        "text-end",
    ]
    reset = chunks[4]["data"]
    assert (reset["textId"], reset["reason"]) == (chunks[1]["payload"]["id"], "stream broke")
    assert chunks[5]["payload"]["id"] != chunks[1]["payload"]["id"]


def test_text_that_is_not_what_was_answered_is_voided_too() -> None:
    """Deltas of an attempt whose end nobody saw do not stay in the answer."""
    story, mapper = Story(), _mapper()
    chunks = _told(
        mapper,
        story.hint("agent_text_delta", "turn[0]", text="Old"),
        story.tell("agent_step_finish", "", turn=0, text="New", finish_reason="stop"),
    )
    assert types(chunks)[3:] == ["text-end", "data-stream-reset", "text-start", "text-delta", "text-end"]


def test_reasoning_is_a_block_before_the_text() -> None:
    """The reasoning ends where the text begins."""
    story, mapper = Story(), _mapper()
    chunks = _told(
        mapper,
        story.hint("agent_reasoning_delta", "turn[0]", text="hm"),
        story.hint("agent_text_delta", "turn[0]", text="a"),
    )
    assert types(chunks)[1:] == ["reasoning-start", "reasoning-delta", "reasoning-end", "text-start", "text-delta"]


def test_a_structured_answer_gives_its_object_before_the_step_ends() -> None:
    """text-end, object-result, step-finish, finish."""
    story, mapper = Story(), _mapper()
    chunks = _told(mapper, story.tell("agent_step_finish", "", turn=0, text='{"a":1}', finish_reason="stop"))
    mapper.learn(view(agent={"text": "", "output": {"a": 1}, "finish_reason": "stop"}))
    chunks += mapper.map(story.tell("run_finished", status="success", output={"a": 1}))
    assert types(chunks)[3:] == ["text-end", "object-result", "step-finish", "finish"]
    assert chunks[4]["object"] == {"a": 1}


def test_a_failing_model_is_told_as_error_and_finish() -> None:
    """start, step-start, error, step-finish(error), finish(error)."""
    story, mapper = Story(), _mapper()
    error = {"type": "ModelError", "message": "No model has answered"}
    chunks = _told(mapper, story.tell("run_started"), story.tell("run_finished", status="failed", error=error))
    assert types(chunks) == ["start", "step-start", "error", "step-finish", "finish"]
    assert chunks[2]["payload"]["error"]["message"] == "No model has answered"
    assert chunks[4]["payload"]["stepResult"]["reason"] == "error"


def test_canceled_and_blocked_runs_end_without_finish() -> None:
    """Abort and tripwire are the last chunks."""
    assert types(_mapper().map(Story().tell("run_finished", status="canceled", reason="enough"))) == ["abort"]
    blocked = _mapper().map(Story().tell("run_finished", status="tripwire", reason="secret"))
    assert (types(blocked), blocked[0]["payload"]["reason"]) == (["tripwire"], "secret")


def test_what_a_tool_writes_and_what_a_delegate_says_is_wrapped() -> None:
    """tool-output from the USER with the call's id; the delegate's own chunks inside."""
    story, mapper = Story(), _mapper()
    chunks = _told(
        mapper,
        story.tell("agent_tool_call", "", tool_call_id="c1", tool="search", arguments={}),
        story.tell("agent_tool_call", "", tool_call_id="c2", tool="helper", arguments={}),
        story.hint("step_output", "search", half=True),
        story.tell("step_started", "helper", input="x", kind="agent"),
        story.hint("agent_text_delta", "helper/turn[0]", text="hi"),
    )
    outputs = [chunk for chunk in chunks if chunk["type"] == "tool-output"]
    assert {chunk["from"] for chunk in outputs} == {"USER"}
    assert outputs[0]["payload"] == {"output": {"half": True}, "toolCallId": "c1", "toolName": "search"}
    inner = [chunk["payload"]["output"] for chunk in outputs[1:]]
    assert types(inner) == ["start", "step-start", "text-start", "text-delta"]
    assert {chunk["payload"]["toolCallId"] for chunk in outputs[1:]} == {"c2"}


def test_the_view_ends_a_stream_once() -> None:
    """A stream whose finish came is not ended again; one of a run that still waits is not ended at all."""
    mapper = _mapper()
    assert types(mapper.close(view(agent={}))) == ["finish"]
    assert mapper.close(view(agent={})) == []
    assert _mapper().close(view(status="suspended")) == []
