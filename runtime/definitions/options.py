"""How a body is run, as users write it: retries, timeouts, resources, effect.

One vocabulary for steps, tools and agents. Values are checked where they are written.
"""

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, TypedDict, get_args

from greenroom.runtime.contracts.errors import DefinitionError
from greenroom.runtime.contracts.plan import Effect, StepOptions


class Execution(TypedDict, total=False):
    """Keyword options of `@step` and `@tool`.

    Attributes:
        retries: How often a failed attempt is repeated; left out, the workflow's `retries` holds.
        backoff: Seconds before the first repetition (doubled each time), or a pair of first and longest wait.
        retry_on: The exceptions that are worth a repetition; left out, all are.
        timeout_s: Executing time of one attempt.
        num_cpus: Logical CPUs. With any resource named the body runs as a Ray task of its own.
        num_gpus: Logical GPUs.
        memory: Bytes of memory to reserve.
        resources: Custom Ray resources.
        labels: Node labels the body needs.
        effect: `"idempotent"` (may run again after a crash) or `"once"` (never again by itself).
        reconcile: Called with the idempotency key of an interrupted `once` attempt; tells whether it took effect.
        limits: Name of a limit that an attempt counts against, or several.
        priority: Which of the attempts that wait for a limit comes first; higher before lower, within a workspace.
    """

    retries: int | None
    backoff: float | timedelta | tuple[float, float]
    retry_on: type[BaseException] | tuple[type[BaseException], ...] | None
    timeout_s: float | None
    num_cpus: float | None
    num_gpus: float | None
    memory: int | None
    resources: dict[str, float]
    labels: dict[str, str]
    effect: Effect
    reconcile: Callable[..., Any] | None
    limits: str | Sequence[str]
    priority: int


_KNOWN: Final = tuple(Execution.__annotations__)


@dataclass(frozen=True, slots=True)
class ExecutionOptions:
    """Checked options: the part that is data, and the callables beside it."""

    data: StepOptions
    retry_on: tuple[type[BaseException], ...] | None
    reconcile: Callable[..., Any] | None


def read_options(
    title: str, given: Mapping[str, Any], *, validate: bool = True, stateful: bool = False
) -> ExecutionOptions:
    """Check the options of one definition.

    Args:
        title: How messages call it.

    Raises:
        TypeError: An option is unknown; the nearest known one is named.
        DefinitionError: A value is out of range.
    """
    for name in given:
        if name not in _KNOWN:
            near = difflib.get_close_matches(name, _KNOWN, 1)
            raise TypeError(f"{title} has no option {name!r}" + (f"; did you mean {near[0]!r}?" if near else ""))
    first, longest = _backoff(title, given.get("backoff"))
    effect = given.get("effect", "idempotent")
    if effect not in get_args(Effect):
        raise _refused(title, "effect", effect, "must be 'idempotent' or 'once'")
    data = StepOptions(
        retries=_at_least(title, "retries", given.get("retries"), 0),
        backoff_s=first,
        max_backoff_s=longest,
        timeout_s=_above_zero(title, "timeout_s", given.get("timeout_s")),
        effect=effect,
        num_cpus=_at_least(title, "num_cpus", given.get("num_cpus"), 0),
        num_gpus=_at_least(title, "num_gpus", given.get("num_gpus"), 0),
        memory_bytes=_at_least(title, "memory", given.get("memory"), 0),
        resources=dict(given.get("resources") or {}),
        labels=dict(given.get("labels") or {}),
        validate=validate,
        stateful=stateful,
        limits=_names(title, given.get("limits")),
        priority=_whole(title, "priority", given.get("priority", 0)),
    )
    return ExecutionOptions(data, _exceptions(title, given.get("retry_on")), given.get("reconcile"))


def _backoff(title: str, given: Any) -> tuple[float, float]:
    plain = StepOptions()
    match given:
        case None:
            return plain.backoff_s, plain.max_backoff_s
        case timedelta():
            pair = given.total_seconds(), plain.max_backoff_s
        case int() | float():
            pair = float(given), plain.max_backoff_s
        case (int() | float() as first, int() | float() as longest):
            pair = float(first), float(longest)
        case _:
            raise _refused(title, "backoff", given, "must be seconds or a pair (first wait, longest wait)")
    if pair[0] < 0 or pair[1] < 0:
        raise _refused(title, "backoff", given, "must not be negative")
    return pair[0], max(pair)


def _exceptions(title: str, given: Any) -> tuple[type[BaseException], ...] | None:
    if given is None:
        return None
    found = (given,) if isinstance(given, type) else tuple(given)
    if not all(isinstance(item, type) and issubclass(item, BaseException) for item in found):
        raise _refused(title, "retry_on", given, "must be an exception class or a tuple of them")
    return found


def _names(title: str, given: Any) -> tuple[str, ...]:
    if given is None:
        return ()
    found: list[Any] = list(given) if isinstance(given, list | tuple | set | frozenset) else [given]
    if not all(isinstance(name, str) and name for name in found):
        raise _refused(title, "limits", given, "must be the name of a limit, or a list of names")
    return tuple(sorted(set(found)))


def _whole(title: str, name: str, given: Any) -> int:
    if isinstance(given, bool) or not isinstance(given, int):
        raise _refused(title, name, given, "must be a whole number")
    return given


def _at_least(title: str, name: str, given: Any, least: int) -> Any:
    if given is not None and (isinstance(given, bool) or not isinstance(given, int | float) or given < least):
        raise _refused(title, name, given, f"must be a number of {least} or more")
    return given


def _above_zero(title: str, name: str, given: Any) -> float | None:
    if given is None:
        return None
    if isinstance(given, timedelta):
        given = given.total_seconds()
    if isinstance(given, bool) or not isinstance(given, int | float) or given <= 0:
        raise _refused(title, name, given, "must be seconds above 0")
    return float(given)


def _refused(title: str, name: str, given: object, rule: str) -> DefinitionError:
    return DefinitionError(f"{title}: {name} {rule}, not {given!r}.", {"option": name})
