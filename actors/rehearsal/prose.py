"""Prose: plain answers, made of quotations where there is something to quote.

Pure. Sentences of the answer that are not quoted say that rehearsal wrote them; no fact comes from anywhere but the
conversation.
"""

import re
from collections.abc import Iterable
from typing import Final

from greenroom.actors.rehearsal.conversation import Conversation
from greenroom.actors.rehearsal.evidence import Sentence
from greenroom.actors.rehearsal.fields import MARK
from greenroom.actors.rehearsal.outline import asked_items, outline
from greenroom.actors.rehearsal.words import one_line, requested_count

USUAL_QUOTES: Final = 4
TERSE_QUOTES: Final = 2
MAX_QUOTES: Final = 24

_TERSE = re.compile(r"\b(?:brief|concise|short|terse|to the point|succinct)(?:ly)?\b", re.IGNORECASE)


def answer(conversation: Conversation) -> str:
    """Gives the reply to a request as text.

    In this order: quotations from the tool results; a list, if one is asked for; the pasted material condensed; earlier
    words of the thread that fit; else the plain statement that there is nothing to answer from.
    """
    count = _quotes(conversation)
    quoted = conversation.evidence[:count]
    if conversation.results:
        return _from_results(conversation, quoted)
    if asked_items(conversation.ask) and not quoted:
        return _list(conversation)
    if conversation.prompt.sentences:
        return (
            f"Condensed from the material given ({MARK.lower()}, sentences as they stand there):\n\n{_bullets(quoted)}"
        )
    if quoted:
        return f"{MARK}, quoting what was said before:\n\n{_bullets(quoted)}"
    return (
        f"{MARK}: no model is connected and there is no material to answer from. The request was about "
        f"{conversation.topic}: “{conversation.gist}”"
    )


def _quotes(conversation: Conversation) -> int:
    asked = requested_count(conversation.ask, "sentences") or asked_items(conversation.ask)
    usual = TERSE_QUOTES if _TERSE.search(conversation.instructions) else USUAL_QUOTES
    return min(asked or max(usual, len(conversation.results)), MAX_QUOTES)


def _from_results(conversation: Conversation, quoted: tuple[Sentence, ...]) -> str:
    tools = _listing(dict.fromkeys(conversation.called))
    parts = [f"The tool {pool.origin} reported an error: “{pool.error}”" for pool in conversation.results if pool.error]
    if quoted:
        parts.append(f"From the results of {tools} ({MARK.lower()}, quoted as returned):\n\n{_bullets(quoted)}")
        sources = _listing(dict.fromkeys(item.source for item in quoted if item.source), "; ")
        parts.append(f"Sources: {sources}" if sources else "")
    elif not parts:
        parts.append(f"{MARK}: {tools} returned nothing to quote about {conversation.topic}.")
    return "\n\n".join(part for part in parts if part)


def _list(conversation: Conversation) -> str:
    headings = outline(conversation, asked_items(conversation.ask) or 0)
    lines = "\n".join(f"{number}. {heading}" for number, heading in enumerate(headings, start=1))
    return f"{MARK}, an outline made from the words of the request:\n\n{lines}"


def _bullets(quoted: Iterable[Sentence]) -> str:
    return "\n".join(f"- “{one_line(item.text)}”{f' — {item.source}' if item.source else ''}" for item in quoted)


def _listing(names: Iterable[str], separator: str = ", ") -> str:
    return separator.join(names)
