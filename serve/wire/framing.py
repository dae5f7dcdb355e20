"""The framings of streams, to the byte.

Agents send `data: <JSON>`, an empty line, and `data: [DONE]` at the end; a frame that began with anything else would be
dropped by the client. Workflows send JSON and U+001E after every record, and nothing at the end. Runs send ordinary
server-sent events with ids, for readers that reconnect.
"""

from typing import Final

import msgspec

from greenroom.runtime.contracts.values import Json

_encode = msgspec.json.Encoder().encode

SSE_DONE: Final = b"data: [DONE]\n\n"
SSE_HEARTBEAT: Final = b": ping\n\n"
RECORD_HEARTBEAT: Final = b"\x1e"

SSE_TYPE: Final = "text/event-stream"
RECORD_TYPE: Final = "text/plain; charset=utf-8"


def sse_frame(chunk: Json) -> bytes:
    r"""Return a chunk of an agent's stream as a frame.

    >>> sse_frame({"type": "finish"})
    b'data: {"type":"finish"}\n\n'
    """
    return b"data: " + _encode(chunk) + b"\n\n"


def record_frame(event: Json) -> bytes:
    r"""Return an event of a workflow's stream as a record.

    >>> record_frame({"type": "workflow-start"})
    b'{"type":"workflow-start"}\x1e'
    """
    return _encode(event) + b"\x1e"


def numbered_frame(seq: int, name: str, data: Json) -> bytes:
    r"""Return an event of a run as a server-sent event; only durable ones have an id, for `Last-Event-ID`.

    >>> numbered_frame(7, "step_finished", {"seq": 7})
    b'id: 7\nevent: step_finished\ndata: {"seq":7}\n\n'
    >>> numbered_frame(0, "agent_text_delta", {})
    b'event: agent_text_delta\ndata: {}\n\n'
    """
    head = b"id: %d\n" % seq if seq else b""
    return head + b"event: " + name.encode() + b"\ndata: " + _encode(data) + b"\n\n"
