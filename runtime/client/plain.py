"""A client that speaks JSON only: for HTTP replicas and tools that know no user types."""

from typing import Any

from greenroom.runtime.client.link import RuntimeLink
from greenroom.runtime.client.runtime import RuntimeClient
from greenroom.runtime.contracts.values import Json
from greenroom.runtime.system import RandomIds


def plain_client(link: RuntimeLink, workspace: str = "default") -> RuntimeClient:
    """Return a client whose inputs and outputs are JSON as it stands."""
    return RuntimeClient(link, RandomIds(), workspace=workspace, dump=_same, load=_loaded, schema_of=_schema)


def _same(value: Any) -> Json:
    return value


def _loaded(_type: Any, value: Json) -> Json:
    return value


def _schema(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        message = "a client that speaks JSON only takes a JSON Schema as output type"
        raise TypeError(message)
    return value
