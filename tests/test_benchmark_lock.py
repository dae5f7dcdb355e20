"""benchmarks/requirements.lock: what the storage benchmark compares with changes nothing of ours."""

import re

from tests.tree import ROOT

_PIN = re.compile(r"(?m)^([A-Za-z0-9_.-]+)(?:\[[^\]]*\])?==([^ ;\\]+)")


def _lock(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


def test_the_benchmark_takes_our_versions_of_what_we_use() -> None:
    """A package that both locks name has one version: the numbers are those of the versions we ship with."""
    ours = dict(_PIN.findall(_lock("requirements.lock")))
    theirs = dict(_PIN.findall(_lock("benchmarks/requirements.lock")))
    assert theirs
    assert {name: version for name, version in theirs.items() if ours.get(name, version) != version} == {}


def test_every_pin_of_the_benchmark_has_hashes() -> None:
    """A replaced upload is refused, and any index can serve the lock."""
    lock = _lock("benchmarks/requirements.lock")
    entries = re.split(r"(?m)^(?=[A-Za-z0-9])", lock)
    assert [entry.splitlines()[0] for entry in entries if entry.strip() and "--hash=sha256:" not in entry] == []
    assert "://" not in lock
