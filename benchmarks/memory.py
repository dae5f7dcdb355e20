"""Memory of each process of the runtime: private (USS) and resident (RSS), as the kernel counts them."""

from pathlib import Path

from benchmarks.figures import Row

NAMES = {
    "RuntimeActor": "runtime actor",
    "StepWorker": "step worker",
    "AgentActor": "agent actor",
    "BlobActor": "blob actor",
    "ServeReplica": "HTTP replica",
    "ServeController": "Serve controller",
    "ProxyActor": "HTTP proxy",
    "HAProxyManager": "HTTP proxy manager",
}


def processes(root_pid: int) -> list[Row]:
    """Return one row for each Ray process below a process that is ours."""
    rows: list[Row] = []
    for pid in sorted(_descendants(root_pid)):
        title = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0].decode(errors="replace")
        name = next((shown for mark, shown in NAMES.items() if mark in title), None)
        if name is None:
            continue
        uss, rss = sizes(pid)
        figure = f"{uss / 2**20:.0f} MB private, {rss / 2**20:.0f} MB resident"
        rows.append(Row(name=f"memory: {name}", figure=figure))
    return rows


def _descendants(root_pid: int) -> set[int]:
    parents: dict[int, int] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            except (OSError, IndexError):
                continue
    found = {root_pid}
    while True:
        more = {pid for pid, parent in parents.items() if parent in found} - found
        if not more:
            return found
        found |= more


def sizes(pid: int) -> tuple[int, int]:
    """Return a process's private and resident bytes; zeros when it is gone."""
    uss = rss = 0
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0, 0
    for line in text.splitlines():
        key, _, value = line.partition(":")
        if key in {"Private_Clean", "Private_Dirty"}:
            uss += int(value.split()[0]) * 1024
        elif key == "Rss":
            rss += int(value.split()[0]) * 1024
    return uss, rss
