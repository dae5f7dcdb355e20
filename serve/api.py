"""The HTTP side as one application: routes, errors, limits. It knows the runtime by its client only."""

from importlib.metadata import version
from typing import Final

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from greenroom.runtime.contracts.config import ServeSection
from greenroom.serve.answers import TRACE_HEADER
from greenroom.serve.caller import ClientFor
from greenroom.serve.edge import Edge
from greenroom.serve.plans import Plans
from greenroom.serve.refusals import install_refusals
from greenroom.serve.routes import (
    agent_runs,
    agents,
    health,
    ledger,
    runs,
    schedules,
    threads,
    time_travel,
    tools,
    workflow_lists,
    workflow_runs,
    workflows,
)

HEARTBEAT_S: Final = 15.0

_ROUTERS: Final = (
    workflow_lists.router,  # before `workflows`, whose ids would take `run-counts`
    workflows.router,
    workflow_runs.router,
    time_travel.router,
    agents.router,
    agent_runs.router,
    tools.router,
    runs.router,
    schedules.router,
    threads.router,
    ledger.router,
    health.router,
)


def create_api(client_for: ClientFor, settings: ServeSection, *, heartbeat_s: float = HEARTBEAT_S) -> FastAPI:
    """Return the application.

    Args:
        client_for: Gives the runtime's client of a workspace; called for every request.
        settings: Limits and origins.
        heartbeat_s: How long a stream may be silent.
    """
    app = FastAPI(
        title="Greenroom",
        version=version("greenroom"),
        description="A durable runtime for agents and workflows.",
        redirect_slashes=False,
    )
    app.state.client_for = client_for
    app.state.plans = Plans()
    app.state.heartbeat_s = heartbeat_s
    for router in _ROUTERS:
        app.include_router(router)
    install_refusals(app)
    app.add_middleware(Edge, max_body_bytes=settings.max_body_bytes)
    if settings.cors:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors,
            allow_methods=["*"],
            allow_headers=["*"],
            expose_headers=[TRACE_HEADER, "retry-after"],
        )
    return app
