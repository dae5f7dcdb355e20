"""Our events as the wire's workflow events: the recorded sequences, one by one."""

from greenroom.serve.wire.workflow_events import WorkflowEvents
from tests.serve.events import Story, seen, types, view


def _mapper(**options: object) -> WorkflowEvents:
    return WorkflowEvents("r", "flow", **options)  # type: ignore[arg-type] # tests give views as they please


def test_two_steps_tell_start_and_result_of_each() -> None:
    """The plain sequence, with the fields the wire records and the same call id at start and result."""
    story, mapper = Story(), _mapper()
    told = [
        *mapper.map(story.tell("run_started", input=1)),
        *mapper.map(story.tell("step_started", "a", input=1, kind="step", attempt=1)),
        *mapper.map(story.tell("step_finished", "a", output=2, attempts=1)),
        *mapper.map(story.tell("run_finished", status="success", output=2)),
    ]
    assert types(told) == ["workflow-start", "workflow-step-start", "workflow-step-result", "workflow-finish"]
    start, result, finish = (one["payload"] for one in told[1:])
    call_id = start["stepCallId"]
    common = {"id": "a", "stepName": "a", "path": "a", "stepCallId": call_id, "payload": 1, "startedAt": 2000}
    assert start == {**common, "status": "running"}
    assert result == {**common, "status": "success", "output": 2, "endedAt": 3000}
    assert (finish["workflowStatus"], finish["finalWorkflowResult"]) == ("success", 2)
    assert {(one["runId"], one["from"]) for one in told} == {("r", "WORKFLOW")}


def test_a_suspension_ends_the_segment_and_a_resume_begins_another() -> None:
    """One observer gets the streams of start and resume, one after the other."""
    story, mapper = Story(), _mapper()
    events = [
        story.tell("run_started"),
        story.tell("step_started", "ask", input=1, kind="step"),
        story.tell("step_suspended", "ask", payload={"q": 1}, label=None),
        story.tell("run_suspended"),
        story.tell("run_resumed", "ask", data={"yes": True}),
        story.tell("step_started", "ask", input=1, kind="step", resume_data={"yes": True}),
        story.tell("step_finished", "ask", output=1),
        story.tell("run_finished", status="success", output=1),
    ]
    told = [one for event in events for one in mapper.map(event)]
    assert types(told) == [
        "workflow-start",
        "workflow-step-start",
        "workflow-step-suspended",
        "workflow-finish",
        "workflow-start",
        "workflow-step-start",
        "workflow-step-result",
        "workflow-finish",
    ]
    assert told[2]["payload"]["suspendPayload"] == {"q": 1}
    assert told[3]["payload"]["workflowStatus"] == "suspended"
    assert "finalWorkflowResult" not in told[3]["payload"]
    resumed = told[5]["payload"]
    assert (resumed["resumePayload"], resumed["resumedAt"], resumed["startedAt"]) == ({"yes": True}, 5000, 2000)
    assert resumed["stepCallId"] == told[1]["payload"]["stepCallId"]


def test_a_stream_that_begins_at_a_resume_knows_the_steps_before_it() -> None:
    """Finished steps are not repeated; the nested workflow's result has its input and its first start."""
    before = view(
        {
            "inner": seen("workflow", "suspended", input=1, started_at=0.5),
            "inner/ask": seen(status="suspended", input=2, suspended_at=1.0),
        },
        status="suspended",
        suspended=["inner/ask"],
        suspend_payload={"inner/ask": {}},
    )
    story, mapper = Story(), _mapper(view=before)
    told = [
        *mapper.map(story.tell("run_resumed", "inner/ask", data=1)),
        *mapper.map(story.tell("step_started", "inner/ask", input=2, kind="step", resume_data=1)),
        *mapper.map(story.tell("step_finished", "inner/ask", output=3)),
        *mapper.map(story.tell("step_finished", "inner", output=3)),
    ]
    assert types(told) == ["workflow-start", "workflow-step-start", "workflow-step-result", "workflow-step-result"]
    assert [one["payload"].get("id") for one in told[1:]] == ["inner.ask", "inner.ask", "inner"]
    assert (told[3]["payload"]["payload"], told[3]["payload"]["startedAt"]) == (1, 500)


