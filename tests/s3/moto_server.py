"""S3 in a process of its own, until its standard input ends: run as `python moto_server.py`, it prints its port."""

import logging
import sys
import urllib.request

from moto.server import ThreadedMotoServer

BUCKET = "greenroom"


def main() -> None:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    with urllib.request.urlopen(urllib.request.Request(f"http://127.0.0.1:{port}/{BUCKET}", method="PUT")):
        print(port, flush=True)  # noqa: T201 - how the tests are told
    sys.stdin.read()


if __name__ == "__main__":
    main()
