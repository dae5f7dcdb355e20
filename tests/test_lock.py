"""requirements.lock: everything pinned, hashed, and free of where it was downloaded from."""

import re

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.tree import ROOT, settings

_PIN = re.compile(r"^(?P<name>[A-Za-z0-9_.-]+)(?:\[[^\]]*\])?==(?P<version>[^ ;\\]+)")


def _lock() -> str:
    return (ROOT / "requirements.lock").read_text("utf-8")


def _pins() -> dict[str, set[str]]:
    """Locked versions by name; a name has several when its version depends on the platform."""
    pins: dict[str, set[str]] = {}
    for line in _lock().splitlines():
        if match := _PIN.match(line):
            pins.setdefault(canonicalize_name(match["name"]), set()).add(match["version"])
    return pins


def test_every_requirement_is_locked_within_its_range() -> None:
    """The lock is an answer to pyproject.toml as it stands, extras and development tools included."""
    document = settings()
    wanted = [
        *document["project"]["dependencies"],
        *document["project"]["optional-dependencies"]["notebook"],
        *document["dependency-groups"]["dev"],
        *document["build-system"]["requires"],
    ]
    pins = _pins()
    outside = [
        text
        for text, requirement in ((text, Requirement(text)) for text in wanted)
        if not any(requirement.specifier.contains(pin) for pin in pins.get(canonicalize_name(requirement.name), ()))
    ]
    assert outside == []


def test_every_pin_has_hashes() -> None:
    """A replaced upload is refused."""
    entries = re.split(r"(?m)^(?=[A-Za-z0-9])", _lock())
    assert [entry.splitlines()[0] for entry in entries if entry.strip() and "--hash=sha256:" not in entry] == []


def test_the_lock_names_no_index() -> None:
    """Any index or mirror can serve it."""
    assert "://" not in _lock()
    assert "--index-url" not in _lock()
