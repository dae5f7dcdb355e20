"""Workers on a real Ray: they are made, found again, killed, and what they execute comes back."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import cloudpickle
import msgspec
import pytest
import ray

from greenroom.actors.blob_actor import NAMESPACE, BlobSource
from greenroom.actors.rehearsal.script import Reply
from greenroom.actors.rehearsal.server import RehearsalServer
from greenroom.actors.spawner import RaySpawner, kill_everything
from greenroom.actors.worker_link import RayWorkerLink
from greenroom.runtime.contracts.entries import Failed, Succeeded
from greenroom.runtime.contracts.plan import BundleSource, StepOptions
from greenroom.runtime.contracts.ports import BundleUnavailable, WorkerLink, WorkerLost, WorkerSpec
from greenroom.runtime.contracts.values import find_blob
from greenroom.runtime.contracts.work import (
    Answer,
    Attached,
    AttemptId,
    Call,
    CallAnswer,
    Chunk,
    Exchange,
    Finished,
    Lost,
    Report,
    Reports,
    Scope,
    WorkItem,
)
from tests.cluster.app import app

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("ray_session")]

SOURCE = BundleSource(target="tests.cluster.app:app")
BLOBS = BlobSource(factory="tests.cluster.bodies:MemoryBlobs", url="memory://")
LIMIT_S = 60.0


@pytest.fixture
async def spawner() -> AsyncIterator[RaySpawner]:
    """Makes workers that are all gone at the end."""
    yield RaySpawner(BLOBS)
    await kill_everything()


def spec(pool: str = "steps", **fields: Any) -> WorkerSpec:
    wanted: dict[str, Any] = {"bundle": app.plan.id, "number": 0, "source": SOURCE, **fields}
    return WorkerSpec(**wanted, pool=pool)


def item(code: str, input: Any = None, **fields: Any) -> WorkItem:
    """Return work for a step, or with `tool/` before its name for a tool."""
    found: dict[str, Any] = {"path": code, "attempt": 1, "kind": "step", "key": code, **fields}
    key = code if "/" in code else f"all/{code}"
    return WorkItem(**found, code=key, bundle=app.plan.id, input=input)


class Talk:
    """The runtime's side of one worker."""

    def __init__(self, link: WorkerLink, epoch: int = 1) -> None:
        self.link = link
        self.epoch = epoch
        self.reports: list[Report] = []

    async def attach(self) -> Attached:
        raw = await asyncio.wait_for(self.link.attach(self.epoch), LIMIT_S)
        return msgspec.msgpack.decode(raw, type=Attached)

    async def exchange(self, *items: WorkItem, **fields: Any) -> Reports:
        scopes = (Scope(run_id="run-1", workspace="w"),)
        request = Exchange(epoch=self.epoch, scopes=scopes, items=items, **fields)
        raw = await asyncio.wait_for(self.link.exchange(msgspec.msgpack.encode(request)), LIMIT_S)
        reply = msgspec.msgpack.decode(raw, type=Reports)
        self.reports.extend(reply.reports)
        return reply

    async def until(self, is_it: Callable[[Report], bool]) -> Report:
        """Exchange until a report like this is there."""
        while True:
            for report in self.reports:
                if is_it(report):
                    return report
            await self.exchange()

    async def output(self, sent: WorkItem) -> Any:
        """Send an item and return its output."""
        await self.exchange(sent)
        report = await self.until(lambda report: isinstance(report, Finished) and report.path == sent.path)
        assert isinstance(report, Finished)
        assert isinstance(report.outcome, Succeeded), report.outcome
        return report.outcome.output


async def open_talk(spawner: RaySpawner, wanted: WorkerSpec) -> Talk:
    talk = Talk(await spawner.spawn(wanted))
    await talk.attach()
    return talk


