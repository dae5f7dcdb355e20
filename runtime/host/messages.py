"""What a finished agent run adds to its thread: written in the commit that ends the run, or not at all."""

from greenroom.runtime.contracts.plan import AgentPlan
from greenroom.runtime.contracts.records import MessageRow, Record, ThreadRow
from greenroom.runtime.contracts.statuses import RunStatus
from greenroom.runtime.contracts.values import Json
from greenroom.runtime.core.agent_state import prompt_messages
from greenroom.runtime.core.state import RunState


def finished_messages(run: RunState, at: float, last: int) -> list[Record]:
    """Return the rows of the conversation that a run adds behind position `last`: what was asked and answered."""
    started, frame = run.started, run.root.frame
    if started.thread_id is None or frame is None or not isinstance(frame.plan, AgentPlan):
        return []
    if run.status is not RunStatus.SUCCESS or not frame.turns:
        return []
    said: list[dict[str, Json]] = [
        *prompt_messages(started.input),
        {"role": "assistant", "content": str((frame.turns[-1].output or {}).get("text") or "")},
    ]
    rows: list[Record] = [
        MessageRow(
            workspace=started.workspace,
            thread_id=started.thread_id,
            position=last + number,
            message_id=f"{run.run_id}:{number}" if not run.rewinds else f"{run.run_id}:{run.rewinds}.{number}",
            role=str(message.get("role", "user")),
            at=at,
            content=message.get("content"),
            run_id=run.run_id,
        )
        for number, message in enumerate(said, start=1)
    ]
    rows.append(
        ThreadRow(
            workspace=started.workspace,
            thread_id=started.thread_id,
            created_at=float(started.options.get("thread_created_at") or started.at),
            updated_at=at,
            resource_id=started.resource_id,
            title=started.options.get("thread_title"),
        )
    )
    return rows
