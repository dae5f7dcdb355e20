"""`greenroom storage verify`, `compact` and `purge`: what an operator does to a store, by hand."""

import time
from typing import TYPE_CHECKING, Any

import typer

from greenroom.cli.connection import AddressOption, connect
from greenroom.cli.failures import ExitCode
from greenroom.cli.progress import progress, working
from greenroom.cli.quantities import as_bytes, as_count, as_duration
from greenroom.cli.storage_target import StorageOption, StoreTarget, choose_store, open_and, refuse_memory
from greenroom.cli.terminal import JsonFlag, console, say, show_facts, write_json

if TYPE_CHECKING:
    from greenroom.runtime.contracts.storage import CompactReport, PurgeReceipt, VerifyReport

_SHOWN_FILES = 10
_SHOWN_DAMAGES = 50


def verify(*, storage: StorageOption = None, as_json: JsonFlag = False) -> None:
    """Read every byte of the store and name all damage; exit code 1 if there is any. A runtime may be at work."""
    from greenroom.storage.reader import StoreReader

    target = choose_store(storage)
    refuse_memory(target)
    began = time.monotonic()
    with progress(f"verifying {target.place}", as_json=as_json, is_bytes=True) as told:
        report = StoreReader(target.url).verify(progress=told)
    if as_json:
        write_json({"url": target.url, "is_whole": not report.damages, **_plain(report)})
    else:
        _show_report(target, report, time.monotonic() - began)
    if report.damages:
        raise typer.Exit(ExitCode.FAILED)


def _show_report(target: StoreTarget, report: "VerifyReport", took_s: float) -> None:
    facts = {
        "store": target.place,
        "read": ", ".join((as_count(report.files, "file"), as_bytes(report.bytes), as_count(report.rows, "row"))),
        "took": as_duration(took_s),
    }
    if not report.damages:
        show_facts("whole", {**facts, "damage": "none"})
        return
    out = console()
    for damage in report.damages[:_SHOWN_DAMAGES]:
        file = damage.file.removeprefix(target.place).lstrip("/") or damage.file
        out.print(f"{file} at byte {damage.offset:,}: {damage.found}", markup=False, soft_wrap=True)
    if len(report.damages) > _SHOWN_DAMAGES:
        out.print(f"and {as_count(len(report.damages) - _SHOWN_DAMAGES)} more; --json names them all", markup=False)
    files = len({damage.file for damage in report.damages})
    show_facts("damaged", {**facts, "damage": f"{as_count(len(report.damages))} in {as_count(files, 'file')}"})
    say(f"greenroom: {target.place} is damaged; restore the files named above from a copy, nothing was changed")


def compact(*, storage: StorageOption = None, address: AddressOption = None, as_json: JsonFlag = False) -> None:
    """Merge every table into one sorted run: superseded, deleted and aged rows leave the disk."""
    target = choose_store(storage)
    began = time.monotonic()
    with working(f"compacting {target.place}", as_json=as_json):
        report: CompactReport
        if target.running is not None or address is not None:
            with connect(address) as runtime:
                report = runtime.compact()
        else:
            report = open_and(target, lambda store: store.compact())
    if as_json:
        write_json({"url": target.url, **_plain(report)})
        return
    facts = {
        "store": target.place,
        "parts": f"{as_count(report.parts_before)} → {as_count(report.parts_after)}",
        "rows": f"{as_count(report.rows_before)} → {as_count(report.rows_after)}",
        "size": f"{as_bytes(report.bytes_before)} → {as_bytes(report.bytes_after)}",
        "took": as_duration(time.monotonic() - began),
    }
    show_facts("compacted", facts)


def purge(*, storage: StorageOption = None, address: AddressOption = None, as_json: JsonFlag = False) -> None:
    """Remove every byte of what was deleted from the disk, and give a receipt."""
    target = choose_store(storage)
    began = time.monotonic()
    with working(f"purging {target.place}", as_json=as_json):
        receipt: PurgeReceipt
        if target.running is not None or address is not None:
            with connect(address) as runtime:
                receipt = runtime.purge()
        else:
            receipt = open_and(target, lambda store: store.purge())
    if as_json:
        write_json({"url": target.url, **_plain(receipt)})
        return
    facts = {
        "store": target.place,
        "deletions": as_count(receipt.deletions),
        "rows": f"{as_count(receipt.rows)} removed",
        "files": f"{as_count(len(receipt.files))} removed, {as_bytes(receipt.bytes)}",
        "took": as_duration(time.monotonic() - began),
    }
    show_facts("purged" if receipt.deletions or receipt.files else "nothing to purge", facts)
    _show_files(receipt.files)


def _show_files(files: tuple[str, ...]) -> None:
    out = console()
    for file in files[:_SHOWN_FILES]:
        out.print(f"  removed {file}", markup=False, soft_wrap=True)
    if len(files) > _SHOWN_FILES:
        out.print(f"  and {as_count(len(files) - _SHOWN_FILES)} more; --json names them all", markup=False)


def _plain(report: Any) -> dict[str, Any]:
    import msgspec

    plain: dict[str, Any] = msgspec.to_builtins(report)
    return plain
