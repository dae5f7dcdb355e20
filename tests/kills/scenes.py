"""What happens to a runtime when nodes, workers and runtimes die or stand still, told as facts for the tests.

`python -m tests.kills.scenes FOLDER` plays all scenes on one cluster, in a process of its own, and prints the facts as
JSON, by scene. Where a scene waits for runs to go on it looks at the notes of their bodies, so that no call by a client
can have set anything in motion.
"""

import asyncio
import json
import logging
import signal
import sys
import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from greenroom.actors.rehearsal.script import Reply
from greenroom.actors.rehearsal.server import RehearsalServer
from tests.kills.notes import Notes
from tests.kills.stage import Stage, is_there, kill, prepare, processes_below
from tests.kills.waiting import until

APP = "tests.kills.app:app"
HERE = {"place": 1.0}
"""What the nodes have that the runtime of these scenes asks for. An application's is on the head and cannot move."""

WORKERS = 3
MAX_TRIES = 5

Facts = dict[str, Any]


@dataclass(slots=True, kw_only=True)
class Play:
    """What the scenes share."""

    folder: Path
    notes: Notes
    stage: Stage
    server: RehearsalServer
    runtime: Any = None

    async def connect(self) -> Any:
        """Return a client of the runtime that is up, with the app."""
        import greenroom
        from greenroom.runtime.contracts.config import Config, ModelProvider, RuntimeSection

        config = Config(
            root=str(self.folder),
            storage=f"file://{self.folder}/store",
            models={"rehearsal": ModelProvider(base_url=self.server.base_url, api_key="rehearsal")},
            runtime=RuntimeSection(address=self.stage.address, step_workers=WORKERS, agent_workers=1),
        )
        make_runtime("greenroom-runtime", "greenroom.app:compose", config.model_dump_json())
        return await greenroom.connect(APP, config=config)

    async def hold(self, count: int) -> list[Any]:
        """Start runs that all stand in the body that waits."""
        self.go.unlink(missing_ok=True)
        runs = [await self.runtime.workflow("long").start(number) for number in range(count)]
        ids = {run.run_id for run in runs}
        await until(lambda: len([n for n in self.notes.of("began", path="held") if n.run_id in ids]) >= count)
        return runs

    async def hold_on_a_node(self, count: int) -> tuple[list[Any], int, int]:
        """Hold runs, some on another node than the runtime's; return all, that node, and how many are on it."""
        for _ in range(MAX_TRIES):
            while await self.step_workers() < WORKERS:  # noqa: ASYNC110 - started elsewhere
                await asyncio.sleep(0.1)
            runs = await self.hold(count)
            (runtime,) = self.stage.runtimes()
            holders = self.holders()
            others = [pid for pid in self.stage.nodes if runtime not in processes_below([pid])]
            busy = {pid: sum(holders.get(child, 0) for child in processes_below([pid])) for pid in others}
            victim = max(busy, key=lambda pid: busy[pid])
            if busy[victim]:
                return runs, victim, busy[victim]
            for pid in self.stage.workers():  # Ray put them all elsewhere: it may do otherwise with the next
                kill(pid)
            await self.let_go(runs)
        message = f"Ray put no worker beside the runtime in {MAX_TRIES} tries"
        raise AssertionError(message)

    async def step_workers(self) -> int:
        """Return how many step workers the runtime has."""
        return sum(worker["pool"] == "steps" for worker in (await self.runtime.status())["workers"])

    @property
    def go(self) -> Path:
        """The file that lets bodies go on."""
        return self.folder / "go"

    async def let_go(self, runs: list[Any]) -> None:
        """Let the bodies go on and wait, without a word to the runtime, until each run's last body has ended."""
        self.go.touch()
        ids = {run.run_id for run in runs}
        await until(lambda: {n.run_id for n in self.notes.of("ended", path="add_one#2")} >= ids)

    def holders(self) -> dict[int, int]:
        """Return how many bodies wait in each process."""
        ended = {(note.run_id, note.attempt) for note in self.notes.of("ended", path="held")}
        waiting = [n.pid for n in self.notes.of("began", path="held") if (n.run_id, n.attempt) not in ended]
        return {pid: waiting.count(pid) for pid in waiting}

    async def told(self, runs: list[Any]) -> Facts:
        """Return how runs stand and how often their bodies were called."""
        results = [await run.result(timeout_s=60) for run in runs]
        calls = {
            path: [len(self.notes.of("began", run.run_id, path)) for run in runs]
            for path in ("add_one", "held", "add_one#2")
        }
        keys = [len({note.key for note in self.notes.of("began", run.run_id, "held")}) for run in runs]
        return {"outputs": [result.output for result in results], "calls": calls, "keys": keys}


def make_runtime(name: str, compose: str, config: str, resources: dict[str, float] | None = None) -> Any:
    """Make a runtime actor as `greenroom.app` does, but where there is the named resource instead of on the head."""
    import ray

    from greenroom.runtime.client.link import NAMESPACE
    from greenroom.runtime.host.actor import RuntimeActor

    actor: Any = ray.remote(RuntimeActor)
    return actor.options(
        name=name,
        namespace=NAMESPACE,
        lifetime="detached",
        get_if_exists=True,
        num_cpus=0,
        resources=resources or {"place": 0.001},
        max_restarts=-1,
        max_task_retries=0,
        max_concurrency=1000,
        enable_task_events=False,
    ).remote(compose, config)


