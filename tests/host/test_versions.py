"""Bundles side by side: pinned runs, missing code, draining, migration, workers that nobody needs."""

from collections import Counter
from typing import Any

import pytest
from pydantic import BaseModel

from greenroom import App, InvalidInput, NotFound, RequestError, StepContext, Workflow, step
from greenroom.runtime.contracts.ports import BundleUnavailable, WorkerLink, WorkerSpec
from greenroom.runtime.host.pools import MISSING_S
from greenroom.runtime.host.versions import SWEEP_S
from tests.host.harness import Harness, calm

calls: Counter[str] = Counter()


@pytest.fixture(autouse=True)
def _no_calls() -> None:
    calls.clear()


def body(name: str, version: str, **options: Any) -> Any:
    """Return a step that adds its version to a list; its description makes each version another bundle."""

    async def run(value: Any, ctx: StepContext) -> Any:
        calls[f"{version}:{ctx.path}"] += 1
        return [*value, f"{name}{version}"]

    return step(id=name, description=version, **options)(run)


def asking(name: str, version: str) -> Any:
    """Return a step that asks a person, as `body`."""

    async def run(value: Any, ctx: StepContext) -> Any:
        return [*value, f"{name}{version}", await ctx.suspend(None)]

    return step(id=name, description=version)(run)


def app_of(version: str) -> App:
    """Return one version of an app: two steps around a person."""
    flow = Workflow("main", input=list[str]).then(body("a", version)).then(asking("ask", version))
    return App(workflows=[flow.then(body("c", version))])


def status_of(harness: Harness) -> dict[str, Any]:
    """Return the runtime's status."""
    return harness.host.status()


def workers_of(harness: Harness, app: App) -> list[str]:
    """Return the names of the workers that a bundle has."""
    return [worker["name"] for worker in status_of(harness)["workers"] if worker["bundle"] == app.plan.id]


async def test_two_bundles_run_at_once_each_with_its_own_workers() -> None:
    """37. A run that began before the new version ends on the old code while new runs use the new."""
    one, two = app_of("1"), app_of("2")
    async with Harness(one) as harness:
        old = await harness.client.workflow("main").start([])
        await old.result(timeout_s=5)
        await harness.register(two)
        new = await harness.client.workflow("main").start([])
        await new.result(timeout_s=5)
        for run in (old, new):
            await run.resume("ask", "yes")
        assert (await old.result(timeout_s=5)).output == ["a1", "ask1", "yes", "c1"]
        assert (await new.result(timeout_s=5)).output == ["a2", "ask2", "yes", "c2"]
        first, second = workers_of(harness, one), workers_of(harness, two)
        assert len(first) == len(second) == 2
        assert not set(first) & set(second)


async def test_a_parked_run_goes_on_with_its_old_bundle_after_a_restart() -> None:
    """37. Runtime and workers are new; the old version's code is loaded again for the run that is pinned to it."""
    one, two = app_of("1"), app_of("2")
    async with Harness(one) as harness:
        run = await harness.client.workflow("main").start([])
        await run.result(timeout_s=5)
        await harness.register(two)
        harness.strike()
        await harness.crash()
        await run.resume("ask", "yes")
        assert (await run.result(timeout_s=5)).output == ["a1", "ask1", "yes", "c1"]


async def test_a_run_whose_code_is_gone_goes_on_when_it_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """37. It waits and says what is missing; the code is looked for again by itself, nobody has to connect."""
    one = app_of("1")
    harness = Harness(one)

    async def refuse(spec: WorkerSpec) -> WorkerLink:
        calls["tries"] += 1
        raise BundleUnavailable(f"no module for {spec.bundle}")

    monkeypatch.setattr(harness.spawner, "spawn", refuse)
    async with harness:
        run = await harness.client.workflow("main").start([])
        await calm()
        told = await run.get()
        assert (told.status, told.view["problem"]) == ("running", f"no module for {one.plan.id}")
        assert status_of(harness)["problems"] == {one.plan.id: f"no module for {one.plan.id}"}
        tries = calls["tries"]
        await harness.clock.advance(MISSING_S)
        assert calls["tries"] > tries
        monkeypatch.undo()
        await harness.clock.advance(MISSING_S)
        assert (await run.result(timeout_s=5)).status == "suspended"
        assert status_of(harness)["problems"] == {}


async def test_a_drained_bundle_takes_no_new_runs_and_tells_how_many_are_left() -> None:
    """37. Starts go to the next older bundle that has the workflow, or are refused; runs that it has go on."""
    one, two = app_of("1"), app_of("2")
    async with Harness(one) as harness:
        client = harness.client
        old = await client.workflow("main").start([])
        await old.result(timeout_s=5)
        await harness.register(two)
        told = await client.bundles.drain()
        assert [(item["bundle"], item["open_runs"], item["statuses"]) for item in told] == [
            (one.plan.id, 1, {"suspended": 1})
        ]
        await client.bundles.drain(two.plan.id[:12])
        with pytest.raises(RequestError, match="workflow 'main' takes no new runs: bundle"):
            await client.workflow("main").start([])
        await harness.crash()
        with pytest.raises(RequestError, match="takes no new runs"):
            await client.workflow("main").start([])
        await old.resume("ask", "yes")
        await old.result(timeout_s=5)
        assert (await client.bundles.drain(one.plan.id, undo=True))[0]["open_runs"] == 0
        run = await client.workflow("main").start([])
        assert (await run.get()).view["bundle"] == one.plan.id
        with pytest.raises(NotFound, match="bundle 'zzz' is not one of those there are"):
            await client.bundles.drain("zzz")


