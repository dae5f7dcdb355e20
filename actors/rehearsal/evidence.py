"""Evidence: the sentences and records found in tool results and in material pasted into a prompt, with their sources.

Pure. Every sentence kept here is a substring of what was given: rehearsal quotes, it never makes up a fact.
"""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from greenroom.actors.rehearsal.request import Json
from greenroom.actors.rehearsal.words import clip, one_line, overlap, sentences, stems

MAX_DEPTH: Final = 12
MAX_PASSAGES: Final = 400
MAX_JSON_BLOCKS: Final = 64
MAX_FACT_CHARS: Final = 300
MAX_CENTRAL_STEMS: Final = 12
MAX_TURN: Final = 2
FULL_SENTENCE_STEMS: Final = 6
LABEL_WEIGHT: Final = 0.3
EMPTY_RESULTS: Final = ("[]", "{}", "null", '""')

# Read in this order: a hit's `text` says more than its `summary`.
TEXT_FIELDS: Final = (
    "text", "quote", "content", "body", "passage", "snippet", "excerpt", "summary", "abstract", "finding", "claim",
    "answer", "description", "result", "output", "value", "markdown",
)  # fmt: skip
LABEL_FIELDS: Final = ("title", "source", "path", "url", "uri", "name", "document", "file", "id")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentence:
    """A verbatim piece of evidence and the labels (title, source, url, …) of where it stands."""

    text: str
    labels: dict[str, str] = field(default_factory=dict, hash=False)

    @property
    def source(self) -> str:
        """The shortest honest way to name where it came from; empty when nothing says so."""
        where = next((self.labels[name] for name in LABEL_FIELDS[1:] if name in self.labels), "")
        heading = self.labels.get("title", "")
        return f"{heading} ({where})" if heading and where and heading != where else heading or where


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """What one tool result (or one prompt) gave: what it was asked for, its sentences, its JSON."""

    origin: str
    asked: str = ""
    sentences: tuple[Sentence, ...] = ()
    records: tuple[dict[str, Json], ...] = field(default=(), hash=False)
    lists: tuple[tuple[dict[str, Json], ...], ...] = field(default=(), hash=False)
    error: str = ""


def read_pool(text: str, *, origin: str, asked: str = "") -> Pool:
    """Reads a tool result, JSON or text.

    Args:
        text: the result as the tool message carries it.
        origin: name of the tool; it labels sentences that carry no source of their own. Empty for a prompt.
        asked: the gist of the call's arguments.
    """
    blocks, rest = json_blocks("" if text.strip() in EMPTY_RESULTS else text)
    found: list[Sentence] = []
    for block in blocks:
        found += _passages(block, {}, 0)
    # Short text beside JSON is a heading of it, not evidence.
    found += [Sentence(text=part) for part in (sentences(rest) if found else _parts(rest))]
    unlabelled = {"source": origin} if origin else {}
    labelled = [item if item.labels else Sentence(text=item.text, labels=unlabelled) for item in found]
    error = _error(blocks)
    return Pool(
        origin=origin,
        asked=asked,
        sentences=() if error else tuple(dict.fromkeys(labelled[:MAX_PASSAGES])),
        records=tuple(record for block in blocks for record in _records(block, 0)),
        lists=tuple(_lists(blocks)),
        error=error,
    )


def passages_of(record: dict[str, Json]) -> tuple[Sentence, ...]:
    """Gives the sentences that one JSON object holds."""
    return tuple(dict.fromkeys(_passages(record, {}, 0)))


def json_blocks(text: str) -> tuple[list[Json], str]:
    """Gives the JSON objects and arrays that stand in a text, and the text without them."""
    decoder = json.JSONDecoder()
    blocks: list[Json] = []
    rest: list[str] = []
    at = 0
    while at < len(text) and len(blocks) < MAX_JSON_BLOCKS:
        start = min((hit for hit in (text.find("{", at), text.find("[", at)) if hit >= 0), default=-1)
        if start < 0:
            break
        try:
            block, end = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            block, end = None, start + 1
        if block and _is_structured(block):
            blocks.append(block)
            rest.append(text[at:start])
        else:
            rest.append(text[at:end])
        at = end
    rest.append(text[at:])
    return blocks, "".join(rest)


def _is_structured(block: Json) -> bool:
    """Tells data from brackets of prose: `[1]` is a footnote mark."""
    return isinstance(block, dict) or any(isinstance(item, dict | str | list) for item in block)


