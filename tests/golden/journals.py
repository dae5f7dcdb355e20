"""Records journals of today's entries; run by hand when there is a new kind of entry, never over an old one.

python -m tests.golden.journals tests/golden/journal
"""

import asyncio
import json
import sys
from collections import Counter
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import msgspec

from greenroom import App, StepContext, Workflow, step
from greenroom.runtime import json_schema
from greenroom.runtime.client.run import RunHandle
from greenroom.runtime.contracts.entries import AttemptEnded, Entry, Fetched, RunStarted, Succeeded
from greenroom.runtime.contracts.events import Event
from greenroom.runtime.contracts.plan import BundlePlan
from greenroom.runtime.contracts.records import JournalRow, Table
from greenroom.runtime.contracts.storage import Query
from greenroom.runtime.contracts.values import BlobRef, Json
from greenroom.runtime.core.advance import advance, replay, start
from greenroom.runtime.core.view import run_view
from tests.host.harness import START, Harness, calm
from tests.host.scenarios import SCENARIOS, drive
from tests.host.scripted_turns import ScriptedTurns


class Recorded(msgspec.Struct, frozen=True, kw_only=True):
    """One journal with what is needed to replay it.

    Attributes:
        bundles: The plans that it names, encoded, by id; the first is the one it began with.
        groups: Bodies of its rows.
        stored: Values that it refers to and that the engine looks into, by digest.
    """

    bundles: dict[str, bytes]
    groups: list[bytes]
    stored: dict[str, Json] = {}


def replayed(recorded: Recorded) -> tuple[dict[str, Json], list[Event]]:
    """Return the run as callers see it, and its events, from its journal."""
    groups = [msgspec.msgpack.decode(body, type=list[Entry]) for body in recorded.groups]
    bundles = {name: msgspec.msgpack.decode(plan, type=BundlePlan) for name, plan in recorded.bundles.items()}
    started = groups[0][0]
    assert isinstance(started, RunStarted)
    run = start(started, bundles[started.bundle], json_schema.check)
    run.plans = bundles
    run.stored = dict(recorded.stored)
    replay(run, groups)
    return run_view(run), run.events


def expected(recorded: Recorded) -> dict[str, Json]:
    """Return what a replay gives, as JSON."""
    view, events = replayed(recorded)
    made: dict[str, Json] = json.loads(msgspec.json.encode({"view": view, "events": events}))
    return made


async def _recorded(harness: Harness, run_id: str) -> Recorded:
    rows = harness.storage.scan(Table.JOURNAL, Query(prefix=(run_id,)))
    groups = [row.body async for page in rows for row in page if isinstance(row, JournalRow)]
    engine = harness.host._engine
    assert engine is not None
    return Recorded(
        bundles={name: msgspec.msgpack.encode(plan) for name, plan in engine.bundles.items()}, groups=groups
    )


def _scenario(name: str) -> Callable[[], Coroutine[Any, Any, Recorded]]:
    async def record() -> Recorded:
        scenario = next(one for one in SCENARIOS if one.name == name)
        turns = ScriptedTurns(scenario.turns) if scenario.turns is not None else None
        async with Harness(scenario.make(Counter()), turns=turns) as harness:
            result = await drive(harness, scenario)
            return await _recorded(harness, result.run_id)

    return record


def _named(name: str, act: Callable[[Any, StepContext], Any], **options: Any) -> Any:
    async def body(value: Any, ctx: StepContext) -> Any:
        made = act(value, ctx)
        return await made if asyncio.iscoroutine(made) else made

    return step(id=name, **options)(body)


async def _write(value: Any, ctx: StepContext) -> Any:
    await ctx.write({"about": value}, durable=True)
    ctx.set_state({"seen": value})
    return value


async def _ask(value: Any, ctx: StepContext) -> Any:
    return [value, await ctx.suspend({"about": value}, label="ask", timeout_s=60)]


async def _wait(value: Any, ctx: StepContext) -> Any:
    await ctx.cancelled.wait()


def _flow(*steps: Any) -> App:
    flow = Workflow("main", input=int)
    for one in steps:
        flow.then(one)
    return App(workflows=[flow])


async def _begun(harness: Harness, run_id: str = "run", **options: Any) -> RunHandle:
    return await harness.client.workflow("main").start(1, run_id=run_id, **options)


