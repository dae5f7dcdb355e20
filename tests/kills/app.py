"""The app under which processes are killed. Its bodies note outside the system that they begin, take effect and end."""

import asyncio
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from greenroom import Agent, App, StepContext, ToolContext, Workflow, step, tool
from tests.kills.notes import my_notes


@contextmanager
def noted(ctx: StepContext) -> Generator[None, None, None]:
    """Note that a body begins and, if it comes to that, that it has ended."""
    notes = my_notes()
    place: dict[str, Any] = {
        "run_id": ctx.run_id,
        "path": ctx.path,
        "attempt": ctx.attempt,
        "key": ctx.idempotency_key,
    }
    notes.add("began", **place)
    yield
    notes.add("ended", **place)


def length_s(value: int) -> float:
    """Return how long a body takes, up to 0.4 s: bodies must be under way when something dies."""
    return (value * 7 % 17) / 40


async def add_one(value: int, ctx: StepContext) -> int:
    """Take a while, add one."""
    with noted(ctx):
        await asyncio.sleep(length_s(value))
        return value + 1


def add_one_in_a_thread(value: int, ctx: StepContext) -> int:
    """Do the same on a thread."""
    with noted(ctx):
        time.sleep(length_s(value))
        return value + 1


async def double(value: int, ctx: StepContext) -> int:
    """Return twice the value."""
    with noted(ctx):
        await asyncio.sleep(length_s(value))
        return value * 2


async def triple(value: int, ctx: StepContext) -> int:
    """Return three times the value."""
    with noted(ctx):
        await asyncio.sleep(length_s(value + 1))
        return value * 3


async def add_up(values: dict[str, int] | list[int], ctx: StepContext) -> int:
    """Return the sum of what branches or items gave."""
    with noted(ctx):
        return sum(values.values() if isinstance(values, dict) else values)


async def spread(value: int, ctx: StepContext) -> list[int]:
    """Return six numbers."""
    with noted(ctx):
        return [value + number for number in range(6)]


async def ask(value: int, ctx: StepContext) -> int:
    """Add what a person says."""
    with noted(ctx):
        return value + int(await ctx.suspend({"value": value}))


async def take(payment: int, ctx: StepContext) -> int:
    """Return what a signal brought."""
    with noted(ctx):
        return payment


def has_happened(key: str) -> dict[str, Any]:
    """Tell from outside whether an interrupted charge was made."""
    done = [note for note in my_notes().of("effect") if note.key == key]
    return {"outcome": "done", "output": int(done[0].what)} if done else {"outcome": "not_started"}


@step(effect="once", reconcile=has_happened)
async def charge(value: int, ctx: StepContext) -> int:
    """Do what must not happen twice, in the middle of taking a while."""
    return await _charge(value, ctx)


@step(effect="once")
async def charge_blindly(value: int, ctx: StepContext) -> int:
    """Do the same with nobody to ask afterwards but a person."""
    return await _charge(value, ctx)


async def _charge(value: int, ctx: StepContext) -> int:
    with noted(ctx):
        await asyncio.sleep(length_s(value))
        my_notes().add(
            "effect",
            run_id=ctx.run_id,
            path=ctx.path,
            attempt=ctx.attempt,
            key=ctx.idempotency_key,
            what=str(value + 1),
        )
        await asyncio.sleep(length_s(value + 3))
        return value + 1


async def make_large(value: int, ctx: StepContext) -> bytes:
    """Return what travels by reference."""
    with noted(ctx):
        return value.to_bytes(4, "big") * 100_000


async def measure(large: bytes, ctx: StepContext) -> int:
    """Return the number that the bytes repeat, if they are all there."""
    with noted(ctx):
        return int.from_bytes(large[:4], "big") if large == large[:4] * 100_000 else -1


@step(num_cpus=1)
def heavy(value: int, ctx: StepContext) -> int:
    """Run in a process of its own."""
    with noted(ctx):
        time.sleep(length_s(value))
        return value + 1


def prompt(value: int) -> str:
    """Return what the agent is asked, a text for each number."""
    return f"Say the number <{value}>."


@tool
async def look_up(number: int, ctx: ToolContext) -> int:
    """Look a number up in the book of numbers."""
    with noted(ctx):
        await asyncio.sleep(length_s(number))
        return number


async def held(value: int, ctx: StepContext) -> int:
    """Wait until there is a file beside the notes that lets go."""
    with noted(ctx):
        go = my_notes().path.with_name("go")
        while not await asyncio.to_thread(go.exists):  # noqa: ASYNC110 - another process makes the file
            await asyncio.sleep(0.02)
        return value * 10


@step(timeout_s=2, retries=1, backoff=2)  # by then the runtime knows who does not react
async def limited(value: int, ctx: StepContext) -> int:
    """Take a second at the first attempt, and tell which attempt this is."""
    await ctx.write("under way", durable=True)  # when it is, the runtime counts the time
    with noted(ctx):
        await asyncio.sleep(1 if ctx.attempt == 1 else 0)
        return ctx.attempt


writer = Agent(id="writer", instructions="Answer in one sentence.", model="rehearsal/writer")
clerk = Agent(id="clerk", instructions="Look it up.", model="rehearsal/clerk", tools=[look_up], max_steps=4)

inner = Workflow("inner", input=int).then(add_one).then(add_one)

app = App(
    agents=[writer, clerk],
    tools=[look_up],
    workflows=[
        inner,
        Workflow("sequence", input=int).then(add_one).then(add_one_in_a_thread).then(add_one).then(add_one),
        Workflow("parallel", input=int).then(add_one).parallel(double, triple).then(add_up),
        Workflow("foreach", input=int).then(spread).foreach(double, concurrency=3).then(add_up),
        Workflow("asking", input=int).then(add_one).then(ask).then(add_one),
        Workflow("once", input=int).then(add_one).then(charge).then(add_one),
        Workflow("doubt", input=int).then(add_one).then(charge_blindly).then(add_one),
        Workflow("sleepy", input=int).then(add_one).sleep(1.5).then(add_one),
        Workflow("paid", input=int).then(add_one).wait_for_signal("paid").then(take),
        Workflow("outer", input=int).then(inner).then(add_one),
        Workflow("large", input=int).then(make_large).then(measure),
        Workflow("heavy", input=int).then(add_one).then(heavy),
        Workflow("written", input=int).map(prompt).then(writer),
        Workflow("looked-up", input=int).map(prompt).then(clerk),
        Workflow("long", input=int).then(add_one).then(held).then(add_one),
        Workflow("limited", input=int).then(limited),
    ],
)
