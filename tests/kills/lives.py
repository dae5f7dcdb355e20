"""Two lives of a cluster over one store, each a process of its own that starts its own Ray, as scripts and `up` do.

`python -m tests.kills.lives FOLDER first` brings runs into every state in which they can be, says so in a file, and
waits to be killed. `… second` connects, as whoever comes next does, and tells what it finds, without moving anything at
first.
"""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from tests.kills.notes import Notes
from tests.kills.stage import prepare
from tests.kills.waiting import until

APP = "tests.kills.app:app"
NAMES = ("sequence", "long", "asking", "paid", "sleepy")


async def connect(folder: Path, life: str) -> Any:
    """Return a client; the cluster is started now, in this machine's way."""
    import greenroom
    from greenroom.runtime.contracts.config import Config, RuntimeSection

    section = RuntimeSection(ray_temp_dir=str(folder / life), num_cpus=2, step_workers=2)
    return await greenroom.connect(
        APP, config=Config(root=str(folder), storage=f"file://{folder}/store", runtime=section)
    )


async def first(folder: Path, notes: Notes) -> None:
    """Start runs and wait until they have come to rest, or stand in the body that waits."""
    runtime = await connect(folder, "first")
    runs = {name: await runtime.workflow(name).start(1, key=name) for name in NAMES}
    ids = {name: run.run_id for name, run in runs.items()}
    await asyncio.gather(runs["sequence"].result(60), runs["asking"].result(60))
    await until(lambda: notes.of("began", ids["long"], "held"))
    await until(lambda: notes.of("ended", ids["sleepy"], "add_one"))
    await until(lambda: notes.of("ended", ids["paid"], "add_one"))
    draft = folder / "ids.tmp"
    draft.write_text(json.dumps(ids))
    draft.replace(folder / "ids.json")
    await asyncio.Event().wait()


async def second(folder: Path, notes: Notes) -> dict[str, Any]:
    """Connect, wait by the notes for what goes on by itself, and only then answer what waits."""
    ids = json.loads((folder / "ids.json").read_text())
    runtime = await connect(folder, "second")
    (folder / "go").touch()
    await until(lambda: notes.of("ended", ids["long"], "add_one#2"))
    await until(lambda: notes.of("ended", ids["sleepy"], "add_one#2"))
    runs = {name: await runtime.run(run_id) for name, run_id in ids.items()}
    await asyncio.gather(runs["long"].result(60), runs["sleepy"].result(60))
    found = {name: (await run.get()).status.value for name, run in runs.items()}
    listed = {item.run_id for item in await runtime.runs(roots=True)}
    again = await runtime.workflow("asking").start(1, key="asking")
    await runs["asking"].resume("ask", 40)
    await runs["paid"].signal("paid", 5)
    outputs = {name: (await run.result(60)).output for name, run in runs.items()}
    calls = {
        name: {path: len(notes.of("began", run_id, path)) for path in {note.path for note in notes.of("began", run_id)}}
        for name, run_id in ids.items()
    }
    await runtime.shutdown()
    return {
        "found": found,
        "outputs": outputs,
        "calls": calls,
        "all_are_listed": listed >= set(ids.values()),
        "is_same_run": again.run_id == ids["asking"],
    }


def main() -> None:
    """Live."""
    folder, life = Path(sys.argv[1]), sys.argv[2]
    notes = prepare(folder)
    if life == "first":
        asyncio.run(first(folder, notes))
    else:
        (folder / "facts.json").write_text(json.dumps(asyncio.run(second(folder, notes))))


if __name__ == "__main__":
    main()