async def test_a_worker_executes_what_it_is_given(spawner: RaySpawner) -> None:
    """Async and plain bodies run in the worker's process, and a body that calls sys.exit does not end it."""
    talk = await open_talk(spawner, spec())
    assert await talk.output(item("echo", {"n": 1})) == {"n": 1}
    found = await talk.output(item("where"))
    assert found["pid"] != os.getpid()
    await talk.exchange(item("leave"))
    failed = await talk.until(lambda report: isinstance(report, Finished) and report.path == "leave")
    assert isinstance(failed, Finished)
    assert isinstance(failed.outcome, Failed)
    assert (await talk.output(item("where", path="where#2")))["pid"] == found["pid"]
    assert talk.link.name.startswith(f"greenroom-worker-steps-{app.plan.id}-0-")
    assert "runtime" not in talk.link.name


async def test_a_worker_that_dies_is_lost_for_good(spawner: RaySpawner) -> None:
    """Every open exchange says so, and no later runtime finds it."""
    talk = await open_talk(spawner, spec())
    waiting = asyncio.create_task(talk.exchange(item("echo")))
    await waiting
    with pytest.raises(WorkerLost):
        await talk.exchange(item("die"))
    with pytest.raises(WorkerLost):
        await talk.exchange(item("echo", path="again"))
    assert await spawner.adopt() == []


async def test_a_stopped_worker_is_gone(spawner: RaySpawner) -> None:
    """Nobody adopts what was stopped."""
    talk = await open_talk(spawner, spec())
    await talk.link.stop()
    assert await RaySpawner(BLOBS).adopt() == []


async def test_a_later_runtime_adopts_the_workers_and_what_they_have(spawner: RaySpawner) -> None:
    """Outcomes that were not acknowledged are told to the next runtime; the older one is refused from then on."""
    old = await open_talk(spawner, spec())
    await old.output(item("echo", 5))
    (link,) = await RaySpawner(BLOBS).adopt()
    assert (link.name, link.pool, link.bundle) == (old.link.name, "steps", app.plan.id)
    new = Talk(link, epoch=2)
    (report,) = (await new.attach()).reports
    assert isinstance(report, Finished)
    assert report.outcome == Succeeded(output=5)
    assert (await old.exchange(item("echo", path="late"))).is_stale


async def test_code_that_cannot_be_loaded_is_told_and_leaves_no_worker(spawner: RaySpawner) -> None:
    """The message names what is missing."""
    for source, told in (
        (BundleSource(target="tests.cluster.nowhere:app"), "nowhere"),
        (SOURCE, "definitions were changed"),
    ):
        with pytest.raises(BundleUnavailable, match=told):
            await spawner.spawn(spec(bundle=f"other-{told[:3]}", source=source))
    with pytest.raises(BundleUnavailable, match="Nobody has told"):
        await spawner.spawn(spec(bundle="unheard-of", source=BundleSource()))
    assert await spawner.adopt() == []


async def test_a_restarted_runtime_spawns_workers_of_an_app_that_was_given_by_value(spawner: RaySpawner) -> None:
    """The code itself is kept in the cluster, for as long as the cluster lives."""
    await spawner.spawn(spec(source=BundleSource(pickled=cloudpickle.dumps(app))))
    talk = await open_talk(RaySpawner(BLOBS), spec(source=BundleSource(), number=1))
    assert await talk.output(item("echo", 1)) == 1


async def test_a_body_that_asks_for_resources_runs_in_a_process_of_its_own(spawner: RaySpawner) -> None:
    """What it writes, calls and sets reaches the run as from any other body, in order."""
    talk = await open_talk(spawner, spec())
    options = StepOptions(num_cpus=1, timeout_s=30)
    await talk.exchange(item("converse", options=options))
    await talk.until(lambda report: isinstance(report, Call))
    answer = CallAnswer(
        run_id="run-1", path="converse", attempt=1, name="writer", answer=Answer(status="ok", output="said")
    )
    await talk.exchange(answers=(answer,))
    finished = await talk.until(lambda report: isinstance(report, Finished))
    assert isinstance(finished, Finished)
    assert finished.outcome == Succeeded(output="said")
    assert finished.patch["pid"] not in (os.getpid(), (await talk.output(item("where")))["pid"])
    kinds = [report.data if isinstance(report, Chunk) else type(report).__name__ for report in talk.reports[:5]]
    assert kinds == ["Began", "first", "Call", "last", "Finished"]


