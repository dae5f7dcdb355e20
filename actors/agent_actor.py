"""The actor that runs model turns: one pool per application, many agents in each actor.

Model clients, and with them the `openai` package, are loaded here only: a step worker has no use for 20 MB of it.
"""

from typing import Any

from greenroom.actors.worker import StepWorker
from greenroom.runtime.contracts.ports import WorkerSpec


class AgentActor(StepWorker):
    """Executes turns, and the callables of agents (instructions, guards) as any worker does."""

    def __init__(self) -> None:
        super().__init__()
        self._clients: Any = None

    def _own_options(self, spec: WorkerSpec) -> dict[str, Any]:
        from greenroom.actors.model_turn import ModelTurns  # noqa: PLC0415 - see the module's docstring
        from greenroom.actors.openai_client import ModelClients  # noqa: PLC0415 - as above

        self._clients = ModelClients(spec.models)
        return {"max_threads": spec.max_threads, "turns": ModelTurns(self._clients)}

    async def _tidy_up(self) -> None:
        await self._clients.close()
