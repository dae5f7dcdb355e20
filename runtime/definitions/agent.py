"""Agents: a model with instructions, tools and a memory, as frozen values. Nothing here talks to a model."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from greenroom.runtime.contracts.errors import DefinitionError
from greenroom.runtime.contracts.plan import DEFAULT_MAX_AGENT_STEPS
from greenroom.runtime.contracts.values import Json
from greenroom.runtime.definitions.naming import check_id
from greenroom.runtime.definitions.schema import input_schema
from greenroom.runtime.definitions.values import dump

MemoryScope: TypeAlias = Literal["thread", "resource"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recall:
    """Finds earlier messages that mean something similar.

    Attributes:
        top_k: How many messages are found.
        message_range: How many neighbours on each side come with each.
        scope: Where it looks: in the thread, or in all threads of the resource.
    """

    top_k: int = 4
    message_range: int = 1
    scope: MemoryScope = "resource"

    def __post_init__(self) -> None:
        _check_scope("Recall", self.scope)
        if self.top_k < 1 or self.message_range < 0:
            raise DefinitionError(f"Recall: top_k is 1 or more and message_range 0 or more, not {self!r}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkingMemory:
    """What an agent keeps in mind about its resource and updates itself.

    Attributes:
        schema: A model whose JSON it keeps; or
        template: A Markdown text it fills in.
        scope: Whether it is kept per thread or per resource.
    """

    schema: Any = None
    template: str | None = None
    scope: MemoryScope = "resource"

    def __post_init__(self) -> None:
        _check_scope("WorkingMemory", self.scope)
        if self.schema is not None and self.template is not None:
            raise DefinitionError("WorkingMemory has a schema or a template, not both.")


@dataclass(frozen=True, slots=True)
class Memory:
    """What an agent remembers of a thread.

    Attributes:
        last_messages: How many of the thread's last messages the model gets.
        recall: Search by meaning, or None.
        working: Working memory, or None.
    """

    last_messages: int = 10
    recall: Recall | None = None
    working: WorkingMemory | None = None

    def __post_init__(self) -> None:
        if self.last_messages < 0:
            raise DefinitionError(f"Memory: last_messages is 0 or more, not {self.last_messages}.")

    def to_json(self) -> dict[str, Json]:
        """Return it as data, for a plan.

        >>> Memory(last_messages=5).to_json()
        {'last_messages': 5}
        """
        found: dict[str, Json] = {"last_messages": self.last_messages}
        if self.recall is not None:
            found["recall"] = {
                "top_k": self.recall.top_k,
                "message_range": self.recall.message_range,
                "scope": self.recall.scope,
            }
        if self.working is not None:
            found["working"] = {
                "scope": self.working.scope,
                "schema": input_schema(self.working.schema),
                "template": self.working.template,
            }
        return found


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Agent:
    """An agent.

    Attributes:
        id: Its name in the app, and for agents that delegate to it.
        instructions: The system prompt, or a callable `(ctx)` that computes it for each run, on a worker.
        model: `provider/model`, or several: each is the fallback of the one before.
        tools: Tools, functions, agents (delegates) and workflows (calls).
        memory: What it remembers of threads; None remembers nothing.
        output: Type of its structured output; None gives text.
        output_retries: How often a structured output that does not fit is given back to the model.
        max_steps: Most model turns of one run.
        input_guards: Called with what comes in, in order.
        output_guards: Called with what goes out, in order.
        description: What other agents read of it.
        settings: Sampling parameters, handed to the provider as they are.
        retries: How often a failed model turn is repeated; left out, the workflow's `retries` holds.
        timeout_s: Executing time of one model turn.
        num_cpus: Logical CPUs: an agent that asks for resources has a pool of its own.
        num_gpus: Logical GPUs.
        resources: Custom Ray resources.
        labels: Node labels it needs.
        limits: Name of a limit that a model turn counts against, or several.
        priority: Which of the turns that wait for a limit comes first; higher before lower, within a workspace.
    """

    id: str
    instructions: str | Callable[..., Any] = ""
    model: str | Sequence[str]
    tools: Sequence[Any] = ()
    memory: Memory | None = None
    output: Any = None
    output_retries: int = 1
    max_steps: int = DEFAULT_MAX_AGENT_STEPS
    input_guards: Sequence[Callable[..., Any]] = ()
    output_guards: Sequence[Callable[..., Any]] = ()
    description: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict[str, Any])
    retries: int | None = None
    timeout_s: float | None = None
    num_cpus: float | None = None
    num_gpus: float | None = None
    resources: Mapping[str, float] = field(default_factory=dict[str, float])
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    limits: str | Sequence[str] = ()
    priority: int = 0

    def __post_init__(self) -> None:
        check_id("agent", self.id)
        title = f"agent {self.id!r}"
        if not isinstance(self.instructions, str) and not callable(self.instructions):
            raise DefinitionError(f"{title}: instructions are text or a callable, not {self.instructions!r}.")
        if not self.models:
            raise DefinitionError(f"{title} needs a model, such as 'openai/gpt-5-mini'.")
        models: tuple[Any, ...] = self.models
        for name in models:
            if not isinstance(name, str) or not all(name.partition("/")[::2]):
                raise DefinitionError(f"{title}: model {name!r} does not say its provider: write 'provider/model'.")
        if self.max_steps < 1:
            raise DefinitionError(f"{title}: max_steps is 1 or more, not {self.max_steps}.")
        if self.output_retries < 0:
            raise DefinitionError(f"{title}: output_retries is 0 or more, not {self.output_retries}.")
        memory: Any = self.memory
        if memory is not None and not isinstance(memory, Memory):
            raise DefinitionError(f"{title}: memory is a Memory(...), not {memory!r}.")
        # A caller's lists may change later; what the agent is may not.
        for name in ("tools", "input_guards", "output_guards"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        object.__setattr__(self, "settings", dump(dict(self.settings)))

    @property
    def models(self) -> tuple[str, ...]:
        """The models, the first choice first."""
        return (self.model,) if isinstance(self.model, str) else tuple(self.model)

    def __repr__(self) -> str:
        return f"<agent {self.id!r}>"


def _check_scope(what: str, scope: object) -> None:
    if scope not in {"thread", "resource"}:
        raise DefinitionError(f"{what}: scope is 'thread' or 'resource', not {scope!r}.")
