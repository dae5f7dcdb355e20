"""Results of workflow runs in the wire's shapes: the recorded examples, and what they leave open."""

from greenroom.serve.wire.run_result import run_result
from greenroom.serve.wire.stored_run import run_row, stored_run
from tests.serve.events import seen, view

SEQUENCE = {"id": "flow", "nodes": [{"type": "step", "name": "add-one"}, {"type": "step", "name": "double"}]}


def test_a_success_has_its_result_and_every_step_without_the_inputs_that_flowed() -> None:
    """The recorded success: result, steps with output and times, no payload where it is what came before."""
    run = view(
        {
            "add-one": seen(input={"value": 4}, output={"value": 5}),
            "double": seen(input={"value": 5}, output={"value": 10}),
        },
        input={"value": 4},
        output={"value": 10},
    )
    assert run_result(run, SEQUENCE) == {
        "status": "success",
        "input": {"value": 4},
        "result": {"value": 10},
        "stepExecutionPath": ["add-one", "double"],
        "steps": {
            "input": {"value": 4},
            "add-one": {"status": "success", "output": {"value": 5}, "startedAt": 1000, "endedAt": 2000},
            "double": {"status": "success", "output": {"value": 10}, "startedAt": 1000, "endedAt": 2000},
        },
        "runId": "r",
        "traceId": "t" * 32,
        "usage": {
            "inputTokens": 1,
            "outputTokens": 2,
            "totalTokens": 3,
            "reasoningTokens": 0,
            "cachedInputTokens": 0,
            "costMicros": 0,
        },
    }


def test_a_failure_names_the_error_as_javascript_does() -> None:
    """`error` has message and name, at the run and at its step; there is no result."""
    error = {"type": "ValueError", "message": "boom", "attributes": {"n": 1}, "cause": {"type": "E", "message": "why"}}
    run = view({"explode": seen(status="failed", error=error)}, status="failed", error=error)
    result = run_result(run, None)
    expected = {
        "message": "boom",
        "name": "ValueError",
        "attributes": {"n": 1},
        "cause": {"message": "why", "name": "E"},
    }
    assert result["error"] == result["steps"]["explode"]["error"] == expected
    assert "result" not in result


def test_a_suspension_names_the_steps_that_wait_and_what_they_show() -> None:
    """The recorded suspension: paths, payloads by top-level step, the step's own payload and time, labels."""
    payload = {"message": "approve book?"}
    run = view(
        {"approve": seen(status="suspended", suspend_payload=payload, suspended_at=1.5)},
        status="suspended",
        suspended=["approve"],
        suspend_payload={"approve": payload},
        labels={"go": "approve"},
    )
    result = run_result(run, None)
    assert result["suspended"] == [["approve"]]
    assert result["suspendPayload"] == {"approve": payload}
    assert result["resumeLabels"] == {"go": {"stepId": "approve"}}
    assert result["steps"]["approve"] == {
        "status": "suspended",
        "suspendPayload": payload,
        "startedAt": 1000,
        "suspendedAt": 1500,
    }


def test_a_nested_suspension_says_where_inside() -> None:
    """The path goes through the nested workflow; its step carries the payload and the child run's id."""
    run = view(
        {
            "inner": seen("workflow", "suspended", run_id="r-child"),
            "inner/confirm": seen(status="suspended", suspend_payload={"question": "?"}, suspended_at=1.5),
        },
        status="suspended",
        suspended=["inner/confirm"],
        suspend_payload={"inner/confirm": {"question": "?"}},
    )
    result = run_result(run, None)
    assert result["suspended"] == [["inner", "confirm"]]
    assert result["suspendPayload"] == {"inner": {"question": "?"}}
    assert result["steps"]["inner"]["suspendPayload"] == {
        "question": "?",
        "__workflow_meta": {"path": ["confirm"], "runId": "r-child"},
    }
    assert "inner.confirm" not in result["steps"]


def test_a_suspended_foreach_is_one_step_with_the_first_item_that_waits() -> None:
    """The foreach shows index, the outcomes before it, and labels with their index."""
    run = view(
        {
            "each": seen("foreach", "suspended"),
            "each[0]": seen(output="done"),
            "each[1]": seen(status="suspended", suspend_payload={"item": 2}, suspended_at=1.5),
        },
        status="suspended",
        suspended=["each[1]"],
        suspend_payload={"each[1]": {"item": 2}},
        labels={"second": "each[1]"},
    )
    result = run_result(run, None)
    assert result["suspended"] == [["each"]]
    assert result["steps"]["each"]["suspendPayload"] == {
        "item": 2,
        "__workflow_meta": {
            "foreachIndex": 1,
            "foreachOutput": ["done"],
            "resumeLabels": {"second": {"stepId": "each", "foreachIndex": 1}},
        },
    }
    assert [*result["steps"]] == ["input", "each"]


