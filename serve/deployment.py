"""The HTTP side on Ray Serve: thin replicas that hold only the runtime's client. The room's one file that knows Ray.

The default proxy is used. HAProxy answers five times as many requests, but its statistics listen on every interface
whatever the host says, so it is refused where the host is the loopback.
"""

import ipaddress
import logging
import time
from typing import Any, Final

from fastapi import FastAPI

from greenroom.runtime.client.link import RayLink
from greenroom.runtime.client.plain import plain_client
from greenroom.runtime.client.runtime import RuntimeClient
from greenroom.runtime.contracts.config import ServeSection
from greenroom.runtime.contracts.errors import ConfigError, RuntimeUnavailable
from greenroom.serve.api import create_api

APP_NAME: Final = "greenroom"
MAX_ONGOING: Final = 1000
"""Open requests of one replica, streams among them; Serve's own default of 5 would let five readers block it."""
MAX_QUEUED: Final = 2000
STOP_WITHIN_S: Final = 30.0
SHUTDOWN_S: Final = 2.0
"""How long open streams hold a replica that is to stop; their readers come back with a cursor."""


def build_app(settings_json: str) -> FastAPI:
    """Return the application of one replica, whose clients talk to the runtime actor."""
    settings = ServeSection.model_validate_json(settings_json)
    link = RayLink()
    clients: dict[str, RuntimeClient] = {}

    def client_for(workspace: str) -> RuntimeClient:
        if workspace not in clients:
            clients[workspace] = plain_client(link, workspace)
        return clients[workspace]

    return create_api(client_for, settings)


def deploy(settings_json: str, *, replicas: int = 1) -> None:
    """Serve the application at the settings' address; return when it answers.

    Replaces what this cluster served before. The caller has checked that the port is free (`check_port`).

    Raises:
        ConfigError: Serve would listen beyond the loopback, or is up at another address.
        RuntimeUnavailable: It did not come up.
    """
    from ray import serve  # noqa: PLC0415 - importing this module for `build_app` must not start Serve's parts
    from ray.serve.schema import LoggingConfig  # noqa: PLC0415

    settings = ServeSection.model_validate_json(settings_json)
    _refuse_other_listeners(settings.host)
    quiet = LoggingConfig(enable_access_log=False, log_level=logging.WARNING)

    def build() -> FastAPI:
        return build_app(settings_json)

    ingress: Any = serve.deployment(
        serve.ingress(build)(),
        name="api",
        num_replicas=replicas,
        ray_actor_options={"num_cpus": 0},
        max_ongoing_requests=MAX_ONGOING,
        max_queued_requests=MAX_QUEUED,
        graceful_shutdown_timeout_s=SHUTDOWN_S,
        graceful_shutdown_wait_loop_s=0.2,
        logging_config=quiet,
    )
    logging.getLogger("ray.serve").setLevel(logging.WARNING)
    serve.start(
        proxy_location="HeadOnly",
        http_options={"host": settings.host, "port": settings.port},
        logging_config=quiet,
    )
    _refuse_other_address(settings)
    try:
        serve.run(ingress.bind(), name=APP_NAME, route_prefix="/", logging_config=quiet)
    except RuntimeError as error:
        message = f"the HTTP side did not come up: {str(error).splitlines()[0]}"
        raise RuntimeUnavailable(message, {"retry_after_s": 5.0}) from error


def undeploy() -> None:
    """Stop serving, and Serve with it; nothing is done where it is not up."""
    import ray  # noqa: PLC0415 - as above
    from ray import serve  # noqa: PLC0415
    from ray.serve import context  # noqa: PLC0415
    from ray.serve.exceptions import RayServeException  # noqa: PLC0415

    private: Any = context
    try:
        controller = private._get_global_client()._controller  # noqa: SLF001 - see below
    except RayServeException:
        return
    # `serve.shutdown` alone waits inside a call to the controller, which ends by killing itself; Ray then prints that
    # the call has failed. So the controller is asked first, without waiting, and is gone when Serve is shut down.
    ray.get(controller.graceful_shutdown.remote(False))
    give_up_at = time.monotonic() + STOP_WITHIN_S
    while time.monotonic() < give_up_at and _is_up():
        time.sleep(0.05)
    shutdown: Any = serve.shutdown  # untyped in Serve
    shutdown()


def _is_up() -> bool:
    import ray  # noqa: PLC0415 - as above

    try:
        ray.get_actor("SERVE_CONTROLLER_ACTOR", namespace="serve")
    except ValueError:
        return False
    return True


def is_loopback(host: str) -> bool:
    """Tell whether only this machine can reach an address.

    >>> is_loopback("127.0.0.1"), is_loopback("localhost"), is_loopback("0.0.0.0")
    (True, True, False)
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _refuse_other_listeners(host: str) -> None:
    from ray.serve._private import constants  # noqa: PLC0415 - Serve tells nowhere else which proxy it uses

    if is_loopback(host) and (constants.RAY_SERVE_ENABLE_HA_PROXY or constants.RAY_SERVE_ENABLE_DIRECT_INGRESS):
        message = (
            f"host {host} is the loopback, but Serve's HAProxy and direct ingress listen on every interface; unset "
            "RAY_SERVE_ENABLE_HA_PROXY, RAY_SERVE_ENABLE_DIRECT_INGRESS and RAY_SERVE_THROUGHPUT_OPTIMIZED"
        )
        raise ConfigError(message, {"host": host})


def _refuse_other_address(settings: ServeSection) -> None:
    """Refuse a Serve that somebody started elsewhere: its address is fixed, and `serve.start` says nothing of it."""
    from ray.serve import context  # noqa: PLC0415 - as above

    private: Any = context  # there is no public way to the address
    up_at = private._get_global_client().http_config  # noqa: SLF001
    if (up_at.host, up_at.port) != (settings.host, settings.port):
        message = (
            f"Ray Serve of this cluster is up at {up_at.host}:{up_at.port}, and cannot listen at "
            f"{settings.host}:{settings.port} too; set serve.host and serve.port to that address, or stop Serve there"
        )
        raise ConfigError(message, {"host": up_at.host, "port": up_at.port})
