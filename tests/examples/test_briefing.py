"""The whole workflow on a runtime in this process, with rehearsal for its model and no images endpoint."""

import contextlib
from collections.abc import Generator
from pathlib import Path
from typing import Any

import httpx
import pytest

from examples.briefing import tools
from examples.briefing.app import app
from greenroom.actors.rehearsal.brain import think
from greenroom.actors.rehearsal.request import ChatRequest
from greenroom.runtime.client.results import RunResult
from greenroom.runtime.contracts.entries import Outcome, Succeeded
from tests.host.harness import Harness

QUESTION = "How are tea and coffee brewed, and what does water do to them?"


class RehearsedTurns:
    """Plays every model turn as rehearsal would, without its server."""

    async def run_turn(self, item: Any, scope: Any, channel: Any) -> Outcome:
        """Think, and answer."""
        del scope, channel
        wanted = item.input["response_schema"]
        body = {"model": "rehearsal", "messages": item.input["messages"], "tools": item.input["tools"]}
        if wanted is not None:
            body["response_format"] = {"type": "json_schema", "json_schema": wanted}
        turn = think(ChatRequest.model_validate(body))
        calls = [
            {
                "id": f"{item.path}-{index}",
                "name": call.name,
                "arguments": httpx.Response(200, text=call.arguments).json(),
            }
            for index, call in enumerate(turn.calls)
        ]
        return Succeeded(output={"text": turn.text or "", "tool_calls": calls, "finish_reason": turn.finish_reason})


@contextlib.contextmanager
def _no_images() -> Generator[tuple[httpx.Client, str]]:
    transport = httpx.MockTransport(lambda _request: httpx.Response(404))
    with httpx.Client(base_url="http://images", transport=transport) as client:
        yield client, "none"


async def _run(harness: Harness, documents: Path, **more: Any) -> tuple[Any, RunResult]:
    given = {"text": QUESTION, "documents": str(documents), "folder": str(documents.parent / "out"), **more}
    run = await harness.client.workflow("briefing").start(given)
    return run, await run.result(timeout_s=20)


def _text_of(path: str) -> str:
    return Path(path).read_text("utf-8")


@pytest.fixture
def no_images(monkeypatch: pytest.MonkeyPatch) -> None:
    """An endpoint that draws nothing."""
    monkeypatch.setattr(tools, "image_endpoint", _no_images)


@pytest.mark.usefixtures("no_images")
async def test_a_question_becomes_a_brief_that_a_person_has_approved(documents: Path) -> None:
    """The run waits with what is to be approved, and then writes a brief that quotes the documents."""
    async with Harness(app, turns=RehearsedTurns()) as harness:
        run, parked = await _run(harness, documents, sections=2)
        assert parked.status == "suspended", parked.error
        assert parked.suspend_payload["review"]["quotes"] >= 4
        await run.resume("review", {"approved": True, "note": "fine"})
        finished = await run.result(timeout_s=20)
    assert finished.status == "success", finished.error
    outcome = finished.output
    text = _text_of(outcome.path)
    assert outcome.status == "published"
    assert outcome.cover is None
    assert text.count("\n> ") == outcome.quotes
    assert "*Approved: fine*" in text


@pytest.mark.usefixtures("no_images")
async def test_a_rejected_brief_is_not_written(documents: Path) -> None:
    """Who says no ends the run with success, and nothing is published."""
    async with Harness(app, turns=RehearsedTurns()) as harness:
        run, _ = await _run(harness, documents)
        await run.resume("review", {"approved": False, "note": "dull"})
        finished = await run.result(timeout_s=20)
    assert (finished.status, finished.output.status, finished.output.note) == ("success", "rejected", "dull")
    assert not (documents.parent / "out").exists()


async def test_documents_that_cannot_be_read_fail_the_run(documents: Path) -> None:
    """The first step says what is wrong with the folder; nothing is asked of a model."""
    async with Harness(app, turns=RehearsedTurns()) as harness:
        _, failed = await _run(harness, documents / "nowhere")
    assert failed.status == "failed"
    assert failed.error is not None
    assert failed.error.type == "DocumentsUnreadable"
    assert "does not exist" in failed.error.message
