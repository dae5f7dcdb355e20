"""Money: the ledger's entries, the balance, and credit."""

from typing import Annotated

from fastapi import APIRouter, Query

from greenroom.runtime.contracts.values import Json
from greenroom.serve.answers import JsonAnswer, answer
from greenroom.serve.bodies import CreditBody
from greenroom.serve.caller import FromCaller
from greenroom.serve.strict_json import StrictRoute
from greenroom.serve.wire.times import millis

router = APIRouter(prefix="/api", tags=["ledger"], route_class=StrictRoute)

_NAMES = {
    "entry_id": "id",
    "kind": "kind",
    "amount_micros": "amountMicros",
    "run_id": "runId",
    "path": "path",
    "model": "model",
    "input_tokens": "inputTokens",
    "output_tokens": "outputTokens",
}


@router.get("/ledger")
async def list_entries(
    caller: FromCaller,
    run_id: Annotated[str | None, Query(alias="runId")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> JsonAnswer:
    """List the newest entries, of one run or of all; charges are negative."""
    entries = await caller.runtime.ledger.entries(run_id=run_id, limit=limit)
    return answer({"entries": [_entry(entry) for entry in entries]})


def _entry(entry: dict[str, Json]) -> dict[str, Json]:
    return {**{name: entry.get(key) for key, name in _NAMES.items()}, "at": millis(entry.get("at"))}


@router.get("/ledger/balance")
async def get_balance(caller: FromCaller) -> JsonAnswer:
    """Return grants less charges, in millionths of the currency unit."""
    return answer({"balanceMicros": await caller.runtime.ledger.balance()})


@router.post("/credits")
async def grant(caller: FromCaller, body: CreditBody) -> JsonAnswer:
    """Give the workspace credit, once for each key."""
    key = caller.key or body.key or caller.runtime.ids.run_id()
    await caller.runtime.ledger.grant(body.amount_micros, key=key)
    return answer({"key": key, "balanceMicros": await caller.runtime.ledger.balance()})
