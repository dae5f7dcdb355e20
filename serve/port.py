"""Whether an address can be listened at, asked before anything is started."""

import errno
import socket
from typing import Final

from greenroom.runtime.contracts.errors import ConfigError

_REASONS: Final = {
    errno.EADDRINUSE: "is in use; stop what listens there, or choose another with --port (or serve.port)",
    errno.EACCES: "may not be used by this user; choose one above 1023 with --port (or serve.port)",
    errno.EADDRNOTAVAIL: "cannot be used: this machine does not have that address; change serve.host",
}


def check_port(host: str, port: int) -> None:
    """Return if nobody listens at the address and this process may.

    Raises:
        ConfigError: It cannot be listened at; the message says why and what to do.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except OSError as error:
        raise ConfigError(f"host {host!r} is not known ({error.strerror}); change serve.host") from None
    with socket.socket(family, kind, protocol) as probe:
        # As servers do it: a port whose last connections are still ending is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
            probe.listen(1)
        except OSError as error:
            reason = _REASONS.get(error.errno or 0, f"cannot be listened at: {error.strerror}")
            raise ConfigError(f"port {port} on {host} {reason}", {"host": host, "port": port}) from None
