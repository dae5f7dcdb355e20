"""The server's life: it starts at once, stops without a trace, and says what is wrong with an address."""

import os
import pickle
import re
import signal
import socket
import subprocess
import sys
import threading
import time

import httpx
import pytest

from greenroom.actors.rehearsal.script import Fault, Reply
from greenroom.actors.rehearsal.server import AddressUnavailable, RehearsalServer

BODY = {"model": "rehearsal", "stream": True, "messages": [{"role": "user", "content": "Hello"}]}
FOREGROUND = """
from greenroom.actors.rehearsal.server import RehearsalServer
RehearsalServer().serve_forever(on_up=lambda url: print(url, flush=True))
print("stopped", flush=True)
"""


def test_it_starts_at_once_and_leaves_nothing_behind() -> None:
    """Up in under a second; after stop the thread is gone and the port is free, and it can start there again."""
    before = set(threading.enumerate())
    server = RehearsalServer()
    started_at = time.monotonic()
    url = server.start()
    assert time.monotonic() - started_at < 1.0
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/v1", url)
    assert httpx.get(url.removesuffix("/v1") + "/healthz").status_code == 200
    server.stop()
    server.stop()
    assert set(threading.enumerate()) == before
    port = int(url.split(":")[2].split("/")[0])
    with pytest.raises(httpx.ConnectError):
        httpx.get(url)
    assert server.start(port) == url
    server.stop()


def test_a_stop_cuts_open_streams() -> None:
    """A stalled client does not hold the server up."""
    with RehearsalServer() as server:
        server.script.add(Reply(fault=Fault.stall(after_chunks=1)))
        with (
            httpx.Client(base_url=server.base_url) as http,
            http.stream("POST", "/chat/completions", json=BODY) as response,
        ):
            parts = response.iter_bytes()
            next(parts)
            stopped_at = time.monotonic()
            server.stop()
            assert time.monotonic() - stopped_at < 1.5
            with pytest.raises(httpx.RemoteProtocolError):
                list(parts)


def test_an_occupied_port_is_named() -> None:
    """The error says which port is taken and what to do, is an OSError, and survives pickling."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(
            AddressUnavailable, match=rf"port {port} on 127\.0\.0\.1 is in use: choose another"
        ) as caught:
            RehearsalServer().start(port)
    assert isinstance(caught.value, OSError)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_a_port_out_of_range_is_named() -> None:
    """A number that is no port gets a plain message."""
    with pytest.raises(AddressUnavailable, match="from 0 to 65535"):
        RehearsalServer().start(70_000)


def test_a_second_start_is_refused() -> None:
    """One server serves one address at a time."""
    with RehearsalServer() as server, pytest.raises(RuntimeError, match="already serves"):
        server.start()


def test_a_pace_without_speed_is_refused() -> None:
    """No tokens per second is no pace."""
    with pytest.raises(ValueError, match="tokens_per_s"):
        RehearsalServer(tokens_per_s=0)


def test_the_foreground_server_ends_on_ctrl_c() -> None:
    """SIGINT ends `serve_forever` cleanly: it returns, prints nothing to stderr, and the exit code is 0."""
    with subprocess.Popen(
        [sys.executable, "-c", FOREGROUND],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONWARNINGS": "error"},
    ) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        assert httpx.get(url.removesuffix("/v1") + "/healthz").status_code == 200
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=10)
    assert (out, err, process.returncode) == ("stopped\n", "", 0)


def test_it_imports_neither_ray_nor_openai() -> None:
    """The stand-in is light: it brings no cluster and no client along."""
    code = (
        "import sys, greenroom.actors.rehearsal.server;"
        "print([name for name in ('ray', 'openai', 'fastapi', 'pyarrow') if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30)
    assert found.stdout.strip() == "[]"