def test_members_and_loops_keep_their_inputs_and_stand_in_no_path() -> None:
    """Members of a parallel have a payload; a loop is one step with the last iteration and their number."""
    plan = {"id": "flow", "nodes": [{"type": "parallel", "name": "~1", "members": [{"type": "step", "name": "a"}]}]}
    run = view({"a": seen(input=1, output=2), "b": seen("loop"), "b[0]": seen(input=2), "b[1]": seen(input=3)})
    result = run_result(run, plan)
    assert result["steps"]["a"]["payload"] == 1
    assert (result["steps"]["b"]["payload"], result["steps"]["b"]["metadata"]) == (3, {"iterationCount": 2})
    assert result["stepExecutionPath"] == []


def test_a_resumed_step_shows_what_it_was_resumed_with_and_no_suspension() -> None:
    """After a resume there is resumePayload and resumedAt, and suspendPayload is gone."""
    step = seen(output=1, resume_data={"approved": True}, resumed_at=1.7, suspend_payload={"old": 1})
    shown = run_result(view({"approve": step}), None)["steps"]["approve"]
    assert (shown["resumePayload"], shown["resumedAt"]) == ({"approved": True}, 1700)
    assert "suspendPayload" not in shown


def test_a_tool_call_that_waits_is_shown_in_the_names_of_streams() -> None:
    """An agent as a step is suspended with the call's id, tool and arguments."""
    asked = {"tool_call_id": "c", "tool": "publish", "arguments": {"p": 1}, "args_hash": "h"}
    run = view(
        {"writer": seen("agent", "suspended", run_id="x"), "writer/publish": seen("tool", "suspended")},
        status="suspended",
        suspended=["writer/publish"],
        suspend_payload={"writer/publish": asked},
    )
    shown = {"toolCallId": "c", "toolName": "publish", "args": {"p": 1}, "argsHash": "h"}
    result = run_result(run, None)
    assert result["suspendPayload"] == {"writer": shown}
    assert result["suspended"] == [["writer", "publish"]]


def test_canceled_paused_and_tripwire_runs_have_neither_result_nor_error() -> None:
    """Only the status, and for a tripwire its reason, tell how they ended."""
    for status in ("canceled", "paused"):
        assert not {"result", "error", "suspended"} & run_result(view(status=status), None).keys()
    assert run_result(view(status="tripwire", reason="blocked"), None)["tripwire"] == {"reason": "blocked"}


def test_a_stored_run_has_payloads_nested_steps_and_the_graph() -> None:
    """Steps always have a payload; nested ones have dotted ids, unless they are not wanted."""
    run = view({"inner": seen("workflow", input=1), "inner/confirm": seen(input=2)}, input=0, output=5)
    plan = {"id": "flow", "nodes": [{"type": "workflow", "name": "inner", "workflow": "inner"}]}
    stored = stored_run(run, plan)
    assert (stored["payload"], stored["result"]) == (0, 5)
    assert {id: step["payload"] for id, step in stored["steps"].items()} == {"inner": 1, "inner.confirm": 2}
    assert stored["createdAt"] == "1970-01-01T00:00:01.000Z"
    assert [entry["step"]["id"] for entry in stored["serializedStepGraph"]] == ["inner"]
    assert [*stored_run(run, plan, with_nested=False)["steps"]] == ["inner"]


def test_fields_limit_a_stored_run_and_leave_what_identifies_it() -> None:
    """Ids, times and status always stay."""
    stored = stored_run(view(output=1), None, fields=["result"])
    assert stored.keys() == {"runId", "workflowName", "resourceId", "createdAt", "updatedAt", "status", "result"}


def test_a_row_of_a_list_holds_the_snapshot() -> None:
    """The snapshot has the steps and the input in its context, and where suspended steps stand in the graph."""
    plan = {"id": "flow", "nodes": [{"type": "step", "name": "a"}, {"type": "step", "name": "b"}]}
    run = view({"a": seen(output=1), "b": seen(status="suspended", suspended_at=1.0)}, status="suspended", input=7)
    row = run_row(run, plan)
    assert row["snapshot"]["context"].keys() == {"input", "a", "b"}
    assert row["snapshot"]["suspendedPaths"] == {"b": [1]}
    assert (row["workflowName"], row["runId"]) == ("flow", "r")