async def a_node_with_workers_dies(play: Play) -> Facts:
    """Kill the node that executes most, which is not the runtime's."""
    runs, victim, bodies = await play.hold_on_a_node(6)
    (runtime,) = play.stage.runtimes()
    play.stage.kill_node(victim)
    play.stage.bury(victim)
    await play.let_go(runs)
    facts = await play.told(runs)
    play.stage.add_node(resources=HERE)
    return {**facts, "bodies_on_the_node": bodies, "same_runtime": play.stage.runtimes() == [runtime]}


async def the_node_of_the_runtime_dies(play: Play) -> Facts:
    """Kill the node that the runtime is on, with runs in hand, asleep and suspended."""
    runs = await play.hold(4)
    asking = await play.runtime.workflow("asking").start(1)
    await asking.result(timeout_s=60)
    sleepy = await play.runtime.workflow("sleepy").start(1)
    (runtime,) = play.stage.runtimes()
    (victim,) = [pid for pid in play.stage.nodes if runtime in processes_below([pid])]
    play.stage.kill_node(victim)
    play.stage.bury(victim)
    await play.let_go(runs)
    await until(lambda: play.notes.of("ended", sleepy.run_id, "add_one#2"))
    facts = await play.told(runs)
    waited = (await asking.get()).status.value
    await asking.resume("ask", 40)
    answered = await asking.result(timeout_s=60)
    play.stage.add_node(resources=HERE)
    return {
        **facts,
        "is_another_process": play.stage.runtimes() != [runtime],
        "asking": [waited, answered.output],
        "sleepy": (await sleepy.result(timeout_s=60)).output,
    }


async def the_runtime_dies_while_it_recovers(play: Play) -> Facts:
    """Kill the runtime, and each of its next three lives as soon as there is a process of it."""
    runs = await play.hold(4)
    killed: list[int] = []
    for _ in range(4):
        (runtime,) = await until(lambda: [pid for pid in play.stage.runtimes() if pid not in killed])
        kill(runtime)
        killed.append(runtime)
    await play.let_go(runs)
    return {**await play.told(runs), "lives": len(set(killed))}


async def the_runtime_dies_during_a_model_call(play: Play) -> Facts:
    """Kill the runtime when the model has been asked and has not begun to answer."""
    number = 77
    play.server.script.add(Reply(text="At last.", user_contains=f"<{number}>", first_token_s=3, times=None))
    run = await play.runtime.workflow("written").start(number)
    await until(lambda: [seen for seen in play.server.requests if f"<{number}>" in seen.user])
    (runtime,) = play.stage.runtimes()
    kill(runtime)
    result = await run.result(timeout_s=60)
    asked = [seen for seen in play.server.requests if f"<{number}>" in seen.user]
    return {"output": result.output, "asked": len(asked), "outcomes": [seen.outcome for seen in asked]}


async def everything_dies_while_it_recovers(play: Play) -> Facts:
    """Kill the runtime with all workers, and both again when they are back."""
    runs = await play.hold(2)
    for _ in range(2):
        victims = [*play.stage.runtimes(), *play.stage.workers()]
        for pid in victims:
            kill(pid)
        await until(lambda: set(play.stage.runtimes()) - set(victims))  # noqa: B023 - called before the next turn
    await play.let_go(runs)
    return await play.told(runs)


async def a_worker_stands_still(play: Play) -> Facts:
    """Stop the process under a body until its time is over and another attempt has the outcome; then let it go on."""
    rounds: list[Facts] = []
    before = (await play.runtime.status())["stale_results"]
    late = 0
    for number in range(5):
        runs = [await play.runtime.workflow("limited").start(number) for _ in range(4)]
        ids = {run.run_id for run in runs}
        began = await until(lambda: _first(play.notes, ids, 4))  # noqa: B023 - called before the next turn
        worker = began[0].pid
        stopped = [note.run_id for note in began if note.pid == worker]
        kill(worker, signal.SIGSTOP)
        results = [await run.result(timeout_s=60) for run in runs]
        kill(worker, signal.SIGCONT)
        await until(lambda: play.notes.of("ended", stopped[0]))  # noqa: B023 - as above
        after = await until(lambda: is_there(worker))  # noqa: B023 - as above
        outputs = {run.run_id: result.output for run, result in zip(runs, results, strict=True)}
        later = [(await run.get()).output for run in runs]
        rounds.append(
            {
                "stopped": [outputs[run_id] for run_id in stopped],
                "others": [output for run_id, output in outputs.items() if run_id not in stopped],
                "is_same_later": later == list(outputs.values()),
                "lives_on": after,
            }
        )
        late = (await play.runtime.status())["stale_results"] - before
        if late > 0:
            break  # else the word that it was given up was quicker
    return {"rounds": rounds, "late": late}