async def test_connecting_again_ends_the_draining() -> None:
    """37. Who makes a bundle the newest wants runs of it."""
    one = app_of("1")
    async with Harness(one) as harness:
        await harness.client.bundles.drain(one.plan.id)
        await harness.register(one)
        run = await harness.client.workflow("main").start([])
        assert (await run.result(timeout_s=5)).status == "suspended"


async def test_a_parked_run_that_fits_is_moved_and_goes_on_with_the_new_code() -> None:
    """37. What it has visited keeps its outcomes, what comes behind is the new version's, new steps included."""
    one = app_of("1")
    flow = Workflow("main", input=list[str]).then(body("a", "2")).then(asking("ask", "2")).then(body("c", "2"))
    two = App(workflows=[flow.then(body("d", "2"))])
    async with Harness(one) as harness:
        run = await harness.client.workflow("main").start([])
        await run.result(timeout_s=5)
        await harness.register(two)
        dry = await harness.client.bundles.migrate(dry_run=True)
        assert ([item["run_id"] for item in dry["migrated"]], dry["is_dry_run"]) == ([run.run_id], True)
        assert (await run.get()).view["bundle"] == one.plan.id
        told = await harness.client.bundles.migrate()
        assert told["migrated"] == [{"run_id": run.run_id, "target": "main", "from": one.plan.id}]
        assert (await run.get()).view["bundle"] == two.plan.id
        await harness.crash()
        await run.resume("ask", "yes")
        assert (await run.result(timeout_s=5)).output == ["a1", "ask2", "yes", "c2", "d2"]
        assert (await harness.client.bundles.migrate())["migrated_count"] == 0


def _renamed() -> App:
    flow = Workflow("main", input=list[str]).then(body("other", "2")).then(asking("ask", "2"))
    return App(workflows=[flow])


def _inserted() -> App:
    flow = Workflow("main", input=list[str]).then(body("a", "2")).then(body("new", "2")).then(asking("ask", "2"))
    return App(workflows=[flow])


def _another_kind() -> App:
    inner = Workflow("ask").then(body("x", "2"))
    return App(workflows=[Workflow("main", input=list[str]).then(body("a", "2")).then(inner)])


def _without() -> App:
    return App(workflows=[Workflow("else", input=list[str]).then(body("a", "2"))])


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (_renamed, "step 'a' has been visited, in it 'other' stands there"),
        (_inserted, "step 'ask' has been visited, in it 'new' stands there"),
        (_another_kind, "step 'ask' is a step, in it a workflow"),
        (_without, "workflow 'main' is not in it"),
    ],
)
async def test_a_run_that_does_not_fit_stays_and_the_report_says_why(make: Any, reason: str) -> None:
    """37. The place where the versions differ is named, and the run goes on as it was."""
    one = app_of("1")
    async with Harness(one) as harness:
        run = await harness.client.workflow("main").start([])
        await run.result(timeout_s=5)
        await harness.register(make())
        told = await harness.client.bundles.migrate()
        assert [(item["run_id"], item["reason"]) for item in told["refused"]] == [(run.run_id, reason)]
        await run.resume("ask", "yes")
        assert (await run.result(timeout_s=5)).output == ["a1", "ask1", "yes", "c1"]


async def test_a_moved_step_has_the_schemas_of_its_new_version() -> None:
    """37. What a person answers is checked by the version that will take it."""

    class Answer(BaseModel):
        word: str

    def make(version: str, **options: Any) -> App:
        async def ask(value: Any, ctx: StepContext) -> Any:
            return await ctx.suspend(None)

        return App(
            workflows=[Workflow("main", input=list[str]).then(step(id="ask", description=version, **options)(ask))]
        )

    async with Harness(make("1")) as harness:
        run = await harness.client.workflow("main").start([])
        await run.result(timeout_s=5)
        await harness.register(make("2", resume=Answer))
        await harness.client.bundles.migrate()
        with pytest.raises(InvalidInput, match="word"):
            await run.resume("ask", {"other": 1})


async def test_a_run_that_waits_for_another_signal_does_not_fit() -> None:
    """37. A signal that is sent to it under the old name must not be lost."""

    def make(signal: str) -> App:
        return App(workflows=[Workflow("main").wait_for_signal(signal, id="paid")])

    async with Harness(make("one")) as harness:
        await harness.client.workflow("main").start(None)
        await calm()
        await harness.register(make("two"))
        told = await harness.client.bundles.migrate()
        assert [item["reason"] for item in told["refused"]] == [
            "step 'paid' waits for signal 'one', in it for 'two'",
        ]


