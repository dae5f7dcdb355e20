"""Money over HTTP."""

import pytest

from tests.serve.stage import ScriptedTurns, Stage, said


async def test_credit_is_granted_once_for_each_key(stage: Stage) -> None:
    """By header or by body; the balance is in the answer."""
    first = (await stage.post("/api/credits", {"amountMicros": 100, "key": "a"})).json()
    assert first == {"key": "a", "balanceMicros": 100}
    again = await stage.post("/api/credits", {"amountMicros": 100}, headers={"Idempotency-Key": "a"})
    assert again.json()["balanceMicros"] == 100
    await stage.post("/api/credits", {"amountMicros": 5})
    assert (await stage.get("/api/ledger/balance")).json() == {"balanceMicros": 105}


async def test_charges_stand_in_the_ledger_with_their_run(stage: Stage, turns: ScriptedTurns) -> None:
    """A model turn's charge names run, path and tokens, and can be listed by run."""
    turns.play(said("x"))
    await stage.post("/api/agents/writer/generate", {"messages": "hi", "runId": "r"})
    await stage.post("/api/credits", {"amountMicros": 100, "key": "a"})
    entries = (await stage.get("/api/ledger?runId=r")).json()["entries"]
    assert [(entry["amountMicros"], entry["path"], entry["inputTokens"]) for entry in entries] == [(-7, "turn[0]", 10)]
    assert len((await stage.get("/api/ledger")).json()["entries"]) == 2
    assert len((await stage.get("/api/ledger?limit=1")).json()["entries"]) == 1


@pytest.mark.parametrize("amount", [0, -1, "x", 2**60, None])
async def test_amounts_that_cannot_be_are_refused(stage: Stage, amount: object) -> None:
    """Only whole positive micros that JavaScript can hold."""
    response = await stage.post("/api/credits", {"amountMicros": amount})
    assert (response.status_code, response.json()["issues"][0]["field"]) == (400, "amountMicros")
