"""Whether a draft is a brief: its schema, its completeness, and every quotation word for word. Pure."""

import functools
from collections.abc import Sequence
from typing import Final

from pydantic import ValidationError

from examples.briefing.brief import Brief, Draft
from examples.briefing.documents import Document

MAX_SHOWN: Final = 60


def find_problems(draft: Draft, sections: int, documents: Sequence[Document]) -> list[str]:
    """Return what keeps a draft from being a brief, in words for its writer; nothing if it is one.

    Args:
        sections: How many sections were researched.
        documents: What it may quote.
    """
    problems = _against_schema(draft)
    if len(draft.sections) < sections:
        problems.append(f"it has {_count(len(draft.sections), 'section')}, and {sections} were researched")
    said = [section.body for section in draft.sections]
    problems += [f"two sections say the same: {_clip(body)}" for body in dict.fromkeys(said) if said.count(body) > 1]
    texts = {document.source: document for document in documents}
    for section in draft.sections:
        for quote in section.quotes:
            document = texts.get(quote.source)
            if document is None:
                problems.append(f"section {section.heading!r} quotes {quote.source!r}, which is no document")
            elif _plain(quote.text) not in _plain_text(document):
                problems.append(f"this does not stand in {quote.source}: {_clip(quote.text)}")
    return problems


def _against_schema(draft: Draft) -> list[str]:
    try:
        Brief.model_validate(draft.model_dump())
    except ValidationError as error:
        return [f"{'.'.join(map(str, issue['loc']))}: {issue['msg']}" for issue in error.errors()]
    return []


@functools.lru_cache(maxsize=512)
def _plain_text(document: Document) -> str:
    return _plain(document.text)


def _plain(text: str) -> str:
    return " ".join(text.split())


def _clip(text: str) -> str:
    return f"“{text}”" if len(text) <= MAX_SHOWN else f"“{text[:MAX_SHOWN].rstrip()} …”"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
