"""The requests a runtime takes, as msgpack crosses the actor's border.

Unknown fields are ignored, wrong ones refused.
"""

from typing import Literal, TypeAlias

import msgspec

from greenroom.runtime.contracts.plan import BundleSource
from greenroom.runtime.contracts.schedule_requests import AboutSchedules
from greenroom.runtime.contracts.values import Json


class _Request(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    workspace: str = "default"


class Register(_Request, frozen=True, kw_only=True, omit_defaults=True, tag="register"):
    """Make an app's definitions the newest bundle."""

    plan: bytes
    source: BundleSource


class Describe(_Request, frozen=True, kw_only=True, omit_defaults=True, tag="describe"):
    """Return the plans of the newest bundle."""


class Start(_Request, frozen=True, kw_only=True, omit_defaults=True, tag="start"):
    """Start a workflow, an agent or a tool."""

    kind: Literal["workflow", "agent", "tool"]
    target: str
    input: Json = None
    key: str | None = None
    run_id: str | None = None
    resource_id: str | None = None
    request_context: dict[str, Json] = {}
    state: dict[str, Json] = {}
    thread_id: str | None = None
    options: dict[str, Json] = {}
    single_step: bool = False
    priority: int = 0
    trace_id: str = ""
    parent_span_id: str = ""


class Get(_Request, frozen=True, kw_only=True, omit_defaults=True, tag="get"):
    """Return a run as it stands."""

    run_id: str


class ReadValue(_Request, frozen=True, kw_only=True, omit_defaults=True, tag="read_value"):
    """Return the bytes of a stored value that a run refers to."""

    run_id: str
    sha256: str


class Wait(_Request, frozen=True, kw_only=True, omit_defaults=True, tag="wait"):
    """Return a run when it is finished or parked, or None after `timeout_s`."""

    run_id: str
    timeout_s: float = 30.0


class Poll(_Request, frozen=True, kw_only=True, omit_defaults=True, tag="poll"):
    """Return a run's events behind a cursor, waiting up to `timeout_s` for the next."""

    run_id: str
    cursor: str = ""
    after: int = 0
    timeout_s: float = 20.0


class Resume(_Request, frozen=True, kw_only=True, omit_defaults=True, tag="resume"):
    """Resume a suspended step.

    Attributes:
        suspension: Token of the suspension that is answered; at another one the step is not resumed.
    """

    run_id: str
    step: str | None = None
    data: Json = None
    label: str | None = None
    index: int | None = None
    key: str | None = None
    request_context: dict[str, Json] = {}
    suspension: str | None = None


class Settle(_Request, frozen=True, kw_only=True, omit_defaults=True, tag="settle"):
    """Approve or decline a tool call that waits."""

    run_id: str
    tool_call_id: str
    approved: bool
    arguments: Json = None
    args_hash: str | None = None
    reason: str = ""


class Signal(_Request, frozen=True, kw_only=True, omit_defaults=True, tag="signal"):
    """Send a signal to a run."""

    run_id: str
    name: str
    payload: Json = None
    key: str | None = None


class Cancel(_Request, frozen=True, kw_only=True, omit_defaults=True, tag="cancel"):
    """Cancel a run."""

    run_id: str
    reason: str = ""


class Advance(_Request, frozen=True, kw_only=True, omit_defaults=True, tag="advance"):
    """Let a run that goes step by step take its next step."""

    run_id: str


class ForkRun(_Request, frozen=True, kw_only=True, omit_defaults=True, tag="fork"):
    """Start a run that takes the outcomes before a step over from another run, and executes from there.

    Attributes:
        from_step: Path, id or suffix of a step that has begun in the run.
        input: Of that step, if `has_input`; else it gets what it got before.
        state: What the state begins with; None for what it was when the step began.
        key: Two forks with one key are one.
    """

    run_id: str
    from_step: str
    has_input: bool = False
    input: Json = None
    state: dict[str, Json] | None = None
    key: str | None = None
    request_context: dict[str, Json] = {}


class Rerun(_Request, frozen=True, kw_only=True, omit_defaults=True, tag="rerun"):
    """Let a run go back to a step and execute from there; the fields are those of `ForkRun`."""

    run_id: str
    from_step: str
    has_input: bool = False
    input: Json = None
    state: dict[str, Json] | None = None
    key: str | None = None
    request_context: dict[str, Json] = {}


class Drain(_Request, frozen=True, kw_only=True, omit_defaults=True, tag="drain"):
    """Start no more runs with a bundle, or (`is_drained` false) start them again; tell how many are left.

    Attributes:
        bundle: Its id, or the beginning of it; None for all but the newest.
    """

    bundle: str | None = None
    is_drained: bool = True


class Migrate(_Request, frozen=True, kw_only=True, omit_defaults=True, tag="migrate"):
    """Move the parked runs of a workspace to another bundle, those that fit it.

    Attributes:
        from_bundle: Runs of this one only; None for runs of any.
        to_bundle: None for the newest.
        is_dry_run: Only tell what would be done.
    """

    from_bundle: str | None = None
    to_bundle: str | None = None
    is_dry_run: bool = False


class ListRuns(_Request, frozen=True, kw_only=True, omit_defaults=True, tag="list_runs"):
    """List runs, newest first."""

    workflow: str | None = None
    kind: str | None = None
    status: str | None = None
    resource_id: str | None = None
    roots: bool = False
    limit: int = 50
    cursor: str | None = None


class Status(_Request, frozen=True, kw_only=True, omit_defaults=True, tag="status"):
    """Return how the runtime is."""


class Balance(_Request, frozen=True, kw_only=True, omit_defaults=True, tag="balance"):
    """Return a workspace's balance."""


class LedgerEntries(_Request, frozen=True, kw_only=True, omit_defaults=True, tag="ledger_entries"):
    """List money movements."""

    run_id: str | None = None
    limit: int = 100


class Grant(_Request, frozen=True, kw_only=True, omit_defaults=True, tag="grant"):
    """Give a workspace credit."""

    amount_micros: int
    key: str


class ListThreads(_Request, frozen=True, kw_only=True, omit_defaults=True, tag="list_threads"):
    """List conversations, newest first."""

    resource_id: str | None = None
    limit: int = 50


class GetThread(_Request, frozen=True, kw_only=True, omit_defaults=True, tag="get_thread"):
    """Return a conversation and its messages."""

    thread_id: str
    limit: int = 100


class PutThread(_Request, frozen=True, kw_only=True, omit_defaults=True, tag="put_thread"):
    """Create or change a conversation."""

    thread_id: str | None = None
    resource_id: str | None = None
    title: str | None = None
    metadata: dict[str, Json] | None = None


class Delete(_Request, frozen=True, kw_only=True, omit_defaults=True, tag="delete"):
    """Delete a run, a conversation or a whole workspace, at once and for good.

    Attributes:
        id: Of the run or the conversation; empty for the workspace.
        key: Names this request, so that one which is sent again is known.
    """

    scope: Literal["run", "thread", "workspace"]
    id: str = ""
    key: str = ""


class Close(_Request, frozen=True, kw_only=True, omit_defaults=True, tag="close"):
    """Flush and let go of the store; end the workers if asked."""

    stop_workers: bool = True


class Flush(_Request, frozen=True, kw_only=True, omit_defaults=True, tag="flush"):
    """Bring everything acknowledged into Parquet."""


class Compact(_Request, frozen=True, kw_only=True, omit_defaults=True, tag="compact"):
    """Merge the store; what is superseded, deleted or too old leaves the disk."""


class Purge(_Request, frozen=True, kw_only=True, omit_defaults=True, tag="purge"):
    """Take every byte of what was deleted off the disk."""


class Verify(_Request, frozen=True, kw_only=True, omit_defaults=True, tag="verify"):
    """Read every byte of the store and say what is damaged."""


Request: TypeAlias = (
    Register
    | Describe
    | Start
    | Get
    | ReadValue
    | Wait
    | Poll
    | Resume
    | Settle
    | Signal
    | Cancel
    | Advance
    | ForkRun
    | Rerun
    | Drain
    | Migrate
    | ListRuns
    | Status
    | Balance
    | LedgerEntries
    | Grant
    | ListThreads
    | GetThread
    | PutThread
    | Delete
    | Close
    | Flush
    | Compact
    | Purge
    | Verify
    | AboutSchedules
)
