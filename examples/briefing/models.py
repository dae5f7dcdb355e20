"""Which models the brief is made with: real ones where the environment names an endpoint, rehearsal elsewhere."""

import contextlib
import os
from collections.abc import Iterator
from typing import Final

import httpx

from greenroom.settings import has_real_model, load_config

DEFAULT_MODEL: Final = "gpt-5-mini"
DEFAULT_IMAGE_MODEL: Final = "gpt-image-1-mini"
OPENAI_URL: Final = "https://api.openai.com/v1"
TIMEOUT_S: Final = 120.0


def model_for(role: str) -> str:
    """Return the model for an agent; `BRIEFING_MODEL` names another real one than the default."""
    return f"openai/{os.environ.get('BRIEFING_MODEL', DEFAULT_MODEL)}" if has_real_model() else f"rehearsal/{role}"


@contextlib.contextmanager
def image_endpoint() -> Iterator[tuple[httpx.Client, str]]:
    """Give a client of the provider's API and the name of its image model; rehearsal is started if it must be."""
    config = load_config()
    with contextlib.ExitStack() as stack:
        headers = {}
        if has_real_model():
            provider = config.models["openai"]
            base_url = provider.base_url or OPENAI_URL
            key = provider.api_key or os.environ.get(provider.api_key_env or "OPENAI_API_KEY", "none")
            headers = {"Authorization": f"Bearer {key}", **provider.headers}
        else:
            from greenroom.actors.rehearsal.server import RehearsalServer  # noqa: PLC0415 - only where it draws

            configured = config.models.get("rehearsal")
            given = configured.base_url if configured is not None else None
            base_url = given or stack.enter_context(RehearsalServer()).base_url
        client = stack.enter_context(httpx.Client(base_url=base_url, headers=headers, timeout=TIMEOUT_S))
        yield client, os.environ.get("BRIEFING_IMAGE_MODEL", DEFAULT_IMAGE_MODEL)