def _passages(value: Json, labels: dict[str, str], depth: int) -> Iterator[Sentence]:
    if depth > MAX_DEPTH:
        return
    match value:
        case dict():
            yield from _from_object(value, labels, depth)
        case list():
            for item in value:
                yield from _passages(item, labels, depth + 1)
        case str():
            blocks, _ = json_blocks(value) if value[:1] in ("{", "[") else ([], "")
            for block in blocks:
                yield from _passages(block, labels, depth + 1)
            if not blocks:
                yield from (Sentence(text=part, labels=labels) for part in _parts(value))
        case _:
            return


def _from_object(record: dict[str, Json], labels: dict[str, str], depth: int) -> Iterator[Sentence]:
    own = {name: str(record[name]) for name in LABEL_FIELDS if isinstance(record.get(name), str | int)}
    here = {**labels, **own}
    texts = [name for name in TEXT_FIELDS if isinstance(record.get(name), str) and record[name].strip()]
    for name in texts:
        yield from _passages(record[name], here, depth + 1)
    for value in record.values():
        if isinstance(value, dict | list):
            yield from _passages(value, here, depth + 1)
    facts = {
        name: value
        for name, value in record.items()
        if isinstance(value, str | int | float) and not (name in LABEL_FIELDS or name in texts)
    }
    if facts and not texts:
        line = ", ".join(f"{name}: {_plain(value)}" for name, value in facts.items())
        yield Sentence(text=clip(one_line(line), MAX_FACT_CHARS), labels=here)


def _plain(value: Json) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _parts(text: str) -> list[str]:
    """The sentences of a text, or the text itself when it is shorter than a sentence."""
    found = sentences(text)
    short = text.strip()
    return found or ([short] if short and len(short) <= MAX_FACT_CHARS else [])


def _records(value: Json, depth: int) -> Iterator[dict[str, Json]]:
    if depth > MAX_DEPTH:
        return
    if isinstance(value, dict):
        yield value
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _records(item, depth + 1)


def _lists(blocks: Sequence[Json]) -> Iterator[tuple[dict[str, Json], ...]]:
    """Every list of objects, and objects that stand side by side with the same keys."""
    side_by_side = tuple(block for block in blocks if isinstance(block, dict))
    if len(side_by_side) > 1 and len({frozenset(block) for block in side_by_side}) == 1:
        yield side_by_side
    for block in blocks:
        yield from _lists_within(block, 0)


def _lists_within(value: Json, depth: int) -> Iterator[tuple[dict[str, Json], ...]]:
    if depth > MAX_DEPTH or not isinstance(value, dict | list):
        return
    if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
        yield tuple(value)
    for item in value.values() if isinstance(value, dict) else value:
        yield from _lists_within(item, depth + 1)


def _error(blocks: Sequence[Json]) -> str:
    for block in blocks:
        if isinstance(block, dict) and block.get("error"):
            error = block["error"]
            return clip(
                one_line(_plain(error.get("message", error) if isinstance(error, dict) else error)), MAX_FACT_CHARS
            )
    return ""


def rank(found: Sequence[Sentence], wanted: frozenset[str]) -> list[Sentence]:
    """Gives the sentences by how well they and their labels meet the wanted stems; equals keep their order.

    Where nothing meets them, the stems that the material itself repeats most are wanted instead, which condenses it.
    Sources take turns, so that the first few sentences do not all come from one.
    """
    if not any(overlap(wanted, item.text) for item in found):
        wanted = _central(found)
    scored = [(-_fitness(item, wanted), index) for index, item in enumerate(found)]
    turns: Counter[str] = Counter()
    ordered = []
    for score, index in sorted(scored):
        source = found[index].source
        ordered.append((turns[source] // MAX_TURN, score, index))
        turns[source] += 1
    return [found[index] for _, _, index in sorted(ordered)]


def _fitness(sentence: Sentence, wanted: frozenset[str]) -> float:
    """Gives how well a sentence meets the wanted stems; one that says little else counts for less."""
    fullness = min(1.0, len(stems(sentence.text)) / FULL_SENTENCE_STEMS)
    return fullness * overlap(wanted, sentence.text) + LABEL_WEIGHT * overlap(wanted, sentence.source)


def _central(found: Sequence[Sentence]) -> frozenset[str]:
    counts = Counter(word for item in found for word in sorted(stems(item.text)))
    return frozenset(word for word, count in counts.most_common(MAX_CENTRAL_STEMS) if count > 1)
