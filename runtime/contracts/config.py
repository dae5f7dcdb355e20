"""The configuration: one frozen model, built at the edge and passed down. Nothing here reads a file or a variable."""

import ipaddress
from typing import Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from greenroom.runtime.contracts.records import Table

DAY_S: Final = 86_400.0


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ModelProvider(_Section):
    """An OpenAI-compatible endpoint.

    Attributes:
        base_url: Where it is; None is OpenAI itself.
        api_key_env: Variable that holds the key, read in the agent actors.
        api_key: The key itself; prefer the variable.
        headers: Sent with every call.
        prices: Micros per million tokens: `{"input": …, "output": …, "cached": …}`, or such by model name.
        timeout_s: Of one call.
        max_attempts: Tries of one model before the next fallback.
    """

    base_url: str | None = None
    api_key_env: str | None = None
    api_key: str | None = None
    headers: dict[str, str] = {}
    prices: dict[str, Any] = {}
    timeout_s: float = 120.0
    max_attempts: int = 4


class ServeSection(_Section):
    """The HTTP side.

    Attributes:
        host: Address to listen at; only the loopback, as there is no authentication yet.
        auth: Who may call: nobody is asked, and so only this machine can.
        max_body_bytes: Longest request body.
    """

    host: str = "127.0.0.1"
    port: int = Field(default=8800, ge=0, le=65535)
    replicas: int = Field(default=1, ge=1)
    auth: Literal["none"] = "none"
    cors: list[str] = []
    max_body_bytes: int = Field(default=4 * 1024 * 1024, ge=1024)

    @field_validator("host")
    @classmethod
    def _is_loopback(cls, host: str) -> str:
        """Refuse an address that others can reach: this version asks nobody who they are."""
        try:
            is_ours = host == "localhost" or ipaddress.ip_address(host).is_loopback
        except ValueError:
            is_ours = False
        if not is_ours:
            message = f"{host!r} can be reached from outside, and HTTP has no authentication yet; use 127.0.0.1"
            raise ValueError(message)
        return host


class LimitSection(_Section):
    """A limit on whatever has its name: see `greenroom.runtime.core.limits` for the names there are anyway.

    Attributes:
        concurrency: Most attempts at once, over the whole cluster.
        rate: Most attempts that begin within any `per_s` seconds.
        each: Whether all workspaces share it, or each has one of its own.
    """

    concurrency: int | None = Field(default=None, ge=1)
    rate: int | None = Field(default=None, ge=1, le=100_000)
    per_s: float = Field(default=1.0, gt=0)
    each: Literal["all", "workspace"] = "all"

    @model_validator(mode="after")
    def _limits_something(self) -> Self:
        """Refuse a limit that limits nothing."""
        if self.concurrency is None and self.rate is None:
            raise ValueError("give a concurrency, a rate, or both")
        return self


class WorkspaceSection(_Section):
    """What one workspace gets.

    Attributes:
        weight: Its share of what workspaces wait for: one of 2 is served twice as often as one of 1.
        max_running: Most of its runs in motion before new ones are refused.
    """

    weight: float = Field(default=1.0, gt=0)
    max_running: int | None = Field(default=None, ge=1)


class RuntimeSection(_Section):
    """Pools and limits.

    Attributes:
        step_workers: Processes that run steps and tools.
        agent_workers: Processes that talk to models.
        max_threads: Synchronous bodies at once in one worker.
        num_cpus: CPUs of a local cluster; None takes the machine's.
        object_store_bytes: Shared memory of a local cluster.
        ray_temp_dir: Where a local cluster keeps its sockets and logs; a short path.
        address: A Ray cluster to join instead of starting one.
        secret_keys: Keys of the request context that are never stored; bodies get them while the run is in memory,
            and again when a resume brings them.
        max_running: Most runs in motion before new ones are refused with 429; parked runs do not count.
    """

    step_workers: int = Field(default=2, ge=1)
    agent_workers: int = Field(default=2, ge=1)
    max_threads: int = Field(default=16, ge=1)
    num_cpus: int | None = Field(default=None, ge=1)
    object_store_bytes: int = Field(default=200 * 1024 * 1024, ge=80 * 1024 * 1024)
    ray_temp_dir: str | None = None
    address: str | None = None
    secret_keys: list[str] = []
    max_running: int = Field(default=10_000, ge=1)


class RetentionSection(_Section):
    """How long what is kept is kept, in days; for ever where nothing is said.

    Attributes:
        runs: A run, with everything of it, after it has ended. One that has not ended is never too old.
        spans: What runs and their steps took.
        messages: Of conversations.
        ledger: Entries of the ledger. A balance is the sum of those that are kept.
        triggers: What schedules did.
    """

    runs: float | None = Field(default=None, gt=0)
    spans: float | None = Field(default=None, gt=0)
    messages: float | None = Field(default=None, gt=0)
    ledger: float | None = Field(default=None, gt=0)
    triggers: float | None = Field(default=None, gt=0)

    def seconds(self) -> dict[Table, float]:
        """Return the seconds for each table that is not kept for ever."""
        tables = (Table.RUNS, Table.SPANS, Table.MESSAGES, Table.LEDGER, Table.TRIGGERS)
        days = {table: getattr(self, table.value) for table in tables}
        return {table: age * DAY_S for table, age in days.items() if age is not None}


class Config(_Section):
    """All of it.

    Attributes:
        storage: URL of the store.
        app: `module:attribute` of the app that `greenroom up` serves.
        root: The project's folder: relative paths are seen from it.
        models: Providers by name; `rehearsal` needs no entry.
        limits: Limits by name; they hold whatever an app says.
        workspaces: By name, those that differ from the others.
    """

    storage: str = "file://.greenroom"
    app: str | None = None
    root: str = "."
    models: dict[str, ModelProvider] = {}
    serve: ServeSection = ServeSection()
    runtime: RuntimeSection = RuntimeSection()
    retention: RetentionSection = RetentionSection()
    limits: dict[str, LimitSection] = {}
    workspaces: dict[str, WorkspaceSection] = {}