async def _steps() -> Recorded:
    """One step at a time, a durable chunk, a dead worker, a once effect in doubt, an abort."""
    abort = _named("abort", lambda value, ctx: ctx.abort())
    app = _flow(_named("write", _write), _named("once", _wait, effect="once"), abort)
    async with Harness(app) as harness:
        run = await _begun(harness, single_step=True)
        await run.result(timeout_s=5)
        await run.advance()
        await calm()
        await harness.kill_workers()
        await calm()
        await run.resume("once", {"outcome": "done", "output": 2})
        await run.result(timeout_s=5)
        await run.advance()
        await run.result(timeout_s=5)
        return await _recorded(harness, "run")


async def _cancel() -> Recorded:
    async with Harness(_flow(_named("wait", _wait))) as harness:
        run = await _begun(harness)
        await calm()
        await run.cancel("enough")
        return await _recorded(harness, "run")


def _around() -> App:
    return _flow(_named("write", _write), _named("ask", _ask), _named("end", lambda value, _: value))


async def _fork() -> Recorded:
    async with Harness(_around()) as harness:
        run = await _begun(harness)
        await run.result(timeout_s=5)
        fork = await run.fork(from_step="ask", input=7)
        await fork.result(timeout_s=5)
        await fork.resume("ask", "yes")
        await fork.result(timeout_s=5)
        return await _recorded(harness, fork.run_id)


async def _rerun() -> Recorded:
    async with Harness(_around()) as harness:
        run = await _begun(harness)
        await run.result(timeout_s=5)
        await run.resume("ask", "yes", key="answer")
        await run.result(timeout_s=5)
        await run.rerun(from_step="ask", input=7, state={"given": True}, key="again")
        await run.result(timeout_s=5)
        await run.resume("ask", "no")
        await run.result(timeout_s=5)
        return await _recorded(harness, "run")


async def _migrated() -> Recorded:
    async with Harness(_around()) as harness:
        run = await _begun(harness)
        await run.result(timeout_s=5)
        more = _named("more", lambda value, _: [value])
        await harness.register(_flow(_named("write", _write), _named("ask", _ask), more))
        await harness.client.bundles.migrate()
        await run.resume("ask", "yes")
        await run.result(timeout_s=5)
        return await _recorded(harness, "run")


async def _fetched() -> Recorded:
    """A list that the engine looked into; it would be 256 kB or more, so the reference is made here."""
    app = App(workflows=[Workflow("main").foreach(_named("each", lambda value, _: value))])
    items, sha256 = ["a", "b"], "0" * 64
    reference = BlobRef(sha256=sha256, bytes=300_000, kind="json").to_json()
    started = RunStarted(
        at=START, run_id="run", workspace="default", kind="workflow", target="main", bundle=app.plan.id, input=reference
    )
    run = start(started, app.plan, json_schema.check)
    run.stored = {sha256: items}
    facts: list[Any] = [started, Fetched(at=START, path="each", sha256=sha256)]
    facts += [
        AttemptEnded(at=START + number, path=f"each[{number}]", attempt=1, outcome=Succeeded(output=item))
        for number, item in enumerate(items)
    ]
    groups = [msgspec.msgpack.encode(advance(run, fact, fact.at)) for fact in facts]
    return Recorded(bundles={app.plan.id: msgspec.msgpack.encode(app.plan)}, groups=groups, stored={sha256: items})


CASES: dict[str, Callable[[], Coroutine[Any, Any, Recorded]]] = {
    **{scenario.name: _scenario(scenario.name) for scenario in SCENARIOS},
    "steps": _steps,
    "cancel": _cancel,
    "fork": _fork,
    "rerun": _rerun,
    "migrated": _migrated,
    "fetched": _fetched,
}


def record(folder: Path) -> None:
    """Write the journals that are not there yet."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, make in CASES.items():
        if (folder / f"{name}.msgpack").exists():
            continue
        recorded = asyncio.run(make())
        (folder / f"{name}.msgpack").write_bytes(msgspec.msgpack.encode(recorded))
        (folder / f"{name}.json").write_text(json.dumps(expected(recorded), indent=1, sort_keys=True) + "\n", "utf-8")


if __name__ == "__main__":
    record(Path(sys.argv[1]))
