"""Where configuration comes from, and what is refused."""

from pathlib import Path

import pytest

from greenroom.runtime.contracts.errors import ConfigError
from greenroom.settings import load_config


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the outer environment counts."""
    for name in ("GREENROOM_STORAGE", "GREENROOM_SERVE__PORT", "OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


def test_arguments_win_over_variables_and_those_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is found in a parent folder; each source overrides the one before it, key by key."""
    (tmp_path / "greenroom.toml").write_text('storage = "file://a"\n[serve]\nport = 1\nreplicas = 3\n')
    monkeypatch.setenv("GREENROOM_STORAGE", "file://b")
    monkeypatch.setenv("GREENROOM_SERVE__PORT", "2")
    inner = tmp_path / "inner"
    inner.mkdir()
    config = load_config({"serve.port": 3, "storage": None}, start=inner)
    assert (config.storage, config.serve.port, config.serve.replicas) == ("file://b", 3, 3)
    assert config.root == str(tmp_path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('storag = "x"', "unknown key storag; did you mean storage?"),
        ("[serve]\nprot = 1", r"unknown key serve\.prot; did you mean serve\.port\?"),
        ("[telemetry]\nsampling = 1", "unknown key telemetry"),
        ("[serve]\nport = 70000", "serve.port: Input should be less than or equal to 65535"),
        ('[serve]\nhost = "0.0.0.0"', "can be reached from outside, and HTTP has no authentication yet"),
        ('[serve]\nauth = "keys"', "serve.auth: Input should be 'none'"),
        ("storage = ", "cannot be read"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, said: str) -> None:
    """The error names the file, the key and what to do; a setting that would be ignored is refused."""
    (tmp_path / "greenroom.toml").write_text(text)
    with pytest.raises(ConfigError, match=said):
        load_config(start=tmp_path)


def test_a_base_url_in_the_environment_is_a_provider(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Any OpenAI-compatible endpoint, without a file."""
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/v1")
    assert load_config(start=tmp_path).models["openai"].base_url == "http://127.0.0.1:1/v1"
