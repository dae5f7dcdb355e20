"""`python -m tests.kills`: processes of a cluster under load are killed, and every promise is checked from outside.

One number decides what is killed, when and how, and what is started. The store, the notes of all who took part and
Ray's logs are kept in a folder when something was wrong.
"""

import argparse
import asyncio
import os
import random
import shutil
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import msgspec

from tests.kills import killer
from tests.kills.judge import Verdict, judge
from tests.kills.notes import Notes
from tests.kills.stage import Stage, prepare
from tests.kills.waiting import until

END_LIMIT_S = 180.0
"""How long after the last kill every run must have ended: far more than any recovery needs."""

PROGRESS_EVERY = 10


async def play(folder: Path, notes: Notes, options: argparse.Namespace) -> tuple[Verdict, dict[str, int]]:
    """Put a cluster under load, carry the blows out, let everything end, and judge."""
    import ray

    import greenroom
    from greenroom.actors.rehearsal.server import RehearsalServer
    from greenroom.runtime.client.link import ACTOR_NAME, NAMESPACE
    from greenroom.runtime.contracts.config import Config, ModelProvider, RuntimeSection
    from tests.kills.customers import Customers

    storage = f"file://{folder}/store"
    stage = Stage(folder)
    try:
        with RehearsalServer() as server:
            for _ in range(2):
                stage.add_node()
            config = Config(
                root=str(folder),
                storage=storage,
                models={"rehearsal": ModelProvider(base_url=server.base_url, api_key="rehearsal")},
                runtime=RuntimeSection(address=stage.address, step_workers=3, agent_workers=2),
            )
            runtime = await greenroom.connect("tests.kills.app:app", config=config)
            customers = Customers(runtime=runtime, notes=notes, server=server, chance=random.Random(options.seed))
            load = asyncio.create_task(customers.serve(options.customers))
            blows = killer.plan(options.seed, options.kills)
            death = killer.Killer(stage, notes)
            try:
                await until(lambda: notes.of("finished"))
                for number, blow in enumerate(blows, 1):
                    await death.carry_out(blow)
                    if number % PROGRESS_EVERY == 0:
                        finished = len(notes.of("finished"))
                        say(f"{number} kills, {finished} runs finished, {len(customers.wrong)} wrong")
            finally:
                customers.closing.set()
            _, late = await asyncio.wait({load}, timeout=END_LIMIT_S)
            for task in late:
                task.cancel()  # the judge names the runs that have not finished
            stale = (await runtime.status())["stale_results"]
            await runtime.shutdown()
            ray.kill(ray.get_actor(ACTOR_NAME, namespace=NAMESPACE))
    finally:
        stage.close()
    verdict = judge(list(notes), await journals(storage))
    verdict.wrong += customers.wrong
    verdict.counts["late results dropped by the last runtime"] = int(stale)
    verdict.counts["calls that gave up after a minute"] = customers.unanswered
    return verdict, dict(death.done)


async def journals(storage: str) -> dict[str, list[Any]]:
    """Return the entries of every run in a store."""
    from greenroom.runtime.contracts.entries import Entry
    from greenroom.runtime.contracts.records import JournalRow, Table
    from greenroom.runtime.contracts.storage import Query
    from greenroom.storage.open import open_storage

    decode = msgspec.msgpack.Decoder(list[Entry]).decode
    store = await open_storage(storage)
    found: dict[str, list[Any]] = defaultdict(list)
    async for page in store.scan(Table.JOURNAL, Query()):
        for row in page:
            assert isinstance(row, JournalRow)
            found[row.run_id].extend(decode(row.body))
    await store.close()
    return found


def say(text: str) -> None:
    """Tell whoever watches."""
    sys.stdout.write(f"{time.strftime('%H:%M:%S')}  {text}\n")
    sys.stdout.flush()


def main() -> int:
    """Play one campaign; the exit code is 0 when everything held."""
    parser = argparse.ArgumentParser(prog="python -m tests.kills", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--customers", type=int, default=8, help="runs at the same time")
    parser.add_argument("--keep", action="store_true", help="keep notes, store and logs when nothing was wrong, too")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="grk-", dir="/tmp"))
    begin = time.monotonic()
    verdict, done = asyncio.run(play(folder, prepare(folder), options))
    say(f"{time.monotonic() - begin:.0f} s; killed: {', '.join(f'{count} {what}' for what, count in done.items())}")
    for what, count in sorted(verdict.counts.items()):
        say(f"{count:8}  {what}")
    for wrong in verdict.wrong:
        say(f"WRONG  {wrong}")
    again = f"python -m tests.kills --seed {options.seed} --kills {options.kills} --customers {options.customers}"
    if verdict.wrong:
        say(f"{len(verdict.wrong)} wrong; notes, store and logs are in {folder}; again: {again}")
        return 1
    if options.keep:
        say(f"kept in {folder}")
    else:
        shutil.rmtree(folder, ignore_errors=True)
    say(f"nothing wrong; again: {again}")
    return 0


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)
