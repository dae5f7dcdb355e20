"""Words: how rehearsal reads text: words, stems, key words, phrases, sentences, list items and counts.

Pure functions over strings; knows no message, no schema and no wire. The same text always gives the same result.
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

MAX_SENTENCE_CHARS: Final = 600
MIN_SENTENCE_CHARS: Final = 25
MAX_LIST_ITEMS: Final = 64
MAX_CACHED_STEMS: Final = 16_384
MIN_ROOT_CHARS: Final = 3
MIN_ROOT_BEFORE_E: Final = 4
MIN_SENTENCE_WORDS: Final = 4
MIN_LETTER_SHARE: Final = 0.7
MAX_COUNT_DIGITS: Final = 4

STOP_WORDS: Final = frozenset(
    """a about above after again all also am an and any are as at be because been before being below between both but
    by can cannot could did do does doing down during each few for from further had has have having he her here hers
    him his how i if in into is it its itself just let like ll me more most my no nor not now of off on once only or
    other our ours out over own per re s same shall she should so some such t than that the their theirs them then
    there these they this those through to too under until up us ve very via was we were what when where which while
    who whom why will with within without would you your yours""".split()
)

# Words that say what to do with a request rather than what it is about: kept out of topics and queries.
INSTRUCTION_WORDS: Final = frozenset(
    """answer brief briefly bullet call called cite delegate describe detail details detailed draft explain explicitly
    find first following give given gives help hit item items information json key list long look make name need needs
    outline paragraph plan please points produce provide question quote reply report request research researcher
    response result return search second section sections sentence sentences short show step summarise summarize
    summary tell tool tools topic topics try use using want word words work worker write""".split()
)

NUMBER_WORDS: Final = {
    word: number
    for number, word in enumerate("zero one two three four five six seven eight nine ten eleven twelve".split())
}

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)?")
_TOKEN = re.compile(r"[^\W_]+(?:['’_.-][^\W_]+)*|[^\w\s]")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_SENTENCE_END = re.compile(r"(?<=[.!?])[\"'”’)\]]*\s+(?=[\"'“‘(\[]?[A-Z0-9À-Ý])")
_ABBREVIATION = re.compile(r"(?:\b(?:e\.g|i\.e|etc|vs|cf|mr|mrs|dr|no|fig|approx)|\b[A-Z])\.$", re.IGNORECASE)
_BLOCK_BREAK = re.compile(r"\n\s*\n|\n(?=\s*(?:[-*+•>#|]|\d+[.)])\s)|\n(?=[=~^-]{3,})")
_LIST_ITEM = re.compile(r"^[ \t]*(?:[-*•+]|\(?\d{1,3}[.):])[ \t]+(?P<item>\S.*)$", re.MULTILINE)
_CODE = re.compile(r"(?: {4}|\t)")
_FULL_STOP = re.compile(r"[.!?…][\"'”’)\]*_`]*$")
_LIST_MARK = re.compile(r"^\s*(?:[-*•+>]|#{1,6}|\d{1,3}[.)])\s+")
_MARKUP = re.compile(r"!\[|\]\(|```|~~~|>>>|\.\. |::|\|.*\||={3,}|<[a-z/!]|https?://\S+$|^\W*\$ |[{}]|\\")


def words(text: str) -> list[str]:
    """Gives the words of a text in order, lower-cased, with snake_case and camelCase names taken apart."""
    return [match.lower() for match in _WORD.findall(_CAMEL.sub(" ", text))]


@lru_cache(maxsize=MAX_CACHED_STEMS)
def stem(word: str) -> str:
    """Gives a crude root of a lower-case English word, so that plural and verb forms of one word meet."""
    for suffix, replacement in (("ies", "y"), ("sses", "ss"), ("ing", ""), ("edly", ""), ("ed", ""), ("es", "")):
        if word.endswith(suffix) and len(word) - len(suffix) >= MIN_ROOT_CHARS:
            return _undouble(word[: -len(suffix)] + replacement)
    if word.endswith("s") and not word.endswith(("ss", "us", "is")) and len(word) > MIN_ROOT_CHARS:
        word = word[:-1]
    return word[:-1] if word.endswith("e") and len(word) > MIN_ROOT_BEFORE_E else word


def _undouble(root: str) -> str:
    """Drops the doubled consonant that `planning` and `fitted` leave behind, and a trailing `e`."""
    if len(root) > MIN_ROOT_CHARS and root[-1] == root[-2] and root[-1] not in "aeiouls":
        return root[:-1]
    return root[:-1] if root.endswith("e") and len(root) > MIN_ROOT_BEFORE_E else root


_INSTRUCTIONS: Final = frozenset(stem(word) for word in INSTRUCTION_WORDS)


def stems(text: str) -> frozenset[str]:
    """Gives the stems of the words that carry meaning."""
    return frozenset(stem(word) for word in words(text) if word not in STOP_WORDS)


def key_words(text: str, limit: int = 8) -> list[str]:
    """Gives the words a text is about, each once, in order and in their own spelling.

    Falls back to instruction words, then to every word, so that a text with any word at all gives at least one.
    """
    found: list[str] = _WORD.findall(text)
    for is_wanted in (_is_topical, lambda word: word not in STOP_WORDS, bool):
        kept = {word.lower(): word for word in reversed(found) if is_wanted(word.lower())}
        if kept:
            return list(reversed(kept.values()))[:limit]
    return []


def _is_topical(word: str) -> bool:
    """Tells a lower-case word that says what a request is about from one that says what to do."""
    return not (word in STOP_WORDS or word in NUMBER_WORDS or word in INSTRUCTION_WORDS or stem(word) in _INSTRUCTIONS)


def phrases(text: str, limit: int = 8, max_words: int = 4) -> list[str]:
    """Gives the runs of key words, each once, in order (RAKE's candidate phrases: Rose et al., 2010, §1.2).

    Args:
        text: any text.
        limit: how many at most.
        max_words: a longer run is taken apart.
    """
    found: dict[str, str] = {}
    run: list[str] = []
    for token in [*_TOKEN.findall(text), ""]:
        is_topical = bool(token) and token[0].isalnum() and not token.isdigit() and _is_topical(token.lower())
        if run and (not is_topical or len(run) == max_words):
            phrase = " ".join(run)
            found.setdefault(phrase.lower(), phrase)
            run = []
        if is_topical:
            run.append(token)
    return list(found.values())[:limit]


def sentences(text: str) -> list[str]:
    """Gives the sentences of a text verbatim (inner line breaks kept), without markup, code and headings.

    Every sentence is a substring of the text, so that it can be quoted. Lines that end without a full stop count only
    where no other line has one.
    """
    blocks = [block.strip("\n") for block in _BLOCK_BREAK.split(text)]
    prose = [_LIST_MARK.sub("", block).strip() for block in blocks if not _CODE.match(block)]
    found = [part for block in prose for part in _split_block(block) if _is_readable(part)]
    return [part for part in found if _FULL_STOP.search(part)] or found


def _split_block(block: str) -> Iterable[str]:
    start = 0
    for match in _SENTENCE_END.finditer(block):
        head = block[start : match.start()]
        if _ABBREVIATION.search(head):
            continue
        yield (head + match.group().rstrip()).strip()
        start = match.end()
    yield block[start:].strip()


def _is_readable(sentence: str) -> bool:
    letters = sum(char.isalpha() or char.isspace() for char in sentence)
    return (
        MIN_SENTENCE_CHARS <= len(sentence) <= MAX_SENTENCE_CHARS
        and len(words(sentence)) >= MIN_SENTENCE_WORDS
        and letters / len(sentence) > MIN_LETTER_SHARE
        and not _MARKUP.search(sentence)
    )


def list_items(text: str) -> list[str]:
    """Gives the items of the numbered or bulleted list in a text; empty when there are fewer than two."""
    found = [match["item"].strip() for match in _LIST_ITEM.finditer(text)]
    return found[:MAX_LIST_ITEMS] if len(found) > 1 else []


def requested_count(text: str, noun: str) -> int | None:
    """Gives the number a text asks for of something: "three sections", "sections: 3", "top 3 sections".

    Args:
        text: what was asked.
        noun: what is counted, singular or plural; `_` stands for a space.
    """
    wanted = stem(words(noun)[-1]) if words(noun) else ""
    if not wanted:
        return None
    tokens = words(text)
    for index, token in enumerate(tokens):
        number = int(token) if token.isdigit() and len(token) <= MAX_COUNT_DIGITS else NUMBER_WORDS.get(token)
        if number is not None and any(stem(word) == wanted for word in tokens[index + 1 : index + 4]):
            return number
    after = re.search(rf"\b{re.escape(noun)}\b[\"'`]?\s*(?:[:=]|is|are|of|to)\s*(\d{{1,4}})\b", text, re.IGNORECASE)
    return int(after[1]) if after else None


def overlap(wanted: frozenset[str], text: str) -> float:
    """Gives how well a text meets the wanted stems: matches, slightly discounted by the text's length."""
    have = stems(text)
    return len(wanted & have) / (1.0 + len(have) / 40.0) if have else 0.0


def one_line(text: str) -> str:
    """Gives the text with every run of white space made one blank."""
    return " ".join(text.split())


def clip(text: str, max_chars: int) -> str:
    """Gives at most `max_chars` of a text, cut between words when one ends in the second half."""
    if len(text) <= max_chars:
        return text
    head = text[:max_chars]
    cut = head.rfind(" ")
    return (head[:cut] if cut > max_chars // 2 else head).rstrip()


def title(text: str) -> str:
    """Gives a text as a heading: one line, first letter large, no full stop."""
    line = one_line(text).rstrip(" .:;,?!")
    return line[:1].upper() + line[1:]
