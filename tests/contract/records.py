"""Records as the tests write them."""

from greenroom.runtime.contracts.records import JournalRow, KeyRow, MessageRow, RunHead, ThreadRow


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
