"""What is decided before anything is served: the port, the listeners, the application of a replica."""

import socket

import httpx
import pytest

from greenroom.runtime.contracts.config import ServeSection
from greenroom.runtime.contracts.errors import ConfigError
from greenroom.serve.deployment import build_app, is_loopback
from greenroom.serve.port import check_port


def test_a_free_port_passes_and_is_free_afterwards() -> None:
    """The check leaves nothing behind."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    check_port("127.0.0.1", port)
    check_port("127.0.0.1", port)


def test_an_occupied_port_is_named_with_what_to_do() -> None:
    """The message has the port, the host and the option that chooses another."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        with pytest.raises(ConfigError, match=rf"port {port} on 127\.0\.0\.1 is in use.*--port") as refused:
            check_port("127.0.0.1", port)
    assert refused.value.facts == {"host": "127.0.0.1", "port": port}


@pytest.mark.parametrize(
    ("host", "reason"), [("198.51.100.7", "does not have that address"), ("no.such.host.invalid", "not known")]
)
def test_a_host_that_is_not_here_is_named(host: str, reason: str) -> None:
    """Another machine's address, and a name nobody knows."""
    with pytest.raises(ConfigError, match=reason):
        check_port(host, 8800)


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("localhost", True), ("8.8.8.8", False), ("::", False)],
)
def test_the_loopback_is_known(host: str, *, expected: bool) -> None:
    """Everything else can be reached from elsewhere."""
    assert is_loopback(host) is expected


async def test_a_replica_answers_without_a_runtime() -> None:
    """The application is built from the settings alone; only what needs the runtime says that it is away."""
    app = build_app(ServeSection(max_body_bytes=2048).model_dump_json())
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://replica") as http:
        assert (await http.get("/healthz")).status_code == 200
        assert (await http.post("/api/workflows/w/start", content=b"x" * 4096)).status_code == 413
        ready = await http.get("/readyz")
    assert (ready.status_code, ready.json()["status"]) == (503, "unavailable")
