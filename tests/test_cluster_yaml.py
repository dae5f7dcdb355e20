"""cluster.yaml, checked offline: by Ray's own validation, and by the rules of this project."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from ray.autoscaler._private.util import prepare_config, validate_config

from tests.tree import ROOT, settings

START = re.compile(r"\bray start\b")


@pytest.fixture
def written() -> dict[str, Any]:
    """The file as it stands."""
    document: dict[str, Any] = yaml.safe_load((ROOT / "cluster.yaml").read_text("utf-8"))
    return document


def _commands(document: dict[str, Any]) -> list[str]:
    return [command for key, value in document.items() if key.endswith("commands") for command in value]


def _pinned_ray() -> Requirement:
    (ray,) = (text for text in settings()["project"]["dependencies"] if text.startswith("ray["))
    return Requirement(ray)


def test_ray_accepts_it(written: dict[str, Any]) -> None:
    """Keys, types and node types are what this version of the launcher reads."""
    validate_config(prepare_config(written))


def test_ray_accepts_its_form_for_machines_of_ones_own(written: dict[str, Any]) -> None:
    """Replacing the provider and dropping the node types, as the comment says, gives a valid file too."""
    lines = (ROOT / "cluster.yaml").read_text("utf-8").splitlines()
    start = lines.index("# provider:")
    block = [line.removeprefix("# ") for line in lines[start : start + 4]]
    own = {key: value for key, value in written.items() if key not in {"available_node_types", "head_node_type"}}
    validate_config(prepare_config(own | yaml.safe_load("\n".join(block))))


def test_every_mention_of_ray_is_within_the_pin(written: dict[str, Any]) -> None:
    """The image, the installed package and pyproject.toml agree on one Ray."""
    versions = set(re.findall(r"ray\[serve\]==([\d.]+)", "\n".join(_commands(written))))
    versions |= set(re.findall(r":([\d.]+)-py", written["docker"]["image"]))
    (version,) = versions
    assert _pinned_ray().specifier.contains(version)


def test_the_installed_wheel_is_of_this_version(written: dict[str, Any]) -> None:
    """A release that forgets the file would install the previous package."""
    wheels = re.findall(r"greenroom-([\d.]+)-py3", "\n".join(_commands(written)))
    assert wheels == [settings()["project"]["version"]]


def test_every_node_starts_with_token_authentication(written: dict[str, Any]) -> None:
    """Every `ray start` says so itself, the container's environment says so, and the token is mounted."""
    starts = [command for command in _commands(written) if START.search(command)]
    assert len(starts) == len(("head", "worker"))
    assert [command for command in starts if "RAY_AUTH_MODE=token " not in command] == []
    assert "--env RAY_AUTH_MODE=token" in written["docker"]["run_options"]
    assert "~/.ray/auth_token" in written["file_mounts"].values()


def test_nothing_listens_on_every_interface(written: dict[str, Any]) -> None:
    """The dashboard is bound to the loopback, and no command binds wider."""
    (head,) = (command for command in written["head_start_ray_commands"] if START.search(command))
    assert "--dashboard-host=127.0.0.1" in head
    everywhere = ".".join("0000")
    assert not [command for command in _commands(written) if everywhere in command]


def test_the_head_runs_no_steps(written: dict[str, Any]) -> None:
    """Ray schedules nothing that asks for a CPU beside the control store and the runtime."""
    head = written["available_node_types"][written["head_node_type"]]
    assert head["resources"]["CPU"] == 0
    assert "--num-cpus=0" in " ".join(written["head_start_ray_commands"])


def test_the_store_is_reachable_from_every_node(written: dict[str, Any]) -> None:
    """The runtime may start again on another node, so its storage is no folder of one container."""
    (option,) = (option for option in written["docker"]["run_options"] if "GREENROOM_STORAGE=" in option)
    assert re.search(r"GREENROOM_STORAGE=(s3://|file:///mnt/)", option)


def test_every_mounted_source_is_the_users_or_exists(written: dict[str, Any]) -> None:
    """A missing source fails at the launch, after nodes are paid for."""
    sources = written["file_mounts"].values()
    assert [source for source in sources if not source.startswith("~") and not (ROOT / Path(source)).exists()] == []
