"""Where configuration comes from, and what is refused."""

import time
from pathlib import Path

import pytest

from greenroom.app import compose
from greenroom.runtime.contracts.config import DAY_S
from greenroom.runtime.contracts.errors import ConfigError
from greenroom.runtime.contracts.plan import LimitPlan
from greenroom.runtime.contracts.records import SpanRow, Table
from greenroom.runtime.contracts.storage import Query
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
        ("[retention]\nrun = 90", r"unknown key retention\.run; did you mean retention\.runs\?"),
        ("[retention]\nevents = 30", r"unknown key retention\.events"),
        ("[limits.a]\nconcurency = 1", r"limits\.a\.concurency"),
        ("[limits.a]\nper_s = 1", r"limits\.a: Value error, give a concurrency, a rate, or both"),
        ("[workspaces.a]\nweight = 0", r"workspaces\.a\.weight: Input should be greater than 0"),
        ("[retention]\nspans = 0", "retention.spans: Input should be greater than 0"),
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


def test_limits_and_workspaces_of_the_configuration_reach_the_runtime(tmp_path: Path) -> None:
    """Names may hold a colon or a slash, as those of models do."""
    (tmp_path / "greenroom.toml").write_text(
        '[limits."model:openai/gpt"]\nconcurrency = 4\nrate = 60\nper_s = 60\n'
        '[limits.workspace]\nconcurrency = 2\neach = "workspace"\n'
        "[workspaces.acme]\nweight = 2\nmax_running = 7\n[runtime]\nmax_running = 9\n"
    )
    host = compose(load_config(start=tmp_path).model_dump_json())
    assert host._limits == {
        "model:openai/gpt": LimitPlan(concurrency=4, rate=60, per_s=60.0),
        "workspace": LimitPlan(concurrency=2, each="workspace"),
    }
    assert (host._weights, host._max_running, host._max_running_of) == ({"acme": 2.0}, 9, {"acme": 7})


async def test_ages_of_the_configuration_reach_the_store(tmp_path: Path) -> None:
    """Days in the file; a row that is older leaves the store, a younger one and those of other tables stay."""
    (tmp_path / "greenroom.toml").write_text('storage = "file://store"\n[retention]\nruns = 90\nspans = 7\n')
    config = load_config(start=tmp_path)
    assert config.retention.seconds() == {Table.RUNS: 90 * DAY_S, Table.SPANS: 7 * DAY_S}
    store = await compose(config.model_dump_json())._open_storage()
    now = time.time()
    await store.append([_span("old", now - 8 * DAY_S), _span("young", now - 6 * DAY_S)])
    await store.compact()
    rows = [row async for page in store.scan(Table.SPANS, Query()) for row in page]
    assert [row.row_key for row in rows] == [("young", "")]
    await store.close()


def _span(run_id: str, at: float) -> SpanRow:
    return SpanRow(
        workspace="w",
        run_id=run_id,
        path="",
        trace_id="",
        kind="run",
        name="n",
        status="success",
        started_at=at,
        ended_at=at,
    )
