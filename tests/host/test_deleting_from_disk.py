"""The runtime over a store of files: what it deletes leaves the disk, what sleeps is found again."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from greenroom import Agent, App, Memory, RunNotFound, StepContext, Workflow, step
from greenroom.runtime.contracts.records import SpanRow, Table
from greenroom.runtime.contracts.storage import Query
from greenroom.storage.parquet.store import ParquetStorage
from tests.host.harness import Harness
from tests.host.scripted_turns import ScriptedTurns, said

MARKER = "incarnadine-multitudinous"
LARGE = 300_000


async def make(value: str) -> dict[str, Any]:
    """Return a small and a large value that hold what came."""
    return {"small": value, "large": [value] * (LARGE // len(value))}


async def ask(value: Any, ctx: StepContext) -> Any:
    """Keep what came in the state, and wait for a person."""
    ctx.set_state({"kept": value["small"]})
    return await ctx.suspend({"shown": value["small"]})


async def echo(value: Any) -> Any:
    return value


def app() -> App:
    """Return an app with a run that writes its input everywhere, an agent that remembers, and a sleeper."""
    writer = Agent(id="writer", instructions="", model="m/m", memory=Memory(last_messages=10))
    secret = Workflow("secret").then(make).then(ask).then(step(id="last")(echo))
    sleeper = Workflow("sleeper").sleep(30 * 86_400).then(echo)
    return App(agents=[writer], workflows=[secret, sleeper])


def turns() -> ScriptedTurns:
    """Say what was asked."""
    return ScriptedTurns(lambda request: said(f"You said {request['messages'][-1]['content']}."))


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[Harness]:
    """A runtime over files."""
    store = await ParquetStorage.open(tmp_path)
    async with Harness(app(), storage=store, turns=turns()) as opened:
        yield opened
    await store.close()


def holders(root: Path) -> list[str]:
    """Return the files in which the marker stands, compressed or not."""
    return [str(path.relative_to(root)) for path in root.rglob("*") if path.is_file() and MARKER in _text_of(path)]


def _text_of(path: Path) -> str:
    raw = path.read_bytes().decode("latin-1")
    if path.suffix != ".parquet":
        return raw
    rows: list[dict[str, Any]] = pq.ParquetFile(path).read().to_pylist()
    return raw + str(rows)


async def told(harness: Harness, workspace: str) -> str:
    """Let a run and a conversation of a workspace hold the marker everywhere; return the run's id."""
    client = harness.of_workspace(workspace)
    run = await client.workflow("secret").start(MARKER, key=f"key {MARKER}", resource_id=MARKER)
    await run.result(timeout_s=20)
    await harness.storage.flush()
    await run.resume("ask", {"said": MARKER})
    assert (await run.result(timeout_s=20)).status == "success"
    await client.agent("writer").generate(MARKER, thread="t", resource_id=MARKER, timeout_s=20)
    return run.run_id


async def test_what_was_deleted_is_nowhere_on_the_disk_after_a_purge(harness: Harness, tmp_path: Path) -> None:
    """A workspace with runs, stored values, messages and keys; the receipt says what was removed."""
    await told(harness, "ours")
    await harness.storage.flush()
    assert {Path(name).suffix for name in holders(tmp_path)} >= {".parquet"}
    await harness.client.workspaces.delete("ours")
    receipt = await harness.client.purge()
    assert holders(tmp_path) == []
    assert receipt.deletions == 1
    assert receipt.rows > 0
    assert receipt.files
    assert (await harness.client.verify()).damages == ()


async def test_what_is_not_deleted_survives_the_purge_of_the_rest(harness: Harness, tmp_path: Path) -> None:
    """The same values in another workspace stay readable, from the disk too."""
    await told(harness, "ours")
    run_id = await told(harness, "theirs")
    theirs = harness.of_workspace("theirs")
    before = (await theirs.run_handle(run_id).get()).view
    await harness.client.workspaces.delete("ours")
    await harness.client.purge()
    await harness.crash()
    assert holders(tmp_path)
    assert (await theirs.run_handle(run_id).get()).view == before
    made = before["steps"]["make"]["output"]["$blob"]["sha256"]
    assert MARKER.encode() in await harness.storage.get_blob(made)
    assert len(await theirs.threads.messages("t")) == 2


async def test_runs_and_conversations_are_purged_one_by_one(harness: Harness, tmp_path: Path) -> None:
    """A run takes its journal and its values along, a conversation its messages."""
    run_id = await told(harness, "default")
    for run in await harness.client.runs():
        await harness.client.run_handle(run.run_id).delete()
    await harness.client.threads.delete("t")
    await harness.client.purge()
    assert holders(tmp_path) == []
    with pytest.raises(RunNotFound):
        await harness.client.run(run_id)


async def test_spans_are_in_the_store_when_a_run_has_ended(harness: Harness) -> None:
    """They survive a flush, and go with the run."""
    run_id = await told(harness, "default")
    await harness.storage.flush()
    rows = [row async for page in harness.storage.scan(Table.SPANS, Query(prefix=(run_id,))) for row in page]
    assert {row.path for row in rows if isinstance(row, SpanRow)} == {"", "make", "ask", "last"}
    await harness.client.run_handle(run_id).delete()
    assert not [row async for page in harness.storage.scan(Table.SPANS, Query(prefix=(run_id,))) for row in page]


async def test_a_sleeper_is_found_in_parts_when_its_time_is_near(harness: Harness) -> None:
    """It is in no memory until then: the window is read from Parquet."""
    run = await harness.client.workflow("sleeper").start(7)
    await run.wait_for("waiting")
    await harness.storage.flush()
    await harness.crash()
    await harness.client.describe()
    assert (await harness.client.status())["timers"] == 0
    await harness.clock.advance(30 * 86_400)
    assert (await run.result(timeout_s=20)).output == 7
