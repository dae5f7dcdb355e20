"""The toolbox: which tools a request calls for, and with which arguments.

Pure. One round of calls for each request: when tools have answered, it is time to write, unless the request names
tools to use one after another ("first search, then draw"), or forces a call.
"""

import json
import re
from dataclasses import dataclass, replace
from typing import Final

from greenroom.actors.rehearsal.conversation import Conversation
from greenroom.actors.rehearsal.fill import fill, is_single_text
from greenroom.actors.rehearsal.request import ChatRequest, FunctionSpec, NamedChoice
from greenroom.actors.rehearsal.words import STOP_WORDS, key_words, phrases, stem, words

MAX_PARALLEL_CALLS: Final = 16
MIN_OWN_KEY_WORDS: Final = 3
SMALL_TALK: Final = frozenset("bye day good goodbye hello hey hi evening morning ok okay thank thanks welcome".split())

NAME_WEIGHT: Final = 3.0
DESCRIPTION_WEIGHT: Final = 1.0
KIND_WEIGHT: Final = 1.5
INSTRUCTED_WEIGHT: Final = 0.4
LOOK_UP_WEIGHT: Final = 0.5
DELEGATE_WEIGHT: Final = 0.25


def _kind(text: str) -> frozenset[str]:
    return frozenset(stem(word) for word in text.split())