async def test_a_running_run_is_not_moved() -> None:
    """37. What a worker has in hand ends with the code it began with; the report says when to ask again."""

    async def wait(value: Any, ctx: StepContext) -> Any:
        await ctx.cancelled.wait()

    one = App(workflows=[Workflow("main", input=list[str]).then(step(id="a")(wait))])
    async with Harness(one) as harness:
        run = await harness.client.workflow("main").start([])
        await calm()
        await harness.register(app_of("2"))
        told = await harness.client.bundles.migrate()
        assert "it is running: something runs in it" in told["refused"][0]["reason"]
        await run.cancel()


async def test_a_run_that_waits_for_missing_code_is_moved_and_executed(monkeypatch: pytest.MonkeyPatch) -> None:
    """37. Its attempt was never given to a worker, so it is scheduled anew with the new bundle."""
    one, two = app_of("1"), app_of("2")
    harness = Harness(one)
    spawn = harness.spawner.spawn

    async def refuse(spec: WorkerSpec) -> WorkerLink:
        if spec.bundle == one.plan.id:
            raise BundleUnavailable("gone")
        return await spawn(spec)

    monkeypatch.setattr(harness.spawner, "spawn", refuse)
    async with harness:
        run = await harness.client.workflow("main").start([])
        await calm()
        await harness.register(two)
        told = await harness.client.bundles.migrate(from_bundle=one.plan.id, to_bundle=two.plan.id)
        assert told["migrated_count"] == 1
        await run.result(timeout_s=5)
        await run.resume("ask", "yes")
        assert (await run.result(timeout_s=5)).output == ["a2", "ask2", "yes", "c2"]


async def test_runs_of_another_workspace_are_not_moved() -> None:
    """37. A workspace moves its own runs only."""
    one, two = app_of("1"), app_of("2")
    async with Harness(one) as harness:
        run = await harness.client.workflow("main").start([])
        await run.result(timeout_s=5)
        await harness.register(two)
        assert (await harness.of_workspace("other").bundles.migrate())["migrated_count"] == 0
        assert (await run.get()).view["bundle"] == one.plan.id


async def test_a_moved_run_keeps_its_blocks_calls_and_timers() -> None:
    """37. Items, iterations and nested parts go on where they were, with the new version's code."""

    def make(version: str) -> App:
        async def enough(value: list[str]) -> bool:
            return len(value) >= 2

        inner = Workflow("inner").then(asking("q", version)).then(body("r", version))
        flow = Workflow("main", input=list[str]).do_until(body("count", version), enough)
        flow.map(lambda value: [value, value]).foreach(inner, concurrency=2).sleep(60).parallel(
            body("left", version), body("right", version)
        )
        return App(workflows=[flow])

    one, two = make("1"), make("2")
    async with Harness(one) as harness:
        run = await harness.client.workflow("main").start([])
        await run.result(timeout_s=5)
        await run.resume("inner[0]/q", "x")
        await run.wait_for("suspended", timeout_s=5)
        await harness.register(two)
        assert (await harness.client.bundles.migrate())["migrated_count"] == 1
        await run.resume("inner[1]/q", "y")
        await run.wait_for("waiting", timeout_s=5)
        await harness.crash()
        await harness.clock.advance(60)
        result = await run.result(timeout_s=5)
        assert result.output is not None
        assert result.output["left"] == [
            ["count1", "count1", "q1", "x", "r1"],
            ["count1", "count1", "q2", "y", "r2"],
            "left2",
        ]


async def test_idle_workers_of_an_old_bundle_are_stopped_and_named() -> None:
    """37. They stay while an open run needs them; afterwards they are stopped, and the status says which."""
    one, two = app_of("1"), app_of("2")
    async with Harness(one) as harness:
        run = await harness.client.workflow("main").start([])
        await run.result(timeout_s=5)
        await harness.register(two)
        names = workers_of(harness, one)
        await harness.clock.advance(SWEEP_S)
        assert workers_of(harness, one) == names
        await run.resume("ask", "yes")
        await run.result(timeout_s=5)
        await harness.clock.advance(SWEEP_S)
        assert (workers_of(harness, one), status_of(harness)["stopped_workers"]) == ([], names)
        assert len(workers_of(harness, two)) == 2
        fork = await run.fork(from_step="c")
        assert (await fork.result(timeout_s=5)).output == ["a1", "ask1", "yes", "c1"]


async def test_a_fork_goes_to_the_newest_bundle_where_its_own_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    """36, 37. The parent's code cannot be loaded; the newest bundle has its paths, so the fork is executed by it."""
    one, two = app_of("1"), app_of("2")
    async with Harness(one) as harness:
        run = await harness.client.workflow("main").start([])
        await run.result(timeout_s=5)
        await harness.register(two)
        engine = harness.host._engine
        assert engine is not None
        engine.pools.problems[one.plan.id] = "gone"
        fork = await run.fork(from_step="ask")
        await fork.result(timeout_s=5)
        await fork.resume("ask", "yes")
        result = await fork.result(timeout_s=5)
        assert (result.output, result.view["bundle"]) == (["a1", "ask2", "yes", "c2"], two.plan.id)
