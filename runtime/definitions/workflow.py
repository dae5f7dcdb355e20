"""Workflows: a sequence of parts, written with a fluent builder. What was written is checked when the app is built."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Self

from greenroom.runtime.contracts.plan import DEFAULT_CONCURRENCY, DEFAULT_MAX_ITERATIONS
from greenroom.runtime.definitions.naming import check_id
from greenroom.runtime.definitions.parts import (
    MISSING,
    Branch,
    Foreach,
    Loop,
    Map,
    Parallel,
    Part,
    Signal,
    Sleep,
    Then,
)


class Workflow:
    """A workflow. Each builder method adds a part to this workflow and returns it; nothing is copied.

    A member is a step, a plain function, a tool, an agent or another workflow. Conditions, maps and callables take
    `(value)` or `(value, ctx)`. An app is a picture of its workflows at the moment it is built.

    >>> def greet(name: str) -> str:
    ...     return f"Hello, {name}"
    >>> Workflow("greeting", input=str, output=str).then(greet)
    <workflow 'greeting': then>

    Args:
        id: Its name in the app.
        input: Type of its input (a model, `list[int]` …) or a JSON Schema; None takes any JSON.
        output: Type of its output, or a JSON Schema.
        state: Type of its state. A nested workflow without one shares its parent's.
        description: Shown to people, and to agents that call it.
        retries: How often a failed attempt of a step is repeated, for steps that do not say.
        timeout_s: Limit of a run's time, parked time not counted.
        schedule: When it starts by itself: a cron line in UTC, a `Schedule`, `every(…)`, or a list of these.
        on_finish: Called once with the result after a success.
        on_error: Called once with the result after a failure.
        validate: False turns off the checks of the input and of every step.
    """

    def __init__(
        self,
        id: str,
        *,
        input: Any = None,
        output: Any = None,
        state: Any = None,
        description: str = "",
        retries: int = 0,
        timeout_s: float | None = None,
        schedule: Any = None,
        on_finish: Callable[..., Any] | None = None,
        on_error: Callable[..., Any] | None = None,
        validate: bool = True,
    ) -> None:
        self.id = check_id("workflow", id)
        self.input = input
        self.output = output
        self.state = state
        self.description = description
        self.retries = retries
        self.timeout_s = timeout_s
        self.schedule = schedule
        self.on_finish = on_finish
        self.on_error = on_error
        self.validate = validate
        self._parts: list[Part] = []

    @property
    def parts(self) -> tuple[Part, ...]:
        """What was written so far."""
        return tuple(self._parts)

    def then(self, member: Any) -> Self:
        """Run a member with the value so far; its output is the next value."""
        return self._add(Then(member=member))

    def parallel(self, *members: Any, allow_failure: bool = False) -> Self:
        """Run members at once with the same input; the output is `{id: output}` in the order given here.

        Args:
            members: At least one; a single list of members does too.
            allow_failure: A member that fails gives None instead of failing the block.
        """
        return self._add(Parallel(members=_spread(members), allow_failure=allow_failure))

    def branch(self, *arms: tuple[Callable[..., Any], Any]) -> Self:
        """Run the member of every pair `(condition, member)` whose condition holds; the output is `{id: output}`."""
        return self._add(Branch(arms=_spread(arms)))

    def do_while(
        self, member: Any, condition: Callable[..., Any], *, max_iterations: int = DEFAULT_MAX_ITERATIONS
    ) -> Self:
        """Repeat a member, at least once, while the condition of its output holds."""
        return self._add(Loop(member=member, condition=condition, until=False, max_iterations=max_iterations))

    def do_until(
        self, member: Any, condition: Callable[..., Any], *, max_iterations: int = DEFAULT_MAX_ITERATIONS
    ) -> Self:
        """Repeat a member, at least once, until the condition of its output holds."""
        return self._add(Loop(member=member, condition=condition, until=True, max_iterations=max_iterations))

    def foreach(self, member: Any, *, concurrency: int = DEFAULT_CONCURRENCY, allow_failure: bool = False) -> Self:
        """Run a member for each item of a list; the output is the list of outputs in the same order.

        Args:
            concurrency: Most items at once.
            allow_failure: An item that fails gives None instead of failing the step.
        """
        return self._add(Foreach(member=member, concurrency=concurrency, allow_failure=allow_failure))

    def map(self, shape: Callable[..., Any] | Mapping[str, Any], *, id: str = "map") -> Self:
        """Change the value: by a function, or into a dict of sources (`from_step`, `from_input`, `constant` …)."""
        return self._add(Map(shape=shape, id=check_id("map", id)))

    def sleep(self, length: float | timedelta | Callable[..., Any], *, id: str = "sleep") -> Self:
        """Wait for seconds; the value passes through."""
        return self._add(Sleep(length=length, is_until=False, id=check_id("sleep", id)))

    def sleep_until(self, time: datetime | Callable[..., Any], *, id: str = "sleep_until") -> Self:
        """Wait until a time (with a zone); the value passes through."""
        return self._add(Sleep(length=time, is_until=True, id=check_id("sleep", id)))

    def wait_for_signal(
        self,
        name: str,
        schema: Any = None,
        timeout_s: float | None = None,
        default: Any = MISSING,
        *,
        id: str | None = None,
    ) -> Self:
        """Wait until somebody sends the signal; its payload is the next value.

        Args:
            schema: Type of the payload, or a JSON Schema.
            timeout_s: Fails the step when no signal came in time, unless there is a default.
            default: The value when time runs out.
            id: Its name in paths; left out, the signal's.
        """
        part = Signal(
            signal=check_id("signal", name),
            schema=schema,
            timeout_s=timeout_s,
            default=default,
            id=check_id("signal", name if id is None else id),
        )
        return self._add(part)

    def _add(self, part: Part) -> Self:
        self._parts.append(part)
        return self

    def __repr__(self) -> str:
        kinds = ", ".join(part.kind for part in self._parts)
        return f"<workflow {self.id!r}: {kinds or 'empty'}>"


def _spread(given: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the members, given one by one or as one list."""
    match given:
        case ([*members],) if isinstance(given[0], list):
            return tuple(members)
        case _:
            return given
