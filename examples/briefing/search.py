"""Full-text search over documents: BM25 over passages of a few sentences. Pure, built once per process."""

import functools
import math
import re
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import Final

from pydantic import BaseModel

from examples.briefing.documents import Document, load_documents

# Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond" (2009), section 3.2.
K1: Final = 1.2
B: Final = 0.6
TITLE_WEIGHT: Final = 2

MIN_SENTENCE_CHARS: Final = 40
MAX_SENTENCE_CHARS: Final = 400
MAX_PASSAGE_CHARS: Final = 500
MAX_PER_SOURCE: Final = 2

_WORD: Final = re.compile(r"[a-z0-9]+")
_SENTENCE_END: Final = re.compile(r"(?<=[.!?])\s+(?=[A-Z0-9\"“(])")
_STOP: Final = frozenset(
    """a about an and are as at be by can do does for from has have how i if in into is it its more not of on or that
    the their them they this to was what when where which who why will with you your""".split()
)


class Hit(BaseModel):
    """A passage that answers a query: where it stands, and its own words."""

    source: str
    title: str
    quote: str


@dataclass(frozen=True, slots=True)
class Passage:
    """A few sentences of a document."""

    document: Document
    text: str


class Index:
    """A searchable set of documents."""

    def __init__(self, documents: tuple[Document, ...]) -> None:
        texts = {text: document for document in documents for text in passages(document.text)}
        self._passages = [Passage(document, text) for text, document in texts.items()]
        self._lengths: list[int] = []
        self._postings: dict[str, list[tuple[int, int]]] = defaultdict(list)
        for number, passage in enumerate(self._passages):
            words = Counter(terms(passage.text))
            for word in set(terms(f"{passage.document.source} {passage.document.title}")):
                words[word] += TITLE_WEIGHT
            self._lengths.append(words.total())
            for word, count in words.items():
                self._postings[word].append((number, count))
        self._mean = sum(self._lengths) / max(1, len(self._lengths))

    def search(self, query: str, limit: int = 5) -> list[Hit]:
        """Return the best passages, best first, at most two of one document."""
        scores: dict[int, float] = defaultdict(float)
        for word in set(terms(query)):
            found = self._postings.get(word, [])
            weight = math.log(1 + (len(self._passages) - len(found) + 0.5) / (len(found) + 0.5))
            for number, count in found:
                norm = K1 * (1 - B + B * self._lengths[number] / self._mean)
                scores[number] += weight * count * (K1 + 1) / (count + norm)
        hits: list[Hit] = []
        taken: Counter[str] = Counter()
        for number, _ in sorted(scores.items(), key=lambda item: (-item[1], item[0])):
            passage = self._passages[number]
            source = passage.document.source
            if taken[source] < MAX_PER_SOURCE:
                taken[source] += 1
                hits.append(Hit(source=source, title=passage.document.title, quote=passage.text))
            if len(hits) >= max(1, limit):
                break
        return hits


@functools.lru_cache(maxsize=4)
def index_of(folder: str = "") -> Index:
    """Return the index of a folder's documents (or of the installed packages), built once per process."""
    return Index(load_documents(folder))


def terms(text: str) -> list[str]:
    """Return the words that are searched for, without endings.

    >>> terms("How do the libraries validate data?")
    ['librari', 'validat', 'data']
    """
    return [_stem(word) for word in _WORD.findall(text.lower()) if word not in _STOP and len(word) > 1]


def _stem(word: str) -> str:
    for ending in ("ations", "ation", "ing", "ies", "ers", "ed", "es", "er", "or", "s", "e", "y"):
        if word.endswith(ending) and len(word) - len(ending) >= 4:
            return word[: -len(ending)] + ("i" if ending in {"ies", "y"} else "at" if ending.startswith("at") else "")
    return word


def passages(text: str) -> list[str]:
    """Return runs of whole sentences of a text, each in one paragraph."""
    found: list[str] = []
    for paragraph in re.split(r"\n\s*\n", text):
        run = ""
        for sentence in sentences(paragraph):
            if run and len(run) + len(sentence) > MAX_PASSAGE_CHARS:
                found.append(run)
                run = ""
            run = f"{run} {sentence}".strip()
        if run:
            found.append(run)
    return found


def sentences(paragraph: str) -> list[str]:
    """Return the sentences that can be quoted: whole ones, neither a heading nor a fragment."""
    line = " ".join(paragraph.split())
    return [
        sentence
        for part in _SENTENCE_END.split(line)
        if MIN_SENTENCE_CHARS <= len(sentence := part.strip()) <= MAX_SENTENCE_CHARS
        and sentence[-1] in ".!?"
        and len(_WORD.findall(sentence.lower())) >= 6
    ]
