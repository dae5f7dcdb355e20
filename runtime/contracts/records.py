"""Rows of the store: everything the runtime owns, table by table.

A record is frozen and knows its table; `key` addresses it inside the table and `order` sorts it in a scan (the key,
unless the table is listed by time). Of two records with one key the later written wins. Fields are only ever added,
with defaults. Times are epoch seconds, money is integer micros.
"""

from enum import StrEnum
from typing import TypeAlias

import msgspec

from greenroom.runtime.contracts.schedules import ScheduleRow, TriggerRow
from greenroom.runtime.contracts.values import Json

Key: TypeAlias = tuple[str | int | float, ...]


class Table(StrEnum):
    """Tables of the store."""

    RUNS = "runs"
    JOURNAL = "journal"
    KEYS = "keys"
    BUNDLES = "bundles"
    THREADS = "threads"
    MESSAGES = "messages"
    LEDGER = "ledger"
    SPANS = "spans"
    BLOBS = "blobs"
    DELETIONS = "deletions"
    SCHEDULES = "schedules"
    TRIGGERS = "triggers"


class RunHead(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag="runs"):
    """One run at a glance: narrow, so that opening a store reads only these. Key: run_id. Listed by created_at.

    Attributes:
        kind: `workflow`, `agent` or `tool`.
        parent_id: The run that started this one as its child; its journal holds this run's entries under `parent_path`.
        root_id: The run whose journal this run lives in (itself, when it has no parent).
        wake_at: When its next timer is due.
        is_open: False when nothing of it will ever move again, callbacks included.
        groups: Number of journal rows so far.
        events: Number of durable events so far.
        forked_from: The run it took its first outcomes over from.
    """

    workspace: str
    run_id: str
    kind: str
    target: str
    bundle: str
    status: str
    created_at: float
    updated_at: float
    root_id: str
    parent_id: str | None = None
    parent_path: str | None = None
    finished_at: float | None = None
    wake_at: float | None = None
    resource_id: str | None = None
    thread_id: str | None = None
    key: str | None = None
    trace_id: str = ""
    is_open: bool = True
    groups: int = 0
    events: int = 0
    error_type: str | None = None
    error: str | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    cost_micros: int = 0
    forked_from: str | None = None

    @property
    def order(self) -> Key:
        """Position in a scan."""
        return (self.created_at, self.run_id)

    @property
    def row_key(self) -> Key:
        """Address in the table."""
        return (self.run_id,)


class JournalRow(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag="journal"):
    """One commit of one run: a fact and the decisions that followed. Key: run_id, group (from 1, without gaps).

    Attributes:
        body: msgpack array of entries.
    """

    workspace: str
    run_id: str
    group: int
    at: float
    body: bytes

    @property
    def order(self) -> Key:
        """Position in a scan."""
        return (self.run_id, self.group)

    @property
    def row_key(self) -> Key:
        """Address in the table."""
        return (self.run_id, self.group)


class KeyRow(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag="keys"):
    """An idempotency key that was used for a start. Key: workspace, key.

    Attributes:
        fingerprint: Hash of target and input: the same key with another input is refused.
    """

    workspace: str
    key: str
    run_id: str
    fingerprint: str
    at: float

    @property
    def order(self) -> Key:
        """Position in a scan."""
        return (self.workspace, self.key)

    @property
    def row_key(self) -> Key:
        """Address in the table."""
        return (self.workspace, self.key)


class BundleRow(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="bundles"):
    """One version of an app's definitions. Key: bundle. Listed by created_at. Holds no code: `target` is imported.

    Attributes:
        plan: The `BundlePlan` as msgpack.
        target: `module:attribute`, or None when the code was given by value.
        is_drained: No run is started with it any more.
    """

    bundle: str
    plan: bytes
    created_at: float
    target: str | None = None
    search_path: tuple[str, ...] = ()
    workspace: str = ""
    is_drained: bool = False

    @property
    def order(self) -> Key:
        """Position in a scan."""
        return (self.created_at, self.bundle)

    @property
    def row_key(self) -> Key:
        """Address in the table."""
        return (self.bundle,)


class ThreadRow(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="threads"):
    """A conversation at a glance. Key: workspace, thread_id. Listed by updated_at."""

    workspace: str
    thread_id: str
    created_at: float
    updated_at: float
    resource_id: str | None = None
    title: str | None = None
    metadata: dict[str, Json] = {}
    deleted: bool = False

    @property
    def order(self) -> Key:
        """Position in a scan."""
        return (self.updated_at, self.thread_id)

    @property
    def row_key(self) -> Key:
        """Address in the table."""
        return (self.workspace, self.thread_id)


