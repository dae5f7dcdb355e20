"""One system, probed in a process of its own: `python -m benchmarks.probe.alone NAME [--quick]`.

Its libraries meet no other system's. Prints its name, and each verdict as soon as it is there, as lines of JSON.
"""

import argparse
import tempfile
from dataclasses import asdict
from pathlib import Path

import msgspec

from benchmarks.probe import hand
from benchmarks.probe.probing import probe
from benchmarks.probe.stage import QUICK, Scale, Stage
from benchmarks.probe.systems import SYSTEMS


def main() -> None:
    """Probe and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("name", choices=SYSTEMS)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    system = SYSTEMS[options.name]
    hand.preload(system.target)
    _tell({"name": hand.load(system.target).name()})
    with tempfile.TemporaryDirectory(prefix="probe-") as folder:
        scale = QUICK if options.quick else Scale()
        stage = Stage(target=system.target, beside=system.beside, root=Path(folder), scale=scale)
        for verdict in probe(stage):
            _tell(asdict(verdict))


def _tell(what: object) -> None:
    print(msgspec.json.encode(what).decode(), flush=True)


if __name__ == "__main__":
    main()