async def test_a_task_is_cancelled_or_lost_with_its_process(spawner: RaySpawner) -> None:
    """A cancelled one reports nothing; one that was killed is reported lost, and the worker goes on."""
    talk = await open_talk(spawner, spec())
    options = StepOptions(num_cpus=1)
    await talk.exchange(item("hang", path="a", options=options), item("hang", path="b", options=options))
    chunk = await talk.until(lambda report: isinstance(report, Chunk) and report.path == "a")
    await talk.until(lambda report: isinstance(report, Chunk) and report.path == "b")
    assert isinstance(chunk, Chunk)
    cancelling = asyncio.create_task(talk.exchange(cancels=(AttemptId(run_id="run-1", path="b", attempt=1),)))
    os.kill(chunk.data, signal.SIGKILL)
    await cancelling
    lost = await talk.until(lambda report: isinstance(report, Lost))
    assert lost == Lost(run_id="run-1", path="a", attempt=1)
    assert await talk.output(item("echo", 1)) == 1
    assert [report.path for report in talk.reports if isinstance(report, Finished)] == ["echo"]


async def test_a_stateful_tool_keeps_its_instance(spawner: RaySpawner) -> None:
    """It is set up before its first call, and a plain one lives on one thread."""
    talk = await open_talk(spawner, spec("tool-counter"))
    first = await talk.output(item("tool/counter", {"step": 1}, path="a", kind="tool"))
    second = await talk.output(item("tool/counter", {"step": 1}, path="b", kind="tool"))
    assert first == {"calls": 101, "same_thread": True}
    assert second == {"calls": 102, "same_thread": True}


async def test_large_values_go_by_reference(spawner: RaySpawner) -> None:
    """A megabyte passes between two workers and neither reply holds it."""
    size = 1_000_000
    maker = await open_talk(spawner, spec())
    reader = await open_talk(spawner, spec(number=1))
    made = await maker.output(item("make_large", size))
    reference = find_blob(made)
    assert reference is not None
    assert (reference.bytes, reference.kind) == (size, "bytes")
    assert await reader.output(item("measure", made)) == size


@pytest.fixture
def server() -> Iterator[RehearsalServer]:
    """A model server with one answer."""
    with RehearsalServer() as running:
        running.script.add(Reply(text="Good evening."))
        yield running


async def test_an_agent_actor_runs_turns(spawner: RaySpawner, server: RehearsalServer) -> None:
    """Deltas come before the outcome, and tokens are counted."""
    models = {"rehearsal": {"base_url": server.base_url}}
    talk = await open_talk(spawner, spec("agents", models=models))
    turn = {"models": ["rehearsal/small"], "messages": [{"role": "user", "content": "Hello"}]}
    output = await talk.output(item("host", turn, path="turn[0]", kind="turn"))
    assert output["text"] == "Good evening."
    deltas = [report.data["text"] for report in talk.reports if isinstance(report, Chunk)]
    assert "".join(deltas) == "Good evening."
    finished = talk.reports[-1]
    assert isinstance(finished, Finished)
    assert isinstance(finished.outcome, Succeeded)
    assert finished.outcome.usage is not None
    assert finished.outcome.usage.cost_micros > 0


async def test_a_worker_that_stands_still_is_lost_and_dead(spawner: RaySpawner) -> None:
    """It leaves an exchange unanswered for too long. It is killed, so that it cannot report when it goes on."""
    found = await spawner.spawn(spec())
    talk = Talk(found)
    await talk.attach()
    pid = (await talk.output(item("where")))["pid"]
    handle = ray.get_actor(found.name, NAMESPACE)
    impatient = RayWorkerLink(name=found.name, pool=found.pool, bundle=found.bundle, handle=handle, silent_limit_s=1.0)
    os.kill(pid, signal.SIGSTOP)
    with pytest.raises(WorkerLost):
        await Talk(impatient).exchange(item("echo"))
    async with asyncio.timeout(LIMIT_S):
        while await asyncio.to_thread(Path(f"/proc/{pid}").exists):  # noqa: ASYNC110 - Ray ends it and tells nobody
            await asyncio.sleep(0.05)
    assert await spawner.adopt() == []
