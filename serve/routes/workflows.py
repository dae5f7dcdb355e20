"""Workflows: what there is, and how each is made."""

from typing import Annotated

from fastapi import APIRouter, Query

from greenroom.serve.answers import JsonAnswer, answer
from greenroom.serve.caller import FromCaller
from greenroom.serve.strict_json import StrictRoute
from greenroom.serve.wire.workflow_record import workflow_record

router = APIRouter(prefix="/api/workflows", tags=["workflows"], route_class=StrictRoute)


@router.get("")
async def list_workflows(caller: FromCaller, *, partial: Annotated[bool, Query()] = False) -> JsonAnswer:
    """List the workflows of the newest bundle, by id."""
    workflows = (await caller.plans.newest(caller.runtime))["workflows"]
    return answer({id: workflow_record(plan, workflows, is_partial=partial) for id, plan in workflows.items()})


@router.get("/{workflow_id}")
async def get_workflow(caller: FromCaller, workflow_id: str) -> JsonAnswer:
    """Return one workflow: its schemas, its steps and its graph."""
    plan = await caller.plans.get(caller.runtime, "workflow", workflow_id)
    workflows = (await caller.plans.newest(caller.runtime))["workflows"]
    return answer(workflow_record(plan, workflows))
