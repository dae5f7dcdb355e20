"""Fields: the text that suits a property by its name: a heading, a body, a quote, a source, a query, a note.

Pure. Bodies and quotes come from the evidence; where there is none the text says that it is rehearsal's own.
"""

import re
from dataclasses import dataclass
from enum import Enum
from typing import Final

from greenroom.actors.rehearsal.conversation import Conversation
from greenroom.actors.rehearsal.outline import outline
from greenroom.actors.rehearsal.words import clip, key_words, one_line, stem, words

MAX_BODY_SENTENCES: Final = 3
MAX_QUERY_WORDS: Final = 8
MARK: Final = "Rehearsal model"

_ID_WORDS: Final = frozenset({"id", "identifier", "key", "number", "code", "sku"})
_ID = re.compile(r"\b(?=[\w-]*\d)[\w-]+\b")
_COUNTED = re.compile(
    r"\b(?:(?:top|first|best|last)\s+\d+|\d+\s+(?=results?|hits?|documents?|passages?|sources?|sections?))\b",
    re.IGNORECASE,
)
_QUOTED = re.compile(r"[\"“](?P<text>[^\"“”\n]+)[\"”]")


class Family(Enum):
    """What a property is for, as far as its name tells; the values are the words that tell it."""

    TITLE = "title heading headline name section topic subject label theme chapter"
    BODY = (
        "abstract answer body claim conclusion content description detail draft explanation fact finding insight"
        " introduction lead markdown message overview paragraph point report response result statement summary text"
    )
    QUOTE = "quote quotation excerpt evidence passage snippet"
    SOURCE = "source citation reference path url uri link document file origin doc"
    QUERY = "query q search keyword term"
    PROMPT = "prompt question task request input instruction goal objective caption"
    NOTE = "reason rationale note feedback comment justification thought reasoning"
    PLACE = "city location place country town region address destination"


_FAMILIES: Final = {stem(word): family for family in Family for word in family.value.split()}
_PROPER = re.compile(r"(?:\b(?:in|at|for|to|from|near|of)\s+)(?P<name>[A-ZÀ-Ý][\w'-]+(?:\s+[A-ZÀ-Ý][\w'-]+)*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Spot:
    """Where a value goes.

    `index` and `count` say which entry of how many, inside an array; None and 0 outside. `offset` is the sentence of
    the evidence to begin with, None for as many as suit. `ordinal` counts the numeric siblings before. A sparse spot is
    filled only as far as it must be: tool arguments are sparse, structured answers are not. A plain one is filled
    without looking at the conversation, when the fuller way did not validate. Texts in a quoted one are quotations.
    """

    name: str = ""
    description: str = ""
    index: int | None = None
    count: int = 0
    offset: int | None = None
    ordinal: int = 0
    depth: int = 0
    is_quoted: bool = False
    is_sparse: bool = False
    is_plain: bool = False


def family_of(spot: Spot) -> Family | None:
    """Gives what the spot is for: by the last word of its name that is known, else by its description's first."""
    named = (_FAMILIES.get(stem(word)) for word in [*reversed(words(spot.name)), *words(spot.description)])
    family = next((family for family in named if family), None)
    return Family.QUOTE if spot.is_quoted and family is Family.BODY else family


def text_for(spot: Spot, conversation: Conversation) -> str:
    """Gives the text of a string property; never empty when anything was asked."""
    is_extracted = family_of(spot) in (Family.BODY, Family.QUOTE, Family.SOURCE) and bool(conversation.evidence)
    if not is_extracted and (stated := stated_value(spot.name, conversation.ask)):
        return stated
    if spot.is_sparse and (named := _named_value(spot, conversation.ask)):
        return named
    match family_of(spot):
        case Family.TITLE:
            return _heading(spot, conversation)
        case Family.BODY:
            return _body(spot, conversation)
        case Family.QUOTE:
            return quote(spot.offset or 0, conversation)
        case Family.SOURCE:
            return _source(spot, conversation)
        case Family.QUERY:
            return " ".join(key_words(_COUNTED.sub(" ", conversation.focus), MAX_QUERY_WORDS))
        case Family.PLACE:
            proper = _PROPER.search(conversation.ask)
            return proper["name"] if proper else conversation.topic
        case Family.NOTE:
            return f"{MARK}: filled in by word overlap with “{clip(conversation.gist, 80)}”."
        case Family.PROMPT | None:
            return _heading(spot, conversation) if spot.index is not None else conversation.gist


def _named_value(spot: Spot, text: str) -> str:
    """Gives what a request names for an argument without saying so: a number-like word for an id, a quoted text."""
    last = words(spot.name)[-1:]
    if last and last[0] in _ID_WORDS:
        found = _ID.search(text)
        return found.group() if found else ""
    quoted = _QUOTED.search(text)
    return quoted["text"] if quoted and family_of(spot) in (Family.BODY, Family.TITLE, None) else ""


def has_text(spot: Spot, conversation: Conversation) -> bool:
    """Tells whether there is something to say at a spot that may stay empty."""
    match family_of(spot):
        case Family.QUOTE | Family.SOURCE:
            return bool(conversation.evidence)
        case None:
            return bool(stated_value(spot.name, conversation.ask))
        case _:
            return True


def stated_value(name: str, text: str) -> str:
    """Gives what a request states for a name in so many words ("currency: EUR", "currency is EUR"), else nothing."""
    label = r"[\s_-]+".join(map(re.escape, words(name)))
    if not label:
        return ""
    quotes = r"[\"'`“]?"
    value = r"(?P<value>[^\s\"'`”,;.?!{}\[\]][^\"'`”,;\n?!{}\[\]]{0,79})"
    pattern = rf"(?<![\w-]){quotes}{label}{quotes}[ \t]*(?:[:=]|\bis\b)[ \t]*{quotes}{value}"
    found = re.search(pattern, text, re.IGNORECASE)
    return found["value"].strip().rstrip(".") if found else ""


def quote(index: int, conversation: Conversation) -> str:
    """Gives the index-th best sentence of the evidence, verbatim."""
    if not conversation.evidence:
        return f"{MARK}: no material was given to quote."
    return conversation.evidence[index % len(conversation.evidence)].text


def _heading(spot: Spot, conversation: Conversation) -> str:
    if spot.index is None:
        return conversation.topic
    return outline(conversation, max(spot.count, spot.index + 1))[spot.index]


def _body(spot: Spot, conversation: Conversation) -> str:
    if not conversation.evidence and spot.is_sparse:
        return conversation.gist
    if not conversation.evidence:
        return f"{MARK}: no material was given about {conversation.topic}."
    start = (spot.offset or 0) % len(conversation.evidence)
    number = 1 if spot.offset is not None else MAX_BODY_SENTENCES
    chosen: list[str] = []
    for text in (one_line(item.text) for item in conversation.evidence[start:]):
        # A summary and the sentence it was made of are both evidence: one of them is enough.
        if len(chosen) < number and not any(text in other or other in text for other in chosen):
            chosen.append(text)
    return " ".join(chosen)


def _source(spot: Spot, conversation: Conversation) -> str:
    labelled = [item for item in conversation.evidence if item.source]
    if not labelled:
        return f"{MARK}: no source was given"
    exact = words(spot.name)[-1] if words(spot.name) else ""
    distinct = list(dict.fromkeys(item.labels.get(exact) or item.source for item in labelled))
    return distinct[(spot.offset or 0) % len(distinct)]
