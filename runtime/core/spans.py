"""What a run and its steps took: the projection that traces and the store's spans are both made from."""

from collections.abc import Iterator

from greenroom.runtime.contracts.records import SpanRow
from greenroom.runtime.core.nodes import is_internal, kind_of
from greenroom.runtime.core.state import NodeState, RunState


def spans(run: RunState) -> Iterator[SpanRow]:
    """Yield the spans of a run that has ended: its own (path ""), then one for each step, parents first.

    Steps that never began, and what only the engine has (conditions, callbacks), have none of their own.
    """
    if run.finished_at is None:
        return
    error = run.error
    yield SpanRow(
        workspace=run.started.workspace,
        run_id=run.run_id,
        path="",
        trace_id=run.started.trace_id,
        kind="run",
        name=run.started.target,
        status=run.status.value,
        started_at=run.created_at,
        ended_at=run.finished_at,
        error_type=error.type if error is not None else None,
        error=error.message if error is not None else None,
    )
    for child in run.root.children.values():
        yield from _below(run, child, "", run.finished_at)


def _below(run: RunState, node: NodeState, parent_path: str, last_at: float) -> Iterator[SpanRow]:
    name = node.path.rpartition("/")[2]
    if node.started_at and not is_internal(name):
        yield _span(run, node, parent_path, last_at)
        parent_path = node.path
    for child in (*node.children.values(), *node.calls.values()):
        yield from _below(run, child, parent_path, last_at)


def _span(run: RunState, node: NodeState, parent_path: str, last_at: float) -> SpanRow:
    error = node.error
    return SpanRow(
        workspace=run.started.workspace,
        run_id=run.run_id,
        path=node.path,
        trace_id=run.started.trace_id,
        kind=kind_of(node.node),
        name=node.node.id or node.path.rpartition("/")[2],
        status=node.status.value,
        started_at=node.started_at,
        ended_at=node.ended_at or last_at,
        parent_path=parent_path,
        attempts=node.attempt or 1,
        error_type=error.type if error is not None else None,
        error=error.message if error is not None else None,
    )
