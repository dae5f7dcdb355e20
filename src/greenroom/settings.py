"""The edge where configuration comes in: `greenroom.toml`, then `GREENROOM_…` variables, then arguments.

The only file that reads the environment. Unknown keys are errors that name the nearest known one.
"""

import difflib
import os
import tomllib
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from greenroom.runtime.contracts.config import Config, ModelProvider
from greenroom.runtime.contracts.errors import ConfigError

FILE_NAME: Final = "greenroom.toml"
PREFIX: Final = "GREENROOM_"


def load_config(overrides: dict[str, Any] | None = None, *, start: Path | None = None) -> Config:
    """Return the configuration for a folder.

    Args:
        overrides: Arguments: dotted names to values; None values are left out.
        start: Where to look for `greenroom.toml`, upwards; the current folder by default.

    Raises:
        ConfigError: A file cannot be read, a key is unknown, or a value is wrong.
    """
    here = (start or Path.cwd()).resolve()
    found = find_file(here)
    data = _read(found) if found is not None else {}
    data.setdefault("root", str(found.parent if found is not None else here))
    for name, value in os.environ.items():
        if name.startswith(PREFIX):
            _put(data, name.removeprefix(PREFIX).lower().split("__"), value, name)
    for name, value in (overrides or {}).items():
        if value is not None:
            _put(data, name.split("."), value, name)
    source = str(found) if found is not None else "the configuration"
    _refuse_unknown(data, Config, source)
    try:
        config = Config.model_validate(data)
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, issue['loc']))}: {issue['msg']}" for issue in error.errors())
        raise ConfigError(f"{source} has wrong values: {wrong}") from None
    return config.model_copy(update={"models": {**_models_of_environment(), **config.models}})


def find_file(start: Path) -> Path | None:
    """Return the `greenroom.toml` (or a pyproject.toml with `[tool.greenroom]`) of a folder or its parents."""
    for folder in (start, *start.parents):
        if (folder / FILE_NAME).is_file():
            return folder / FILE_NAME
        project = folder / "pyproject.toml"
        if project.is_file() and b"[tool.greenroom" in project.read_bytes():
            return project
    return None


def _read(path: Path) -> dict[str, Any]:
    try:
        data = tomllib.loads(path.read_text())
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from None
    if path.name == "pyproject.toml":
        tool: dict[str, Any] = data["tool"]["greenroom"]
        return tool
    return data


def _put(data: dict[str, Any], path: list[str], value: Any, name: str) -> None:
    at = data
    for part in path[:-1]:
        at = at.setdefault(part, {})
        if not isinstance(at, dict):
            raise ConfigError(f"{name} goes through {part!r}, which is a value")
    at[path[-1]] = value


def _refuse_unknown(data: dict[str, Any], model: type[BaseModel], source: str, prefix: str = "") -> None:
    for key, value in data.items():
        field = model.model_fields.get(key)
        if field is None:
            near = difflib.get_close_matches(key, model.model_fields, n=1)
            hint = f"did you mean {prefix}{near[0]}?" if near else f"known: {', '.join(model.model_fields)}"
            raise ConfigError(f"{source} has an unknown key {prefix}{key}; {hint}")
        annotation = field.annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel) and isinstance(value, dict):
            _refuse_unknown(value, annotation, source, f"{prefix}{key}.")


def _models_of_environment() -> dict[str, ModelProvider]:
    """Return OpenAI as a provider when the environment has its key or a base URL."""
    if not (os.environ.get("OPENAI_API_KEY") or os.environ.get("OPENAI_BASE_URL")):
        return {}
    # An endpoint on this machine seldom asks for a key.
    variable = "OPENAI_API_KEY" if has_variable("OPENAI_API_KEY") else None
    return {"openai": ModelProvider(base_url=os.environ.get("OPENAI_BASE_URL"), api_key_env=variable)}


def has_variable(name: str) -> bool:
    """Tell whether the environment sets a variable; what it is set to, such as a key, is read where it is used."""
    return bool(os.environ.get(name))


def has_real_model() -> bool:
    """Tell whether the environment names a model endpoint."""
    return bool(_models_of_environment())


def prepare_ray() -> None:
    """Set what Ray reads from the environment, before it is imported: token authentication, quiet, quick to stop.

    Ray turns tokens on for clusters it starts and not for those it joins, so it is said explicitly; and it writes the
    token file readable for all, so it is made here first.
    """
    os.environ.setdefault("RAY_AUTH_MODE", "token")
    os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")
    os.environ.setdefault("RAY_DEDUP_LOGS", "0")
    os.environ.setdefault("RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S", "0")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    if os.environ["RAY_AUTH_MODE"] == "token" and not os.environ.get("RAY_AUTH_TOKEN"):
        _ensure_token(Path(os.environ.get("RAY_AUTH_TOKEN_PATH") or Path.home() / ".ray" / "auth_token"))


def _ensure_token(path: Path) -> None:
    if path.exists():
        return
    import secrets  # noqa: PLC0415 - needed once in the life of a machine

    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with open(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:  # noqa: PTH123 - mode at creation
        file.write(secrets.token_hex(32))
