"""The blocking twin of the handles: calls block, streams are plain iterators, handles stay blocking."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator

import pytest

from greenroom.runtime.contracts.errors import RunNotFound
from greenroom.sync import BlockingRuntime, EventLoopThread
from tests.serve.cast import make_app
from tests.serve.stage import ScriptedTurns, said, staged


@pytest.fixture
def loop() -> Iterator[EventLoopThread]:
    """A loop in a thread, ended after the test."""
    made = EventLoopThread()
    yield made
    made.close()


@pytest.fixture
def runtime(loop: EventLoopThread) -> Iterator[BlockingRuntime]:
    """A blocking handle of a runtime in this process."""
    opened = staged(make_app(), ScriptedTurns(said("Good day to you")))
    stage = loop.run(opened.__aenter__())
    yield BlockingRuntime(stage.harness.client, loop)
    loop.run(opened.__aexit__(None, None, None))


def test_a_run_is_started_followed_and_resumed_without_await(runtime: BlockingRuntime) -> None:
    """What is awaited on the handle simply returns here."""
    run = runtime.workflow("ask").start(4)
    assert run.result().suspended == ["review"]
    run.resume("review", {"approved": True})
    assert run.result().output == 10
    assert [event.seq for event in run.events()] == list(range(1, 13))
    assert runtime.run(run.run_id).status() == "success"
    assert [item.run_id for item in runtime.runs(workflow="ask")] == [run.run_id]


def test_an_agent_streams_into_a_plain_loop(runtime: BlockingRuntime) -> None:
    """Chunks come as they are said."""
    chunks = list(runtime.agent("writer").stream("hello"))
    assert "".join(chunk.text for chunk in chunks) == "Good day to you"


def test_handles_behind_attributes_block_too(runtime: BlockingRuntime) -> None:
    """Threads and ledger are handles as well."""
    assert runtime.ledger.balance() == 0
    made = runtime.threads.create(title="tea")
    assert runtime.threads.get(made["thread_id"])["title"] == "tea"


def test_what_looks_after_the_store_blocks_too(runtime: BlockingRuntime) -> None:
    """Deletions and reports, from a script."""
    run = runtime.workflow("ask").start(4)
    run.result()
    run.delete()
    assert runtime.purge().deletions == 1
    assert runtime.verify().damages == ()
    assert runtime.compact().rows_after > 0
    runtime.workflow("ask").start(4).result()
    runtime.workspaces.delete("default")
    assert runtime.runs().items == []


def test_errors_are_raised_where_they_were_caused(runtime: BlockingRuntime) -> None:
    """An error of the runtime comes out of the call."""
    with pytest.raises(RunNotFound):
        runtime.run("nope")


def test_a_stream_that_is_left_early_is_closed(loop: EventLoopThread) -> None:
    """The source's own cleaning up is done, on its loop."""
    closed = threading.Event()

    async def count() -> AsyncIterator[int]:
        try:
            for number in range(1000):
                yield number
        finally:
            closed.set()

    numbers = loop.iterate(count())
    assert next(numbers) == 0
    numbers.close()  # type: ignore[attr-defined]  # a generator, typed as an iterator
    assert closed.is_set()


def test_closing_ends_the_thread_and_what_still_waits(loop: EventLoopThread) -> None:
    """A closed handle says so; closing twice is fine."""
    canceled = threading.Event()

    async def wait() -> None:
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            canceled.set()

    async def begin() -> "asyncio.Task[None]":
        return asyncio.create_task(wait())

    task = loop.run(begin())
    loop.close()
    loop.close()
    assert canceled.is_set()
    assert task.cancelled()
    with pytest.raises(RuntimeError, match="closed"):
        loop.run(begin())


def test_it_works_inside_a_running_loop(runtime: BlockingRuntime) -> None:
    """A notebook's own loop does not get in the way."""

    async def cell() -> object:
        return runtime.workflow("sum").run(4).output

    assert asyncio.run(cell()) == 10