def test_a_nested_suspension_is_told_of_the_inner_and_then_of_the_outer_step() -> None:
    """The recorded order: inner.confirm, inner, finish."""
    story, mapper = Story(), _mapper()
    events = [
        story.tell("run_started"),
        story.tell("step_started", "inner", input=1, kind="workflow"),
        story.tell("step_started", "inner/confirm", input=1, kind="step"),
        story.tell("step_suspended", "inner/confirm", payload={"q": 1}, label=None),
        story.tell("run_suspended"),
    ]
    told = [one for event in events for one in mapper.map(event)]
    assert [one["payload"].get("id") for one in told[3:5]] == ["inner.confirm", "inner"]
    assert told[4]["payload"]["suspendPayload"] == {"q": 1, "__workflow_meta": {"path": ["confirm"]}}


def test_a_foreach_tells_progress_and_never_its_items() -> None:
    """One start with the whole list, progress per item with its output, one result."""
    story, mapper = Story(), _mapper()
    events = [
        story.tell("run_started"),
        story.tell("step_started", "each", input=[1, 2], kind="foreach"),
        story.tell("step_started", "each[0]", input=1, kind="step"),
        story.tell("step_finished", "each[0]", output=10),
        story.tell("foreach_progress", "each", completed=1, total=2, index=0, status="success"),
        story.tell("foreach_progress", "each", completed=2, total=2, index=1, status="failed"),
        story.tell("step_finished", "each", output=[10, None]),
    ]
    told = [one for event in events for one in mapper.map(event)]
    assert types(told)[1:] == [
        "workflow-step-start",
        "workflow-step-progress",
        "workflow-step-progress",
        "workflow-step-result",
    ]
    assert told[2]["payload"] == {
        "id": "each",
        "path": "each",
        "completedCount": 1,
        "totalCount": 2,
        "currentIndex": 0,
        "iterationStatus": "success",
        "iterationOutput": 10,
    }
    assert "iterationOutput" not in told[3]["payload"]


def test_a_suspended_item_is_told_as_its_foreach_once_nothing_moves() -> None:
    """The item itself is not told; the foreach shows its payload and index."""
    story, mapper = Story(), _mapper()
    events = [
        story.tell("step_started", "each", input=[1], kind="foreach"),
        story.tell("step_started", "each[0]", input=1, kind="step"),
        story.tell("step_suspended", "each[0]", payload={"i": 1}, label="first"),
        story.tell("run_suspended"),
    ]
    told = [one for event in events for one in mapper.map(event)]
    assert types(told)[2:] == ["workflow-step-suspended", "workflow-finish"]
    meta = {"foreachIndex": 0, "resumeLabels": {"first": {"stepId": "each", "foreachIndex": 0}}}
    assert told[2]["payload"]["suspendPayload"] == {"i": 1, "__workflow_meta": meta}


def test_a_nested_step_of_an_item_is_told_apart_from_the_others() -> None:
    """Inside an item the index stays in the id."""
    story, mapper = Story(), _mapper()
    mapper.map(story.tell("step_started", "each", input=[1], kind="foreach"))
    mapper.map(story.tell("step_started", "each[0]", input=1, kind="workflow"))
    told = mapper.map(story.tell("step_started", "each[0]/outline", input=1, kind="step"))
    assert told[0]["payload"]["id"] == "each[0].outline"


def test_iterations_of_a_loop_are_visits_of_one_step() -> None:
    """Each iteration has start and result under the step's id; the loop itself is not told."""
    story, mapper = Story(), _mapper()
    events = [
        story.tell("step_started", "count", input=1, kind="loop"),
        story.tell("step_started", "count[0]", input=1, kind="step"),
        story.tell("step_finished", "count[0]", output=2),
        story.tell("step_started", "count[1]", input=2, kind="step"),
        story.tell("step_finished", "count[1]", output=3),
        story.tell("step_finished", "count", output=3),
    ]
    told = [one for event in events for one in mapper.map(event)][1:]
    assert [one["payload"]["id"] for one in told] == ["count"] * 4
    assert told[0]["payload"]["stepCallId"] != told[2]["payload"]["stepCallId"]