# Words that mean one kind of work: a request and a tool that both have one of a kind fit each other.
_LOOK_UP: Final = _kind(
    "answer browse cite documents explain fetch find how investigate knowledge learn look lookup passages query quote"
    " read recall research retrieve search sources what when where which who why wiki"
)
_DELEGATE: Final = _kind(
    "agent assign ask assistant delegate expert handoff researcher specialist subagent worker writer"
)
_KINDS: Final = (
    _DELEGATE,
    _kind("cover draw illustrate illustration image paint photo picture render sketch"),
    _kind("audit check lint validate validation verify"),
    _kind(
        "add arithmetic calculate calculator compute divide math minus multiply number plus sum subtract times total"
    ),
    _kind("persist publish save store write"),
    _kind("deliver email mail message notify send"),
    _kind("clock date now time today"),
    _kind("forecast rain temperature weather"),
    _kind("delete drop erase remove"),
)
_SEQUENCE = re.compile(r"\b(?:then|after(?:wards| that)?|finally|next|lastly)\b", re.IGNORECASE)
_GENERIC: Final = _kind("use tool call function given return result text string value")


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A tool call: the name and the arguments as JSON text, which a scripted fault may have damaged."""

    name: str
    arguments: str


def choose_calls(request: ChatRequest, conversation: Conversation) -> tuple[Call, ...]:
    """Gives the calls to make now, none when it is time to write.

    Guarantees: arguments validate against the tool's schema; without `parallel_tool_calls` there is at most one call.

    Raises:
        UnsatisfiableSchema: a chosen tool's parameters are no schema or have no instance.
    """
    chosen = _chosen(request, conversation)
    calls: list[Call] = []
    for tool in chosen:
        parameters = {"type": "object", **tool.parameters}
        is_for_each = len(chosen) == 1 and len(conversation.items) > 1 and is_single_text(parameters)
        asks = [_about_item(item, conversation) for item in conversation.items] if is_for_each else [conversation]
        for ask in asks:
            arguments = fill(parameters, ask, is_sparse=True)
            calls.append(Call(name=tool.name, arguments=json.dumps(arguments, ensure_ascii=False)))
    return tuple(calls[: MAX_PARALLEL_CALLS if request.parallel_tool_calls else 1])


def _about_item(item: str, conversation: Conversation) -> Conversation:
    """Gives the conversation about one listed task; a short one is told what it belongs to."""
    if len(key_words(item)) >= MIN_OWN_KEY_WORDS:
        return replace(conversation, ask=item, items=())
    listed = {word for other in conversation.items for word in words(other)}
    context = [word for word in key_words(conversation.gist) if word.lower() not in listed and _is_topic(word)]
    return replace(conversation, ask=f"{item} ({' '.join(context)})" if context else item, items=())


def _is_topic(word: str) -> bool:
    """Tells words of the matter from the instruction words that `key_words` falls back to."""
    return bool(phrases(word))


def _chosen(request: ChatRequest, conversation: Conversation) -> list[FunctionSpec]:
    tools = [tool.function for tool in request.tools]
    match request.tool_choice:
        case NamedChoice(function=named):
            return [tool for tool in tools if tool.name == named.name][:1]
        case "none":
            return []
        case "required":
            return _fitting(tools, conversation) or tools[:1]
        case "auto":
            return _next_named(tools, conversation) if conversation.called else _fitting(tools, conversation)


def _next_named(tools: list[FunctionSpec], conversation: Conversation) -> list[FunctionSpec]:
    """Gives the next tool of a request that names several in a sequence."""
    if not _SEQUENCE.search(conversation.ask):
        return []
    return [tool for tool in _named(tools, conversation.ask) if tool.name not in conversation.called][:1]


def _fitting(tools: list[FunctionSpec], conversation: Conversation) -> list[FunctionSpec]:
    """Gives the tools a request names, else the one that fits best, if any does."""
    allowed = [tool for tool in tools if not _is_forbidden(tool, conversation.ask)]
    if named := _named(allowed, conversation.ask):
        return named[:1] if _SEQUENCE.search(conversation.ask) else named
    scores = [fitness(tool, conversation) for tool in allowed]
    best = max(scores, default=0.0)
    return [allowed[scores.index(best)]] if best > 0 else []


def _named(tools: list[FunctionSpec], text: str) -> list[FunctionSpec]:
    """Gives the tools whose names stand in a text, in the order they do."""
    found = [(match.start(), tool.name, tool) for tool in tools if (match := _mention(tool).search(text))]
    return [tool for _, _, tool in sorted(found, key=lambda item: item[:2])]


def _mention(tool: FunctionSpec) -> re.Pattern[str]:
    name = r"[\s_-]?".join(map(re.escape, re.split(r"[_-]", tool.name)))
    return re.compile(rf"(?<![\w-]){name}(?![\w-])", re.IGNORECASE)


def _is_forbidden(tool: FunctionSpec, text: str) -> bool:
    before = r"\b(?:do not|don['’]t|never|without|no need to)\s+(?:\w+\s+){0,3}[`'\"]?"
    return bool(re.search(before + _mention(tool).pattern, text, re.IGNORECASE))


def fitness(tool: FunctionSpec, conversation: Conversation) -> float:
    """Gives how well a tool suits a request; 0 is not at all.

    Counts words shared with its name and description, words of the same kind of work, and a mention in the system
    prompt. A tool that looks things up suits any topic a little.
    """
    asked = {stem(word) for word in words(conversation.ask)}
    about = {word.lower() for word in key_words(conversation.ask)} - SMALL_TALK
    if not about:
        return 0.0
    meaning = {stem(word) for word in words(conversation.ask) if word not in STOP_WORDS} - _GENERIC
    name = {stem(word) for word in words(tool.name)}
    description = {stem(word) for word in words(tool.description) if word not in STOP_WORDS} - _GENERIC - name
    score = NAME_WEIGHT * len(name & meaning) + DESCRIPTION_WEIGHT * len(description & meaning)
    score += KIND_WEIGHT * sum(bool(kind & asked and kind & name) for kind in _KINDS)
    score += KIND_WEIGHT / 2 * sum(bool(kind & asked and kind & description) for kind in _KINDS)
    looks_up, delegates = bool(_LOOK_UP & (name | description)), bool(_DELEGATE & (name | description))
    if _mention(tool).search(conversation.instructions):
        score += INSTRUCTED_WEIGHT + (LOOK_UP_WEIGHT if looks_up or delegates else 0.0)
    score += LOOK_UP_WEIGHT * (1 + bool(_LOOK_UP & asked)) if looks_up else 0.0
    return score + (DELEGATE_WEIGHT * (1 + (len(conversation.items) > 1) * 4) if delegates else 0.0)
