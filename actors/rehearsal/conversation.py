"""Conversations: a chat request read for what is asked, what there is to quote, and which tools have answered.

Pure: the same request reads the same. Everything the stand-in decides, it decides from a `Conversation`.
"""

import ast
import contextlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from greenroom.actors.rehearsal.evidence import Pool, Sentence, json_blocks, passages_of, rank, read_pool
from greenroom.actors.rehearsal.request import ChatRequest, Json, Message
from greenroom.actors.rehearsal.words import (
    INSTRUCTION_WORDS,
    MAX_LIST_ITEMS,
    clip,
    key_words,
    list_items,
    one_line,
    overlap,
    phrases,
    sentences,
    stems,
    title,
    words,
)

MAX_WANTED_WORDS: Final = 40
MAX_GIST_CHARS: Final = 280
MIN_MATERIAL_CHARS: Final = 300

_FEEDBACK = re.compile(
    r"fail(?:ed|s)? (?:the )?validation|validation (?:errors?|failed)|(?:does|did) not (?:validate|match the schema)"
    r"|not valid (?:json|against)|^errors?:",
    re.IGNORECASE | re.MULTILINE,
)
_TAGGED = re.compile(r"<(?P<tag>[a-zA-Z_][\w-]*)[^>\n]*>(?P<body>.*?)</(?P=tag)>", re.DOTALL)
_FENCED = re.compile(r"^```[^\n]*\n(?P<body>.*?)^```", re.DOTALL | re.MULTILINE)
_MATERIAL_HEAD = re.compile(
    r"^[#*\s]*(?:\w+\s+){0,2}(?:articles?|background|context|data|documents?|draft|evidence|excerpts?|findings?|material|notes?"
    r"|passages?|results?|sources?|texts?|transcript)\b[^\n:]{0,30}:[*\s]*",
    re.IGNORECASE,
)
_FOCUS_LINE = re.compile(
    r"^[ \t]*(?:question|topic|subject|theme|query)[ \t]*:[ \t]*(?P<focus>\S.*)$", re.IGNORECASE | re.MULTILINE
)
_QUESTION = re.compile(r"[^.:!?\n]{12,}\?")
# Not behind a key: a list inside a written-out dict is data, not tasks.
_PYTHON_LIST = re.compile(r"(?<!': )\[\s*(?:'[^'\n]*'|\"[^\"\n]*\")(?:\s*,\s*(?:'[^'\n]*'|\"[^\"\n]*\"))+\s*\]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """What a request asks for and offers.

    `evidence` is everything worth quoting, best first; `results` are the tool results since the request was made, in
    the order of their calls; `prompt` is the material pasted into the request.
    """

    ask: str
    instructions: str = ""
    items: tuple[str, ...] = ()
    results: tuple[Pool, ...] = ()
    called: tuple[str, ...] = ()
    prompt: Pool = field(default_factory=lambda: Pool(origin=""))
    evidence: tuple[Sentence, ...] = ()
    seed: str = ""

    @property
    def focus(self) -> str:
        """The part of the request that says what it is about: a line "Question: …", its last question, or all of it."""
        if stated := _FOCUS_LINE.search(self.ask):
            return stated["focus"].strip()
        return next((match.group().strip() for match in reversed(list(_QUESTION.finditer(self.ask)))), self.ask)

    @property
    def wanted(self) -> frozenset[str]:
        """The stems that a fitting sentence has."""
        return stems(" ".join(key_words(self.focus, MAX_WANTED_WORDS)))

    @property
    def topic(self) -> str:
        """What it is about, as a heading."""
        return title(", ".join(phrases(self.focus, limit=2)) or " ".join(key_words(self.focus)) or "Untitled")

    @property
    def gist(self) -> str:
        """The request in its own words, without material and lists, on one line."""
        lines = [line for line in self.ask.splitlines() if not list_items(f"{line}\n{line}")]
        return clip(one_line(" ".join(lines)) or one_line(self.ask), MAX_GIST_CHARS)

    @property
    def pools(self) -> tuple[Pool, ...]:
        """Everything that holds records, the tool results first."""
        return (*self.results, self.prompt)

    def holding(self, record: dict[str, Json]) -> "Conversation":
        """Gives the conversation with one record for its evidence, if there is a sentence in it."""
        found = passages_of(record)
        return replace(self, evidence=tuple(rank(found, self.wanted))) if found else self

    def narrowed(self, index: int, count: int) -> "Conversation":
        """Gives the share of one of `count` entries: the result of its own tool call, or every count-th sentence."""
        if count == len(self.results) and count > 1:
            pool = self.results[index]
            asked = pool.asked or self.ask
            return replace(self, ask=asked, evidence=tuple(rank(pool.sentences, stems(asked))), results=(pool,))
        share = self.evidence[index::count] if index < len(self.evidence) else self.evidence
        return replace(self, evidence=share)


def read_conversation(request: ChatRequest, seed: str = "") -> Conversation:
    """Reads a request.

    Args:
        request: a checked request.
        seed: the request's fingerprint, from which made-up identifiers are made.
    """
    messages = request.messages
    start = _anchor(messages)
    said = "\n\n".join(message.text for message in messages[start:] if message.role == "user")
    ask, material = split_prompt(said)
    prompt = read_pool(material, origin="") if material else Pool(origin="")
    results, called = _read_results(messages, start)
    conversation = Conversation(
        ask=ask,
        instructions="\n".join(message.text for message in messages if message.role in ("system", "developer")),
        items=tuple(_items(ask, said)),
        results=results,
        called=called,
        prompt=prompt,
        seed=seed,
    )
    return replace(conversation, evidence=_evidence(conversation, messages, start))


def _anchor(messages: Sequence[Message]) -> int:
    """Gives where the request begins: the last user message, or the one before it that it sends back for correction."""
    asked = [index for index, message in enumerate(messages) if message.role == "user"]
    while len(asked) > 1 and _FEEDBACK.search(messages[asked[-1]].text):
        asked.pop()
    return asked[-1] if asked else 0


def _read_results(messages: Sequence[Message], start: int) -> tuple[tuple[Pool, ...], tuple[str, ...]]:
    """Reads the tool results since `start`, and the names of the tools that gave them."""
    calls = {call.id: call.function for message in messages for call in message.tool_calls or ()}
    pools = []
    for message in messages[start:]:
        if message.role == "tool" and message.tool_call_id in calls:
            call = calls[message.tool_call_id]
            pools.append(read_pool(message.text, origin=call.name, asked=_longest_text(call.arguments)))
    return tuple(pools), tuple(pool.origin for pool in pools)


def _longest_text(arguments: str) -> str:
    blocks, _ = json_blocks(arguments)
    texts = [value for block in blocks if isinstance(block, dict) for value in block.values() if isinstance(value, str)]
    return max(texts, key=len, default="")


def _evidence(conversation: Conversation, messages: Sequence[Message], start: int) -> tuple[Sentence, ...]:
    """Gives what to quote: results and pasted material; without any, earlier words of the thread that fit."""
    wanted = conversation.wanted
    found = [item for pool in conversation.results for item in pool.sentences]
    found += conversation.prompt.sentences
    if found:
        return tuple(rank(found, wanted))
    earlier, _ = _read_results(messages[:start], 0)
    remembered = [item for pool in earlier for item in pool.sentences]
    for message in messages[:start]:
        if message.role == "user":
            remembered += read_pool(message.text, origin="earlier in this thread").sentences
        elif message.role in ("system", "developer"):
            for tagged in _TAGGED.finditer(message.text):
                remembered += read_pool(tagged["body"], origin=tagged["tag"]).sentences
    return tuple(rank([item for item in remembered if overlap(wanted, item.text)], wanted))


def split_prompt(text: str) -> tuple[str, str]:
    """Parts a prompt into what it asks and the material it brings along.

    Material is what stands in tags, fences or JSON, below a heading such as "Findings:", or in long paragraphs beside
    a shorter request.
    """
    material = [match["body"] for match in (*_TAGGED.finditer(text), *_FENCED.finditer(text))]
    bare = _FENCED.sub("\n\n", _TAGGED.sub("\n\n", text))
    blocks, bare = json_blocks(bare)
    objects = [block for block in blocks if isinstance(block, dict) or any(isinstance(item, dict) for item in block)]
    material += [json.dumps(block, ensure_ascii=False) for block in objects]
    asks: list[str] = []
    paragraphs = [part for part in re.split(r"\n\s*\n", bare) if part.strip()]
    is_below_head = False
    for paragraph in paragraphs:
        head = _MATERIAL_HEAD.match(paragraph)
        is_below_head = bool(head) or (is_below_head and not _is_request(paragraph))
        is_long = len(paragraph) > MIN_MATERIAL_CHARS and len(sentences(paragraph)) > 1 and len(paragraphs) > 1
        if is_below_head or (is_long and not _is_request(paragraph)):
            material.append(paragraph[head.end() :] if head else paragraph)
        else:
            asks.append(paragraph)
    if not material and len(asks) == 1:
        return _split_at_colon(asks[0])
    return "\n\n".join(asks).strip() or one_line(clip(text, MAX_GIST_CHARS)), "\n\n".join(material).strip()


def _split_at_colon(paragraph: str) -> tuple[str, str]:
    """Parts "Summarise this: …" when at least two sentences follow the colon."""
    head, colon, body = paragraph.partition(":")
    if colon and "\n" not in head and len(sentences(body)) > 1 and not list_items(body):
        return head.strip(), body.strip()
    return paragraph.strip(), ""


def _is_request(paragraph: str) -> bool:
    """Tells whether a paragraph asks for something: a question, a list of tasks, or an imperative first word."""
    first = next(iter(words(paragraph)), "")
    return paragraph.rstrip().endswith("?") or first in INSTRUCTION_WORDS or bool(list_items(paragraph))


def _items(ask: str, said: str) -> list[str]:
    """Gives the listed tasks of a request: list lines, or a list of texts written as JSON or Python."""
    if found := list_items(ask):
        return found
    blocks, bare = json_blocks(said)
    lists = [block for block in blocks if isinstance(block, list) and all(isinstance(item, str) for item in block)]
    for match in _PYTHON_LIST.finditer(bare):
        with contextlib.suppress(ValueError, SyntaxError):
            lists.append(ast.literal_eval(match.group()))
    return next((found[:MAX_LIST_ITEMS] for found in lists if len(found) > 1), [])
