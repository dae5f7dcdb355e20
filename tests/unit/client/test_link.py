"""What is sent again while a runtime starts over."""

from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from greenroom.runtime.client.link import RayLink
from greenroom.runtime.contracts.errors import RuntimeUnavailable
from greenroom.runtime.contracts.requests import Advance, Cancel, Request


def link_to(answers: list[Any], monkeypatch: pytest.MonkeyPatch) -> RayLink:
    async def remote(payload: bytes) -> bytes:
        return msgspec.msgpack.encode(answers.pop(0))

    monkeypatch.setattr("ray.is_initialized", lambda: True)
    link = RayLink()
    link._actor = SimpleNamespace(call=SimpleNamespace(remote=remote))
    return link


@pytest.mark.parametrize(
    ("facts", "request_", "is_sent_again"),
    [
        ({}, Advance(workspace="default", run_id="r"), True),
        ({"in_doubt": True}, Advance(workspace="default", run_id="r"), False),
        ({"in_doubt": True}, Cancel(workspace="default", run_id="r"), True),
    ],
)
async def test_a_step_forward_is_not_taken_twice(
    facts: dict[str, Any], request_: Request, is_sent_again: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A runtime that stopped while it worked on it may have taken it; all other requests can be repeated."""
    answers: list[Any] = [{"error": RuntimeUnavailable("it starts over", facts).to_json()}, {"ok": "done"}]
    link = link_to(answers, monkeypatch)
    if is_sent_again:
        assert await link.call(request_) == "done"
    else:
        with pytest.raises(RuntimeUnavailable):
            await link.call(request_)
        assert len(answers) == 1
