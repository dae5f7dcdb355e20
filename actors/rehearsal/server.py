"""The server: starts and stops rehearsal, in a thread of its own or in the foreground. Listens on the loopback."""

import asyncio
import errno
import logging
import socket
import time
from collections.abc import Callable
from threading import Event, Thread
from types import TracebackType
from typing import Any, Final, Self

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from greenroom.actors.rehearsal.app import Ports, RehearsalApp
from greenroom.actors.rehearsal.delivery import Sleep
from greenroom.actors.rehearsal.performance import Pace
from greenroom.actors.rehearsal.script import Script
from greenroom.actors.rehearsal.seen import RequestLog, SeenRequest

LOOPBACK: Final = "127.0.0.1"
BACKLOG: Final = 1024
START_TIMEOUT_S: Final = 10.0
STOP_TIMEOUT_S: Final = 10.0
MAX_GRACE_S: Final = 2

_log = logging.getLogger("greenroom.rehearsal")
_log.addFilter(lambda record: "without completing response" not in record.getMessage())


class AddressUnavailable(OSError):
    """The address to listen on is taken or not ours; the message says what to do."""


class RehearsalServer:
    """The stand-in model server.

    Deterministic: the same request gives the same bytes, but for `created`. A context manager: `with RehearsalServer()
    as server:` is started inside and leaves nothing behind. It can be started again after it was stopped.

    Args:
        script: replies and faults decided beforehand; rehearsal answers by itself where the script is silent.
        tokens_per_s: speed of an answer; None for as fast as it can.
        first_token_s: wait before an answer begins.
        now: the wall clock, in seconds since the epoch; it is only read for `created`.
        sleep: how to wait, for tests of pacing.
    """

    def __init__(
        self,
        script: Script | None = None,
        *,
        tokens_per_s: float | None = None,
        first_token_s: float = 0.0,
        now: Callable[[], float] = time.time,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        if tokens_per_s is not None and tokens_per_s <= 0:
            raise ValueError(f"tokens_per_s is {tokens_per_s}, it must be above 0 (None for no pacing)")
        self.script = script if script is not None else Script()
        self._log = RequestLog()
        self._pace = Pace(first_token_s=first_token_s, per_token_s=1.0 / tokens_per_s if tokens_per_s else 0.0)
        self._now = now
        self._sleep = sleep
        self._base_url = ""
        self._server: _Server | None = None
        self._thread: Thread | None = None

    @property
    def base_url(self) -> str:
        """What to give the client as `base_url`; empty until it was started."""
        return self._base_url

    @property
    def requests(self) -> tuple[SeenRequest, ...]:
        """The last model requests, oldest first."""
        return self._log.items

    def reset(self) -> None:
        """Forgets the script and the requests, so that one server can serve several tests."""
        self.script.clear()
        self._log.clear()

    def start(self, port: int = 0) -> str:
        """Serves from a daemon thread with its own event loop; gives the base URL once it answers.

        Args:
            port: where to listen on the loopback; 0 takes a free one.

        Raises:
            AddressUnavailable: the port is taken.
            RuntimeError: it runs already, or did not come up.
        """
        if self._thread is not None:
            raise RuntimeError(f"rehearsal already serves {self._base_url}: stop it first")
        listener = _listen(LOOPBACK, port)
        self._base_url = _url(listener)
        self._server = _Server(self._build())
        self._thread = Thread(target=self._serve, args=(self._server, listener), name="rehearsal", daemon=True)
        self._thread.start()
        if not self._server.is_up.wait(START_TIMEOUT_S):
            self.stop()
            raise RuntimeError(f"rehearsal did not come up within {START_TIMEOUT_S} s")
        return self._base_url

    def stop(self) -> None:
        """Stops serving: open streams are cut, the port is free and the thread gone when it returns. Safe to repeat."""
        if self._thread is None or self._server is None:
            return
        self._server.should_exit = True
        self._thread.join(STOP_TIMEOUT_S)
        self._thread = self._server = None

    def serve_forever(self, host: str = LOOPBACK, port: int = 0, on_up: Callable[[str], None] | None = None) -> None:
        """Serves from the calling thread until Ctrl-C (or SIGTERM), then returns.

        Args:
            host: an address of this machine. Anything but the loopback lets others in: there is no authentication.
            port: where to listen; 0 takes a free one.
            on_up: told the base URL once it is known.

        Raises:
            AddressUnavailable: the port is taken, or the address is not this machine's.
        """
        listener = _listen(host, port)
        self._base_url = _url(listener)
        if on_up is not None:
            on_up(self._base_url)
        try:
            self._serve(_Server(self._build()), listener)
        except KeyboardInterrupt:  # raised again by the server once it has stopped cleanly
            return

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _build(self) -> Ports:
        return Ports(
            script=self.script,
            log=self._log,
            pace=self._pace,
            now=self._now,
            sleep=self._sleep,
            closing=asyncio.Event(),
        )

    def _serve(self, server: "_Server", listener: socket.socket) -> None:
        with listener, asyncio.Runner() as runner:
            runner.run(server.serve(sockets=[listener]))


class _Server(uvicorn.Server):
    """uvicorn, which says when it is up and ends open deliveries before it waits for connections to close."""

    def __init__(self, ports: Ports) -> None:
        config = uvicorn.Config(
            RehearsalApp(ports).build(),
            http=_Protocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=MAX_GRACE_S,
        )
        super().__init__(config)
        self.is_up = Event()
        self._closing = ports.closing

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.is_up.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._closing.set()
        await super().shutdown(sockets)


class _Protocol(HttpToolsProtocol):
    """Logs to a logger of our own, which knows that a response broken off on purpose is no error."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.logger = _log


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With its protocol named: else asyncio leaves Nagle's algorithm on, and answers wait 40 ms for an acknowledgement.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError as problem:
        listener.close()
        raise AddressUnavailable(problem.errno, _explain(host, port, problem)) from None
    except OverflowError:
        listener.close()
        raise AddressUnavailable(errno.EINVAL, f"port {port} is none: choose one from 0 to 65535") from None
    return listener


def _explain(host: str, port: int, problem: OSError) -> str:
    if problem.errno == errno.EADDRINUSE:
        return f"port {port} on {host} is in use: choose another port, or stop what listens there"
    return f"cannot listen on {host}, port {port}: {problem.strerror}"


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}/v1" if ":" in host else f"http://{host}:{port}/v1"
