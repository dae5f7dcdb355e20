"""The actor that runs model turns: one pool per application, many agents in each actor.

Model clients, and with them the `openai` package, are loaded here only: a step worker has no use for 20 MB of it.
"""

from typing import Any, Final

from greenroom.actors.worker import StepWorker
from greenroom.runtime.contracts.ports import WorkerSpec
from greenroom.runtime.contracts.values import Json

REHEARSAL: Final = "rehearsal"


class AgentActor(StepWorker):
    """Executes turns, and the callables of agents (instructions, guards) as any worker does."""

    def __init__(self) -> None:
        super().__init__()
        self._clients: Any = None
        self._rehearsal: Any = None

    def _own_options(self, spec: WorkerSpec) -> dict[str, Any]:
        from greenroom.actors.model_turn import ModelTurns  # noqa: PLC0415 - see the module's docstring
        from greenroom.actors.openai_client import ModelClients  # noqa: PLC0415 - as above

        self._clients = ModelClients(self._with_rehearsal(spec.models))
        return {"max_threads": spec.max_threads, "turns": ModelTurns(self._clients)}

    def _with_rehearsal(self, models: dict[str, Json]) -> dict[str, Json]:
        """Return the providers with rehearsal among them: served by this process, unless it is configured elsewhere.

        So an application runs with no key and nothing else to start, on every node that has an agent actor.
        """
        if (models.get(REHEARSAL) or {}).get("base_url"):
            return models
        from greenroom.actors.rehearsal.server import RehearsalServer  # noqa: PLC0415 - only where it is used

        self._rehearsal = RehearsalServer()
        return {
            **models,
            REHEARSAL: {**(models.get(REHEARSAL) or {}), "base_url": self._rehearsal.start(), "api_key": REHEARSAL},
        }

    async def _tidy_up(self) -> None:
        await self._clients.close()
        if self._rehearsal is not None:
            self._rehearsal.stop()
