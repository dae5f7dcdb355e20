"""Which stored values a run refers to: a row for each, so that a purge knows which values nobody needs any more."""

from typing import Final

import msgspec

from greenroom.runtime.contracts.records import BlobRow, Record
from greenroom.runtime.contracts.values import BLOB_FIELD, blobs_in
from greenroom.runtime.core.state import RunState

_MARK: Final = BLOB_FIELD.encode()
_decode = msgspec.msgpack.Decoder().decode


def blob_shas(body: bytes) -> set[str]:
    """Return the digests of what the entries of one commit refer to.

    Args:
        body: A journal row's. Looked through only when the mark of a reference is somewhere in it: few have one.
    """
    return {reference.sha256 for reference in blobs_in(_decode(body))} if _MARK in body else set()


def blob_rows(run: RunState, known: set[str], body: bytes, at: float) -> list[Record]:
    """Return a row for each value that a commit is the first of its run to refer to, and add it to `known`."""
    new = blob_shas(body) - known
    known |= new
    workspace, run_id = run.started.workspace, run.run_id
    return [BlobRow(workspace=workspace, sha256=sha256, run_id=run_id, at=at) for sha256 in sorted(new)]
