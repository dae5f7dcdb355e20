"""Tokens: a deterministic estimate of how many a text has, and the pieces it is streamed in. Pure."""

import json
import re
from dataclasses import dataclass
from typing import Final

from greenroom.actors.rehearsal.request import ChatRequest

CHARS_PER_TOKEN: Final = 4
TOKENS_PER_MESSAGE: Final = 4
WORDS_PER_PIECE: Final = 4
ARGUMENT_CHARS_PER_PIECE: Final = 24

_PIECE = re.compile(rf"(?:\S+\s*){{1,{WORDS_PER_PIECE}}}|\s+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens of a request and of its answer."""

    prompt_tokens: int
    completion_tokens: int


def count_tokens(text: str) -> int:
    """Gives the estimated tokens of a text: a quarter of its characters, rounded up."""
    return -(-len(text) // CHARS_PER_TOKEN)


def prompt_tokens(request: ChatRequest) -> int:
    """Gives the estimated tokens of everything the model reads."""
    total = 0
    for message in request.messages:
        total += TOKENS_PER_MESSAGE + count_tokens(message.text)
        total += sum(
            count_tokens(call.function.name) + count_tokens(call.function.arguments)
            for call in message.tool_calls or ()
        )
    for tool in request.tools:
        total += count_tokens(json.dumps(tool.function.model_dump()))
    return total


def pieces(text: str) -> list[str]:
    """Gives a text in pieces of several words; joined they are the text again."""
    return _PIECE.findall(text)


def fragments(arguments: str) -> list[str]:
    """Gives the JSON text of arguments in fragments that keep no JSON boundary, as models stream them."""
    step = ARGUMENT_CHARS_PER_PIECE
    return [arguments[start : start + step] for start in range(0, len(arguments), step)] or [""]