def test_a_sleep_waits_and_ends_without_a_call_id() -> None:
    """The recorded wait: workflow-step-waiting, then a result without stepCallId."""
    story, mapper = Story(), _mapper()
    told = mapper.map(story.tell("step_started", "nap", input=1, kind="sleep"))
    told += mapper.map(story.tell("step_finished", "nap", output=1))
    assert types(told)[1:] == ["workflow-step-waiting", "workflow-step-result"]
    assert told[1]["payload"]["status"] == "waiting"
    assert "stepCallId" not in told[2]["payload"]


def test_a_step_whose_start_was_not_told_gets_one() -> None:
    """A declarative map ends without having begun."""
    told = _mapper().map(Story().tell("step_finished", "map", output=1))
    assert types(told) == ["workflow-start", "workflow-step-start", "workflow-step-result"]


def test_what_a_step_writes_is_output_and_custom_data_stays_itself() -> None:
    """Chunks come from the USER; `data-…` chunks are passed as they are."""
    story, mapper = Story(), _mapper()
    output = mapper.map(story.hint("step_output", "a", note="half"))[-1]
    assert output["type"] == "workflow-step-output"
    assert (output["from"], output["payload"]["output"]) == ("USER", {"note": "half"})
    custom = mapper.map(story.hint("step_output", "a", type="data-chart", data=[1]))
    assert custom == [{"type": "data-chart", "runId": "r", "from": "USER", "data": [1]}]


def test_a_failure_names_the_error_in_the_step_and_in_the_end() -> None:
    """The step's result and the finish carry the message."""
    story, mapper = Story(), _mapper()
    error = {"type": "ValueError", "message": "boom", "code": None, "path": "a"}
    mapper.map(story.tell("step_started", "a", input=1, kind="step"))
    result = mapper.map(story.tell("step_failed", "a", error=error))[0]
    assert result["payload"]["status"] == "failed"
    assert result["payload"]["error"] == {"message": "boom", "name": "ValueError", "path": "a"}
    finish = mapper.map(story.tell("run_finished", status="failed", error=error))[0]
    assert finish["payload"]["metadata"]["errorMessage"] == "boom"


def test_canceled_and_paused_runs_say_so_before_they_finish() -> None:
    """workflow-canceled or workflow-paused, then workflow-finish with the status."""
    story = Story()
    told = _mapper().map(story.tell("run_finished", status="canceled"))
    assert types(told) == ["workflow-start", "workflow-canceled", "workflow-finish"]
    told = _mapper().map(story.tell("run_paused"))
    assert types(told) == ["workflow-start", "workflow-paused", "workflow-finish"]
    assert told[-1]["payload"]["workflowStatus"] == "paused"


def test_an_agent_as_a_step_streams_its_chunks_and_hides_its_inner_steps() -> None:
    """Chunks come as output of the step; what the agent calls is told by its chunks only; usage is the run's."""
    story, mapper = Story(), _mapper()
    events = [
        story.tell("run_started"),
        story.tell("step_started", "writer", input="hi", kind="agent"),
        story.hint("agent_text_delta", "writer/turn[0]", text="Hel"),
        story.tell("step_started", "writer/search", input={}, kind="tool"),
        story.tell("step_finished", "writer/search", output=1),
        story.tell("agent_step_finish", "writer", turn=0, text="Hello", finish_reason="stop"),
        story.tell("step_finished", "writer", output="Hello"),
    ]
    told = [one for event in events for one in mapper.map(event)]
    assert types(told) == [
        "workflow-start",
        "workflow-step-start",
        *["workflow-step-output"] * 8,
        "workflow-step-result",
    ]
    chunks = [one["payload"]["output"] for one in told if one["type"] == "workflow-step-output"]
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
    assert "".join(chunk["payload"]["text"] for chunk in chunks if chunk["type"] == "text-delta") == "Hello"
    finished = story.tell("run_finished", status="success", output="Hello")
    assert mapper.wants_view(finished)
    mapper.learn(view())
    assert mapper.map(finished)[0]["payload"]["output"]["usage"]["totalTokens"] == 3


def test_a_stream_whose_last_event_never_came_is_ended_by_the_view() -> None:
    """Child runs have no finish of their own; the view tells how they ended, once."""
    mapper = _mapper()
    mapper.map(Story().tell("step_started", "a", input=1, kind="step"))
    assert mapper.close(view(output=4))[0]["payload"]["finalWorkflowResult"] == 4
    assert mapper.close(view(output=4)) == []
