"""Scalars: strings, numbers, booleans and enum members for a schema, from the words of a conversation. Pure."""

import math
import re
from typing import Final

from greenroom.actors.rehearsal.conversation import Conversation
from greenroom.actors.rehearsal.fields import MARK, Family, Spot, family_of, stated_value, text_for
from greenroom.actors.rehearsal.patterns import formatted, matching
from greenroom.actors.rehearsal.request import Json
from greenroom.actors.rehearsal.words import clip, one_line, overlap, requested_count, stem, stems, words

USUAL_COUNT: Final = 5
MAX_SEARCHED_CHARS: Final = 20_000

_NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?![\w])")
_COUNT_STEMS: Final = frozenset(stem(word) for word in "limit count k n top max size number num results".split())
_YES: Final = frozenset({"true", "yes", "on", "1"})
_NEGATION = re.compile(r"\b(?:not|no|never|without|don't|do not)\b", re.IGNORECASE)


def member_for(members: list[Json], default: Json, conversation: Conversation) -> Json:
    """Gives the enum member that the request names best; if it names none the default, else the first not null."""
    wanted = stems(conversation.ask)
    scores = [overlap(wanted, one_line(str(member).replace("_", " "))) for member in members]
    if members and max(scores) > 0:
        return members[scores.index(max(scores))]
    if default in members:
        return default
    return next((member for member in members if member is not None), None)


def string_for(part: dict[str, Json], spot: Spot, conversation: Conversation) -> str:
    """Gives a string within the part's format, pattern and lengths, as well as it can."""
    least, most = int(part.get("minLength", 0)), part.get("maxLength")
    if spot.is_plain:
        text = str(part["default"]) if isinstance(part.get("default"), str) else spot.name or MARK
    else:
        text = text_for(spot, conversation)
    searched = _searched(conversation)
    if "format" in part:
        made = formatted(part["format"], f"{text} {searched}", f"{conversation.seed}/{spot.name}/{spot.index}")
        if made is not None:
            return made
    if "pattern" in part:
        made = matching(part["pattern"], _fit(text, least, most) if spot.is_plain else text, least)
        made = made if made is not None and made != text else matching(part["pattern"], f"{text} {searched}", least)
        if made is not None and (most is None or len(made) <= most):
            return made
        return matching(part["pattern"], "", least) or text
    is_verbatim = family_of(spot) is Family.QUOTE
    return _fit(text if is_verbatim else text.strip(), least, most)


def _searched(conversation: Conversation) -> str:
    found = (f"{item.text} {' '.join(item.labels.values())}" for item in conversation.evidence)
    return clip(f"{conversation.ask} {' '.join(found)}", MAX_SEARCHED_CHARS)


def _fit(text: str, least: int, most: int | None) -> str:
    """Cuts or repeats a text into its bounds."""
    if len(text) < least:
        repeated = f"{text} " * (least // (len(text) + 1) + 1) if text else "x" * least
        text = repeated.rstrip() if len(repeated.rstrip()) >= least else repeated[:least].replace(" ", "-")
    if most is not None and len(text) > most:
        cut = clip(text, most)
        text = cut if len(cut) >= least else text[:most]
    return text


def number_for(part: dict[str, Json], spot: Spot, conversation: Conversation, *, is_whole: bool) -> int | float:
    """Gives a number within bounds: the one stated for its name, else the default, else one the request mentions."""
    wanted = None if spot.is_plain else _stated_number(spot, conversation)
    if wanted is None and isinstance(part.get("default"), int | float):
        wanted = float(part["default"])
    if wanted is None and not spot.is_plain and spot.is_sparse:
        mentioned = _NUMBER.findall(conversation.ask)
        wanted = float(mentioned[spot.ordinal]) if spot.ordinal < len(mentioned) else None
    if wanted is None:
        is_count = any(stem(word) in _COUNT_STEMS for word in words(spot.name))
        wanted = float(USUAL_COUNT) if is_count else 0.0
    return _bounded(part, wanted, is_whole=is_whole)


def has_number(spot: Spot, conversation: Conversation) -> bool:
    """Tells whether the request states a number for the spot's name."""
    return _stated_number(spot, conversation) is not None


def _stated_number(spot: Spot, conversation: Conversation) -> float | None:
    stated = _NUMBER.match(stated_value(spot.name, conversation.ask))
    if stated:
        return float(stated.group())
    nouns = [spot.name]
    if any(stem(word) in _COUNT_STEMS for word in words(spot.name)):
        nouns += ["results", "hits", "documents", "passages", "sources"]
    counts = (requested_count(conversation.ask, noun) for noun in nouns if noun)
    return next((float(count) for count in counts if count is not None), None)


def _bounded(part: dict[str, Json], wanted: float, *, is_whole: bool) -> int | float:
    step: float | None = part.get("multipleOf", 1 if is_whole else None)
    low: float = part.get("minimum", -math.inf)
    high: float = part.get("maximum", math.inf)
    nudge: float = step if step is not None else _gap(part)
    if "exclusiveMinimum" in part:
        low = max(low, part["exclusiveMinimum"] + nudge)
    if "exclusiveMaximum" in part:
        high = min(high, part["exclusiveMaximum"] - nudge)
    value = min(max(wanted, low), high)
    if step:
        value = round(value / step) * step
        value = math.ceil(low / step) * step if value < low else value
        value = math.floor(high / step) * step if value > high else value
    return int(value) if is_whole or float(value).is_integer() else float(value)


def _gap(part: dict[str, Json]) -> float:
    """A step that stays between two exclusive bounds."""
    lows = [float(part[name]) for name in ("minimum", "exclusiveMinimum") if name in part]
    highs = [float(part[name]) for name in ("maximum", "exclusiveMaximum") if name in part]
    return min(0.5, (min(highs) - max(lows)) / 4) if lows and highs else 0.5


def boolean_for(part: dict[str, Json], spot: Spot, conversation: Conversation) -> bool:
    """Gives what the request states; else the default; else whether the name is asked for and not denied."""
    if stated := stated_value(spot.name, conversation.ask):
        return stated.split()[0].lower() in _YES
    if isinstance(part.get("default"), bool):
        return bool(part["default"])
    wanted = stems(spot.name.replace("_", " "))
    clauses = re.split(r"[,.;!?\n]", conversation.ask)
    return any(wanted and wanted <= stems(clause) and not _NEGATION.search(clause) for clause in clauses)
