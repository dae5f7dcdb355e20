"""A proxy between client and S3 that makes go wrong what can: replies lost, errors answered, requests held."""

import http.client
import re
import threading
from dataclasses import dataclass, field
from enum import Enum, auto
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast

_HOP_BY_HOP = {"connection", "transfer-encoding", "content-length"}
WAIT_S = 30.0
"""How long a held request waits for its release before the test is taken for broken."""


class Fault(Enum):
    """What happens to a request."""

    LOSE_REPLY = auto()
    """The server carries it out, and the connection ends without a reply."""
    HANG = auto()
    """It reaches nobody, and there is no reply until the client gives up."""
    HANG_AFTER = auto()
    """The server carries it out, and there is no reply until the client gives up."""
    HOLD = auto()
    """It waits here, and goes on when the test says so."""
    STRIP = auto()
    """It goes on without If-None-Match, as to a server that does not know it."""
    ANSWER_409 = 409
    """The server is never asked. Likewise those below."""
    ANSWER_412 = 412
    ANSWER_403 = 403
    ANSWER_500 = 500
    ANSWER_503 = 503


@dataclass(kw_only=True)
class Rule:
    """A fault for the next requests of a kind.

    Attributes:
        path: Found in the request's path and query.
        times: How many requests meet it; None for all.
        hits: How many have.
        arrived: Set when a request is held. `released` lets it go on.
    """

    fault: Fault
    method: str
    path: str
    times: int | None
    hits: int = 0
    arrived: threading.Event = field(default_factory=threading.Event)
    released: threading.Event = field(default_factory=threading.Event)


class Proxy:
    """Listens at a free port of the loopback and passes on to the server at another.

    Attributes:
        requests: Method and path of everything that arrived.
    """

    def __init__(self, upstream: int) -> None:
        self.requests: list[tuple[str, str]] = []
        self._upstream = upstream
        self._rules: list[Rule] = []
        self._closing = threading.Event()
        self._lock = threading.Lock()
        self._creating = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), _Handler, self)
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()

    def inject(self, fault: Fault, method: str, path: str, *, times: int | None = 1) -> Rule:
        """Let the next requests of this kind meet a fault."""
        rule = Rule(fault=fault, method=method, path=path, times=times)
        with self._lock:
            self._rules.append(rule)
        return rule

    def close(self) -> None:
        """Let go of everything that is held and stop."""
        self._closing.set()
        for rule in self._rules:
            rule.released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def take(self, method: str, path: str) -> Rule | None:
        """Note a request, and return the rule that it meets."""
        with self._lock:
            self.requests.append((method, path))
            for rule in self._rules:
                is_due = rule.times is None or rule.hits < rule.times
                if is_due and rule.method == method and re.search(rule.path, path):
                    rule.hits += 1
                    return rule
        return None

    def hang(self) -> None:
        """Return when the proxy ends: clients give up long before."""
        self._closing.wait(WAIT_S)

    def forward(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, Any, bytes]:
        """Return the server's answer."""
        if any(name.lower() == "if-none-match" for name in headers):
            with self._creating:  # moto looks and then writes: of two at once both would win
                return self._forward(method, path, headers, body)
        return self._forward(method, path, headers, body)

    def _forward(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, Any, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self._upstream, timeout=WAIT_S)
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            return response.status, response.getheaders(), response.read()
        finally:
            connection.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler], proxy: Proxy) -> None:
        super().__init__(address, handler)
        self.proxy = proxy

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a client that gave up is what some tests are about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def _serve(self) -> None:
        proxy = cast("_Server", self.server).proxy
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP_BY_HOP}
        rule = proxy.take(self.command, self.path)
        match rule.fault if rule else None:
            case None:
                self._reply(*proxy.forward(self.command, self.path, headers, body))
            case Fault.STRIP:
                headers = {name: value for name, value in headers.items() if name.lower() != "if-none-match"}
                self._reply(*proxy.forward(self.command, self.path, headers, body))
            case Fault.HOLD:
                assert rule is not None
                rule.arrived.set()
                rule.released.wait(WAIT_S)
                self._reply(*proxy.forward(self.command, self.path, headers, body))
            case Fault.LOSE_REPLY | Fault.HANG_AFTER as fault:
                proxy.forward(self.command, self.path, headers, body)
                if fault is Fault.HANG_AFTER:
                    proxy.hang()
                self.close_connection = True
            case Fault.HANG:
                proxy.hang()
                self.close_connection = True
            case status:
                error = f"<Error><Code>Injected</Code><Message>{status.name}</Message></Error>".encode()
                self._reply(status.value, [("Content-Type", "application/xml")], error)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _serve  # noqa: N815 - names that http.server looks for

    def _reply(self, status: int, headers: Any, body: bytes) -> None:
        self.send_response(status)
        length = str(len(body))
        for name, value in headers:
            if name.lower() == "content-length" and self.command == "HEAD":
                length = value
            if name.lower() not in _HOP_BY_HOP:
                self.send_header(name, value)
        self.send_header("Content-Length", length)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
