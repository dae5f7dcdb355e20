"""What the witness of a simulated schedule takes for durable."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, Final

import msgspec
import pytest

from greenroom.runtime.contracts.entries import AttemptEnded, Resumed, Scheduled, Succeeded
from greenroom.runtime.contracts.records import JournalRow
from greenroom.runtime.contracts.work import Scope, WorkItem
from greenroom.testing.witness import Witness

BEGUN: Final = Scheduled(at=0.0, path="ask", attempt=1)
RESUMED: Final = Resumed(at=1.0, path="ask", data={"approved": True})
SETTLED: Final = Resumed(at=1.0, path="ask", data={"outcome": "done", "output": 7})
ENDED: Final = AttemptEnded(at=2.0, path="ask", attempt=1, outcome=Succeeded(output=7))


def complaints(kept: Sequence[Any]) -> list[str]:
    """Return what is wrong about a body that is given the output of `ask` when a journal holds these entries."""
    witness = Witness()
    entries = [*kept, Scheduled(at=3.0, path="after", attempt=1)]
    body = msgspec.msgpack.encode(entries)
    witness.kept([JournalRow(workspace="default", run_id="run-1", group=1, at=3.0, body=body)])
    worker: Any = SimpleNamespace(name="w1", pool="steps")
    scope = Scope(run_id="run-1", workspace="default", outputs={"ask": 7})
    witness.dispatched(worker, scope, WorkItem(path="after", attempt=1, bundle="b", kind="step", code="a", key="k"))
    return witness.violations


@pytest.mark.parametrize("kept", [[BEGUN], [BEGUN, RESUMED]])
def test_an_output_whose_outcome_is_not_kept_is_complained_of(kept: Sequence[Any]) -> None:
    """Also where the step was resumed: what it returned after that is another matter."""
    assert complaints(kept) == ["'after' was given the output of 'ask' before it was durable"]


@pytest.mark.parametrize("kept", [[BEGUN, RESUMED, ENDED], [BEGUN, SETTLED]])
def test_an_output_that_is_kept_may_be_given(kept: Sequence[Any]) -> None:
    """The step's own, or what a person said that a step in doubt has done."""
    assert complaints(kept) == []
