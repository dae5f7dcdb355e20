"""Lists of a workflow's runs: pages by number, with a total, and counts by workflow.

The runtime lists by cursor. A page by number is found by walking the heads, which are small; only the runs of the page
itself are read whole.
"""

import asyncio
from datetime import UTC, datetime
from typing import Annotated, Final

from fastapi import APIRouter, Query

from greenroom.runtime.client.results import RunSummary
from greenroom.runtime.contracts.errors import RunNotFound
from greenroom.runtime.contracts.values import Json
from greenroom.serve.answers import JsonAnswer, answer
from greenroom.serve.caller import Caller, FromCaller
from greenroom.serve.known_run import get_run
from greenroom.serve.strict_json import StrictRoute
from greenroom.serve.wire.stored_run import run_row

router = APIRouter(prefix="/api/workflows", tags=["workflow runs"], route_class=StrictRoute)

PER_PAGE: Final = 50
MAX_PER_PAGE: Final = 200
MAX_WALKED: Final = 10_000
"""Most heads that are counted for `total`."""
_HEADS: Final = 500
_AT_ONCE: Final = 16


@router.get("/run-counts")
async def count_runs(caller: FromCaller) -> JsonAnswer:
    """Count the running and the suspended runs of each workflow."""
    workflows = (await caller.plans.newest(caller.runtime))["workflows"]
    counts = {id: {"running": 0, "suspended": 0} for id in workflows}
    for status in ("running", "suspended"):
        for run in await _walk(caller, None, status, None):
            if run.target in counts:
                counts[run.target][status] += 1
    return answer(counts)


@router.get("/{workflow_id}/runs")
async def list_runs(
    caller: FromCaller,
    *,
    workflow_id: str,
    page: Annotated[int, Query(ge=0)] = 0,
    per_page: Annotated[int | None, Query(alias="perPage", ge=1, le=MAX_PER_PAGE)] = None,
    limit: Annotated[int | None, Query(ge=1, le=MAX_PER_PAGE)] = None,
    offset: Annotated[int | None, Query(ge=0)] = None,
    from_date: Annotated[datetime | None, Query(alias="fromDate")] = None,
    to_date: Annotated[datetime | None, Query(alias="toDate")] = None,
    resource_id: Annotated[str | None, Query(alias="resourceId")] = None,
    status: str | None = None,
) -> JsonAnswer:
    """List a workflow's runs, newest first; `total` counts those before paging."""
    await caller.plans.get(caller.runtime, "workflow", workflow_id)
    found = await _walk(caller, workflow_id, status or None, resource_id)
    kept = [run for run in found if _is_within(run.created_at, from_date, to_date)]
    size = per_page or limit or PER_PAGE
    begin = offset if offset is not None else page * size
    gate = asyncio.Semaphore(_AT_ONCE)
    rows = await asyncio.gather(*(_row(caller, run, gate) for run in kept[begin : begin + size]))
    return answer({"runs": [row for row in rows if row is not None], "total": len(kept)})


async def _walk(
    caller: Caller, workflow_id: str | None, status: str | None, resource_id: str | None
) -> list[RunSummary]:
    found: list[RunSummary] = []
    cursor: str | None = None
    while len(found) < MAX_WALKED:
        page = await caller.runtime.runs(
            workflow=workflow_id,
            kind="workflow",
            status=status,
            resource_id=resource_id,
            limit=_HEADS,
            cursor=cursor,
        )
        found.extend(page.items)
        cursor = page.next_cursor
        if cursor is None:
            break
    return found


async def _row(caller: Caller, run: RunSummary, gate: asyncio.Semaphore) -> dict[str, Json] | None:
    async with gate:
        try:
            known = await get_run(caller, run.run_id)
        except RunNotFound:
            return None
        return run_row(known.view, await caller.plans.of_run(caller.runtime, known.view))


def _is_within(moment: datetime | None, begin: datetime | None, end: datetime | None) -> bool:
    if moment is None:
        return begin is None and end is None
    return (begin is None or moment >= _aware(begin)) and (end is None or moment <= _aware(end))


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
