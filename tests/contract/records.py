"""Records as the tests write them."""

from greenroom.runtime.contracts.records import (
    BlobRow,
    Deletion,
    JournalRow,
    KeyRow,
    LedgerRow,
    MessageRow,
    RunHead,
    SpanRow,
    ThreadRow,
)


def head(run_id: str, *, at: float = 1.0, workspace: str = "w", status: str = "running", groups: int = 0) -> RunHead:
    return RunHead(
        workspace=workspace,
        run_id=run_id,
        kind="workflow",
        target="briefing",
        bundle="b1",
        status=status,
        created_at=at,
        updated_at=at,
        root_id=run_id,
        groups=groups,
    )


def journal(run_id: str, group: int, *, body: bytes = b"\x90", workspace: str = "w") -> JournalRow:
    return JournalRow(workspace=workspace, run_id=run_id, group=group, at=float(group), body=body)


def message(thread_id: str, position: int, *, content: object = "text", workspace: str = "w") -> MessageRow:
    return MessageRow(
        workspace=workspace,
        thread_id=thread_id,
        position=position,
        message_id=f"{thread_id}-{position}",
        role="user",
        at=float(position),
        content=content,
    )


def thread(thread_id: str, *, at: float = 1.0, workspace: str = "w") -> ThreadRow:
    return ThreadRow(workspace=workspace, thread_id=thread_id, created_at=1.0, updated_at=at)


def key(name: str, run_id: str, *, workspace: str = "w") -> KeyRow:
    return KeyRow(workspace=workspace, key=name, run_id=run_id, fingerprint="f", at=1.0)


def blob(sha256: str, run_id: str, *, workspace: str = "w") -> BlobRow:
    return BlobRow(workspace=workspace, sha256=sha256, run_id=run_id, at=1.0)


def charge(entry_id: str, *, run_id: str | None = None, workspace: str = "w", at: float = 1.0) -> LedgerRow:
    return LedgerRow(workspace=workspace, entry_id=entry_id, at=at, kind="charge", amount_micros=-5, run_id=run_id)


def span(run_id: str, path: str, *, workspace: str = "w", at: float = 1.0) -> SpanRow:
    return SpanRow(
        workspace=workspace,
        run_id=run_id,
        path=path,
        trace_id="t",
        kind="step",
        name=path,
        status="success",
        started_at=at,
        ended_at=at + 1,
    )


def deleted(scope: str, name: str = "", *, workspace: str = "w") -> Deletion:
    return Deletion(scope=scope, workspace=workspace, id=name, at=1.0)