def _first(notes: Notes, ids: set[str], count: int) -> list[Any]:
    began = [note for note in notes.of("began", path="limited") if note.run_id in ids]
    return began if len(began) >= count else []


async def a_partitioned_node_comes_back(play: Play) -> Facts:
    """Stop a node with its workers until it counts as dead; let it go on when others have done its work."""
    runs, victim, bodies = await play.hold_on_a_node(6)
    stopped = [victim, *processes_below([victim])]
    for pid in stopped:
        kill(pid, signal.SIGSTOP)
    await play.let_go(runs)
    before = await play.told(runs)
    for pid in reversed(stopped):
        kill(pid, signal.SIGCONT)
    ids = {run.run_id for run in runs}
    there = {n.run_id for n in play.notes.of("began", path="held") if n.pid in stopped and n.run_id in ids}
    await until(lambda: {n.run_id for n in play.notes.of("ended", path="held") if n.attempt == 1} >= there)
    play.stage.kill_node(victim)
    play.stage.bury(victim)
    play.stage.add_node(resources=HERE)
    return {**before, "bodies_on_the_node": bodies, "after": await play.told(runs)}


async def a_stale_runtime_goes_on(play: Play) -> Facts:
    """Stop the runtime's process, let a second runtime take store and workers, and let the first go on."""
    import ray

    from greenroom.app import make_client, register
    from greenroom.runtime.client.link import RayLink
    from greenroom.runtime.definitions.bundle import resolve_target, source_of
    from tests.kills import through

    app = resolve_target(APP)
    first = make_runtime("greenroom-runtime", "tests.kills.unlocked:compose", json.dumps(f"{play.folder}/shared"))
    pid = await first.begin.remote()
    play.runtime = make_client(app, link=RayLink())
    await register(play.runtime, app, source_of(app, APP))
    asking = await play.runtime.workflow("asking").start(1)
    await asking.result(timeout_s=60)
    (held,) = await play.hold(1)
    reader = asyncio.create_task(through.outcome(held.result(timeout_s=60)))
    kill(pid, signal.SIGSTOP)
    second = make_runtime("greenroom-second", "tests.kills.unlocked:compose", json.dumps(f"{play.folder}/shared"))
    client = make_client(app, link=through.ActorLink(second))
    runs = [await client.run(held.run_id), await client.run(asking.run_id)]
    await runs[1].resume("ask", 40)
    await play.let_go([held])
    truth = [(await run.result(timeout_s=60)).output for run in runs]
    kill(pid, signal.SIGCONT)
    told = [await through.outcome(run.get()) for run in (held, asking)]
    resumed = await through.outcome(asking.resume("ask", 7))
    told.append(await through.outcome(play.runtime.workflow("sequence").start(1)))
    facts = {
        "truth": truth,
        "told_by_the_stale_one": told,
        "resumed_by_the_stale_one": resumed,
        "told_to_who_waited": await reader,
        "truth_later": [(await run.get()).output for run in runs],
        "calls": len(play.notes.of("began", held.run_id, "held")),
    }
    await client.shutdown()
    for actor in (first, second):
        ray.kill(actor)
    return facts


SCENES = (
    a_node_with_workers_dies,
    the_node_of_the_runtime_dies,
    the_runtime_dies_while_it_recovers,
    the_runtime_dies_during_a_model_call,
    everything_dies_while_it_recovers,
    a_worker_stands_still,
    a_partitioned_node_comes_back,
)


async def play_all(folder: Path, notes: Notes, server: RehearsalServer, names: list[str]) -> dict[str, Facts]:
    """Play the scenes, or those that are named, and return their facts."""
    import ray

    from greenroom.runtime.client.link import ACTOR_NAME, NAMESPACE

    facts: dict[str, Facts] = {}
    stage = Stage(folder)
    try:
        for _ in range(2):
            stage.add_node(resources=HERE)
        ray.init(address=stage.address, namespace=NAMESPACE, log_to_driver=False, logging_level=logging.ERROR)
        play = Play(folder=folder, notes=notes, stage=stage, server=server)
        play.runtime = await play.connect()
        for scene in SCENES:
            if not names or scene.__name__ in names:
                facts[scene.__name__] = await _played(scene(play))
        await play.runtime.shutdown()
        ray.kill(ray.get_actor(ACTOR_NAME, namespace=NAMESPACE))
        last = a_stale_runtime_goes_on
        if not names or last.__name__ in names:
            facts[last.__name__] = await _played(last(play))
    finally:
        stage.close()
    return facts


async def _played(scene: Any) -> Facts:
    begin = time.monotonic()
    try:
        facts: Facts = await scene
    except Exception as error:  # noqa: BLE001 - told as a fact, so that one scene does not hide the others
        return {"error": "".join(traceback.format_exception(error))}
    return {**facts, "took_s": round(time.monotonic() - begin, 1)}


def main() -> None:
    """Play the scenes."""
    folder = Path(sys.argv[1])
    notes = prepare(folder)
    with RehearsalServer() as server:
        facts = asyncio.run(play_all(folder, notes, server, sys.argv[2:]))
    (folder / "facts.json").write_text(json.dumps(facts, indent=1))


if __name__ == "__main__":
    main()
