"""Outlines: as many headings as asked for, from the listed items or the key phrases of a request. Pure."""

import re
from typing import Final

from greenroom.actors.rehearsal.conversation import Conversation
from greenroom.actors.rehearsal.words import NUMBER_WORDS, phrases, stem, title, words

MAX_OUTLINE_ITEMS: Final = 64
DEFAULT_OUTLINE_ITEMS: Final = 3
MAX_DIGITS: Final = 2

FACETS: Final = (
    "what it is",
    "how it works",
    "use in practice",
    "limits and trade-offs",
    "configuration",
    "failure and recovery",
    "performance",
    "alternatives",
    "security",
    "history",
    "costs",
    "open questions",
)

# What a request can ask several of, so that "3 sections" is a list and "3 seconds" is not.
_COUNTED: Final = frozenset(
    stem(word)
    for word in """advantages angles areas aspects bullets chapters examples facts headings ideas items names options
    paragraphs parts points questions reasons risks sections steps subtopics suggestions tasks themes tips titles topics
    ways""".split()
)
_LIST_REQUEST = re.compile(
    r"\b(?:list|plan|outline|enumerate|suggest|propose|name|break (?:it )?down|bullet)\b", re.IGNORECASE
)


def outline(conversation: Conversation, count: int) -> list[str]:
    """Gives `count` different headings for what is asked.

    Listed items come first, as they stand; after them key phrases in turn, each with a facet.
    """
    headings = [title(item) for item in conversation.items][:count]
    topics = phrases(conversation.focus) or [conversation.topic]
    while len(headings) < min(count, MAX_OUTLINE_ITEMS):
        index = len(headings)
        lap, facet = divmod(index, len(FACETS))
        suffix = f" ({lap + 1})" if lap else ""
        headings.append(f"{title(topics[index % len(topics)])}: {FACETS[facet]}{suffix}")
    return headings


def asked_items(text: str) -> int | None:
    """Gives how many list entries a text asks for, None when it asks for no list."""
    tokens = words(text)
    for index, token in enumerate(tokens):
        number = int(token) if token.isdigit() and len(token) <= MAX_DIGITS else NUMBER_WORDS.get(token)
        if number and any(stem(word) in _COUNTED for word in tokens[index + 1 : index + 4]):
            return min(number, MAX_OUTLINE_ITEMS)
    is_plural_asked = any(stem(word) in _COUNTED and word != stem(word) for word in tokens)
    return DEFAULT_OUTLINE_ITEMS if is_plural_asked and _LIST_REQUEST.search(text) else None