class MessageRow(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="messages"):
    """One message of a thread. Key: workspace, thread_id, position (from 1). `content` is JSON parts or text."""

    workspace: str
    thread_id: str
    position: int
    message_id: str
    role: str
    at: float
    content: Json = None
    run_id: str | None = None

    @property
    def order(self) -> Key:
        """Position in a scan."""
        return (self.workspace, self.thread_id, self.position)

    @property
    def row_key(self) -> Key:
        """Address in the table."""
        return (self.workspace, self.thread_id, self.position)


class LedgerRow(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="ledger"):
    """One money movement, never edited. Key: workspace, entry_id. Listed by time.

    Attributes:
        entry_id: Made from the charge's idempotency key, so that one charge is one entry.
        kind: `charge` or `grant`.
        amount_micros: Signed: a grant is positive, a charge negative.
    """

    workspace: str
    entry_id: str
    at: float
    kind: str
    amount_micros: int
    run_id: str | None = None
    path: str | None = None
    model: str | None = None
    input_tokens: int = 0
    output_tokens: int = 0

    @property
    def order(self) -> Key:
        """Position in a scan."""
        return (self.at, self.entry_id)

    @property
    def row_key(self) -> Key:
        """Address in the table."""
        return (self.workspace, self.entry_id)


class SpanRow(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="spans"):
    """What one step of a run took, or the whole run (path ""). Key: run_id, path. Listed by started_at.

    Written once, when the run has ended: for traces and for questions in SQL. Nothing is rebuilt from it.

    Attributes:
        kind: `run`, `step`, `tool`, `agent`, `turn` and so on.
        run_id: The run whose journal the step stands in.
        parent_path: The span around it; None for the run itself.
        attempts: How often it was tried.
    """

    workspace: str
    run_id: str
    path: str
    trace_id: str
    kind: str
    name: str
    status: str
    started_at: float
    ended_at: float
    parent_path: str | None = None
    attempts: int = 1
    error_type: str | None = None
    error: str | None = None

    @property
    def order(self) -> Key:
        """Position in a scan."""
        return (self.started_at, self.run_id, self.path)

    @property
    def row_key(self) -> Key:
        """Address in the table."""
        return (self.run_id, self.path)


class BlobRow(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag="blobs"):
    """A run that refers to a blob. Key: sha256, run_id. A blob that nobody refers to any more is purged."""

    workspace: str
    sha256: str
    run_id: str
    at: float

    @property
    def order(self) -> Key:
        """Position in a scan."""
        return (self.sha256, self.run_id)

    @property
    def row_key(self) -> Key:
        """Address in the table."""
        return (self.sha256, self.run_id)


class Deletion(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag="deletions"):
    """Everything written before it about a workspace, a run or a thread is gone. Key: scope, workspace, id.

    Attributes:
        scope: `workspace`, `run` or `thread`.
        id: Of the root run or the thread; empty for a workspace.
    """

    scope: str
    workspace: str
    at: float
    id: str = ""
    reason: str = ""

    @property
    def order(self) -> Key:
        """Position in a scan."""
        return (self.scope, self.workspace, self.id)

    @property
    def row_key(self) -> Key:
        """Address in the table."""
        return (self.scope, self.workspace, self.id)


Record: TypeAlias = (
    RunHead
    | JournalRow
    | KeyRow
    | BundleRow
    | ThreadRow
    | MessageRow
    | LedgerRow
    | SpanRow
    | BlobRow
    | Deletion
    | ScheduleRow
    | TriggerRow
)

RECORD_TYPES: dict[Table, type[Record]] = {
    Table.RUNS: RunHead,
    Table.JOURNAL: JournalRow,
    Table.KEYS: KeyRow,
    Table.BUNDLES: BundleRow,
    Table.THREADS: ThreadRow,
    Table.MESSAGES: MessageRow,
    Table.LEDGER: LedgerRow,
    Table.SPANS: SpanRow,
    Table.BLOBS: BlobRow,
    Table.DELETIONS: Deletion,
    Table.SCHEDULES: ScheduleRow,
    Table.TRIGGERS: TriggerRow,
}

TABLE_OF: dict[type[Record], Table] = {kind: table for table, kind in RECORD_TYPES.items()}
