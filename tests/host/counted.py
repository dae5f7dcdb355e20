"""Bodies that count their calls, for tests that ask which of them ran again."""

from collections import Counter
from typing import Any

from greenroom import StepContext, step

calls: Counter[str] = Counter()
"""How often each path was executed; a test begins by clearing it."""

keys: list[str] = []
"""The idempotency keys that bodies saw, in order."""


def forget_calls() -> None:
    """Begin a test."""
    calls.clear()
    keys.clear()


def body(name: str, act: Any = None, **options: Any) -> Any:
    """Return a step that counts its calls by path; without `act` it returns its input plus one."""

    async def run(value: Any, ctx: StepContext) -> Any:
        calls[ctx.path] += 1
        keys.append(ctx.idempotency_key)
        if act is None:
            return value + 1
        made = act(value, ctx)
        return await made if hasattr(made, "__await__") else made

    return step(id=name, **options)(run)


async def ask(value: Any, ctx: StepContext) -> Any:
    """Ask a person."""
    return [value, await ctx.suspend({"about": value})]
