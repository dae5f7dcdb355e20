"""Patterns: strings for a schema's `pattern` and `format`.

Pure. A pattern is walked as Python's own parser reads it, always taking the first way; the caller checks the result,
so what the walk cannot do (look-arounds, back references) is an honest failure and not a wrong string.
"""

import hashlib
import re
from itertools import chain
from re import _parser  # type: ignore[attr-defined]  # the only parser of this dialect; sre_parse warns when imported
from typing import Any, Final

from greenroom.actors.rehearsal.words import key_words

_REPEATS: Final = (0, 1, 2, 4, 8, 16, 32, 64)
_PRINTABLE: Final = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 _-.:/,!?@#$%&*+=()[]{}<>'\"~^|\\"
_CATEGORIES: Final = {
    "CATEGORY_DIGIT": str.isdigit,
    "CATEGORY_SPACE": str.isspace,
    "CATEGORY_WORD": lambda char: char.isalnum() or char == "_",
    "CATEGORY_NOT_DIGIT": lambda char: not char.isdigit(),
    "CATEGORY_NOT_SPACE": lambda char: not char.isspace(),
    "CATEGORY_NOT_WORD": lambda char: not (char.isalnum() or char == "_"),
}

# Fixed moments: rehearsal has no clock, and the same request must give the same bytes.
_FORMATS: Final = {
    "date": "2000-01-01",
    "date-time": "2000-01-01T00:00:00Z",
    "time": "00:00:00Z",
    "duration": "PT1H",
    "email": "rehearsal@example.com",
    "idn-email": "rehearsal@example.com",
    "uri": "https://example.com/rehearsal",
    "url": "https://example.com/rehearsal",
    "uri-reference": "https://example.com/rehearsal",
    "iri": "https://example.com/rehearsal",
    "hostname": "example.com",
    "ipv4": "127.0.0.1",
    "ipv6": "::1",
    "ipvanyaddress": "127.0.0.1",
    "ipv4network": "127.0.0.0/8",
    "ipv6network": "::1/128",
    "byte": "cmVoZWFyc2Fs",
    "base64": "cmVoZWFyc2Fs",
    "json-string": "{}",
    "json-pointer": "/rehearsal",
    "regex": "rehearsal",
}
_IN_TEXT: Final = {
    "date": re.compile(r"\b\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1\d|2[0-8])\b"),
    "date-time": re.compile(
        r"\b\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1\d|2[0-8])T\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)"
    ),
    "time": re.compile(r"\b\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)"),
    "duration": re.compile(r"\bP(?=\d|T\d)(?:\d+[YMWD])*(?:T(?:\d+[HMS])+)?\b"),
    "ipv4": re.compile(r"\b(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)(?:\.(?!$)|\b)){4}\b"),
    "email": re.compile(r"\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+\b"),
    "uri": re.compile(r"\bhttps?://[^\s\"'<>)\]]+[^\s\"'<>)\].,;:!?]"),
    "uuid": re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", re.IGNORECASE),
}


def has_format(name: str, text: str) -> bool:
    """Tells whether a text is of a format; formats that are not known here accept everything."""
    pattern = _IN_TEXT.get(_base_format(name))
    return pattern is None or pattern.fullmatch(text) is not None


def _base_format(name: str) -> str:
    """Gives the format under which another name of it is known here."""
    return "uuid" if name.startswith("uuid") else {"url": "uri", "idn-email": "email"}.get(name, name)


def formatted(name: str, text: str, seed: str) -> str | None:
    """Gives a string of a JSON Schema format, found in the text if it is there; None for an unknown format.

    Args:
        name: the format.
        text: where to look for one first.
        seed: identifiers are made from it.
    """
    pattern = _IN_TEXT.get(_base_format(name)) if name in _FORMATS or name == "uuid" else None
    if pattern and (found := pattern.search(text)):
        return found.group()
    if name.startswith("uuid"):
        digest = hashlib.sha256(seed.encode()).hexdigest()
        version = name[4:] or "4"
        return f"{digest[:8]}-{digest[8:12]}-{version}{digest[13:16]}-8{digest[17:20]}-{digest[20:32]}"
    return _FORMATS.get(name)


def matching(pattern: str, text: str, min_length: int = 0) -> str | None:
    """Gives a string that a pattern accepts: a word of the text, else one made up; None if neither is found.

    Args:
        pattern: a regular expression; it may match anywhere, as JSON Schema has it.
        text: where to look first.
        min_length: shorter strings are not given.
    """
    try:
        compiled = re.compile(pattern)
    except re.error:
        return None
    tokens = [token.strip(".,;:!?()\"'") for token in text.split()]
    slugs = [join.join(key_words(text, 4)).lower() for join in ("-", "_", "")]
    candidates = [text, *tokens, *slugs, *(slug.upper() for slug in slugs)]
    parsed: Any = _parser.parse(pattern)
    made = (_walk(parsed, repeats) for repeats in _REPEATS)
    fitting = (item for item in chain(candidates, made) if item and len(item) >= min_length and compiled.search(item))
    return next(fitting, "" if not min_length and compiled.search("") else None)


def _walk(nodes: Any, repeats: int) -> str:
    """Writes the first string a parsed pattern leads to, repeating at least `repeats` times what may be repeated."""
    written = ""
    for operation, argument in nodes:
        match operation.name:
            case "LITERAL":
                written += chr(argument)
            case "NOT_LITERAL":
                written += next(char for char in _PRINTABLE if char != chr(argument))
            case "ANY":
                written += "a"
            case "IN":
                written += next((char for char in _PRINTABLE if _is_in(char, argument)), _first_of(argument))
            case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
                least, most, inner = argument
                written += _walk(inner, repeats) * min(max(int(least), repeats), int(most))
            case "SUBPATTERN":
                written += _walk(argument[-1], repeats)
            case "ATOMIC_GROUP":
                written += _walk(argument, repeats)
            case "BRANCH":
                written += _walk(argument[1][0], repeats)
            case _:
                continue
    return written


def _is_in(char: str, members: Any) -> bool:
    is_negated, is_member = False, False
    for operation, argument in members:
        match operation.name:
            case "NEGATE":
                is_negated = True
            case "LITERAL":
                is_member |= ord(char) == argument
            case "RANGE":
                is_member |= argument[0] <= ord(char) <= argument[1]
            case "CATEGORY":
                is_member |= _CATEGORIES[argument.name](char)  # type: ignore[no-untyped-call]  # it has no types
            case _:
                continue
    return is_member != is_negated


def _first_of(members: Any) -> str:
    """Gives the first character a set names, for sets outside the printable ones."""
    for operation, argument in members:
        if operation.name in ("LITERAL", "RANGE"):
            return chr(argument if operation.name == "LITERAL" else argument[0])
    return ""
