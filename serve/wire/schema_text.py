"""JSON Schemas as the wire carries them: text, wrapped as `{"json": schema}`."""

import msgspec

from greenroom.runtime.contracts.values import Json


def schema_text(schema: Json) -> str:
    """Return a schema as the client unwraps it.

    >>> schema_text({"type": "string"})
    '{"json":{"type":"string"}}'
    """
    return msgspec.json.encode({"json": schema}).decode()
