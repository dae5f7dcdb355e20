"""What a commit charges a workspace: one ledger entry for each paid model call."""

from greenroom.runtime.contracts.records import LedgerRow
from greenroom.runtime.core.state import RunState


def charges_of(run: RunState, at: float) -> list[LedgerRow]:
    """Return the charges of a run since the host last took them. An entry's id makes it count once."""
    return [
        LedgerRow(
            workspace=run.started.workspace,
            entry_id=f"charge:{run.run_id}:{path}:{attempt}",
            at=at,
            kind="charge",
            amount_micros=-usage.cost_micros,
            run_id=run.run_id,
            path=path,
            model=model,
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
        )
        for path, attempt, model, usage in run.charges
    ]
