"""The documents a brief is made from: a folder of texts, or the long descriptions of the installed packages.

What is quoted later is quoted from the text as it is kept here, so everything that is no prose is taken out once, here.
"""

import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message
from importlib import metadata
from pathlib import Path
from typing import Final

SUFFIXES: Final = frozenset({".md", ".markdown", ".rst", ".txt", ".text"})
MAX_DOCUMENTS: Final = 5_000
MAX_CHARS: Final = 400_000
MIN_CHARS: Final = 80

_NO_PROSE: Final = (
    re.compile(r"^(```|~~~).*?^\1[^\n]*$", re.DOTALL | re.MULTILINE),
    re.compile(r"<!--.*?-->", re.DOTALL),
    re.compile(r"<(style|script|table|details|svg)\b.*?</\1>", re.DOTALL | re.IGNORECASE),
    re.compile(r"</?[a-zA-Z][^>\n]{0,400}>"),
    re.compile(r"\[!\[[^\]]*\]\([^)]*\)\]\([^)]*\)|!\[[^\]]*\]\([^)]*\)|!\[[^\]]*\]\[[^\]]*\]"),
    re.compile(r"^\.\. .*\n(?:[ \t]+\S.*\n|[ \t]*\n(?=[ \t]+\S))*", re.MULTILINE),
    re.compile(r"^\[[^\]\n]+\]:[ \t].*$", re.MULTILINE),
    re.compile(r"^(?:\|.*\||[=~^*#+\-_\"'`]{3,})[ \t]*$", re.MULTILINE),
    re.compile(r"^(?: {4,}|\t|>>> |\.\.\. |\$ ).*$", re.MULTILINE),
)
_LINKS: Final = (
    (re.compile(r"\[([^\]\n]+)\]\([^)\n]*\)|\[([^\]\n]+)\]\[[^\]\n]*\]"), lambda match: match[1] or match[2]),
    (re.compile(r"`+([^`<]{1,200}?)\s*(?:<[^>]*>)?`+_{0,2}"), lambda match: match[1]),
    (re.compile(r"(\*\*|__)(\S(?:[^\n]*?\S)?)\1"), lambda match: match[2]),
    (re.compile(r"\b([A-Za-z][\w.-]*[A-Za-z0-9])_{1,2}(?=[\s,.;:)]|$)"), lambda match: match[1]),
)
_HISTORY: Final = re.compile(
    r"^[# ]*(?:change ?log|changes|history|release (?:notes|history))\W*$", re.IGNORECASE | re.MULTILINE
)


class DocumentsUnreadable(Exception):
    """There is nothing to read: the message names the folder and says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One text. `source` names it in the brief."""

    source: str
    title: str
    text: str


@functools.lru_cache(maxsize=4)
def load_documents(folder: str = "") -> tuple[Document, ...]:
    """Return the documents of a folder, or without one the installed packages' descriptions; read once per process.

    Raises:
        DocumentsUnreadable: The folder is missing, cannot be read, or holds no text.
    """
    found = tuple(_of_folder(Path(folder).expanduser()) if folder else _of_packages())
    if not found:
        where = f"{folder} holds no text ({', '.join(sorted(SUFFIXES))})" if folder else "no package describes itself"
        raise DocumentsUnreadable(f"{where}; choose a folder with documents, or none for the installed packages")
    return found


def _of_folder(folder: Path) -> Iterator[Document]:
    try:
        if not folder.is_dir():
            problem = "is a file, not a folder" if folder.exists() else "does not exist"
            raise DocumentsUnreadable(f"the documents folder {folder} {problem}; choose one with text files in it")
        next(folder.iterdir(), None)  # `rglob` would pass over a folder that may not be listed
        paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
        for path in paths[:MAX_DOCUMENTS]:
            text = prose(path.read_text("utf-8", errors="replace")[:MAX_CHARS])
            if text:
                yield Document(source=path.relative_to(folder).as_posix(), title=_first_line(text), text=text)
    except OSError as error:
        raise DocumentsUnreadable(f"{error.filename or folder} cannot be read: {error.strerror or error}") from None


def _of_packages() -> Iterator[Document]:
    seen = set[str]()
    for package in metadata.distributions():
        about = package.metadata
        name = about["Name"]
        # A history of releases says little about what a package is.
        text = prose(_HISTORY.split(_description(about), maxsplit=1)[0][:MAX_CHARS])
        if name and name.lower() not in seen and len(text) >= MIN_CHARS:
            seen.add(name.lower())
            yield Document(source=f"{name} {package.version}", title=about["Summary"] or name, text=text)


def _description(about: metadata.PackageMetadata) -> str:
    """Return a package's long description: the body of its metadata, or a field of older ones."""
    return str((about.get_payload() if isinstance(about, Message) else None) or about["Description"] or "")


def prose(text: str) -> str:
    r"""Return what is prose in Markdown, reStructuredText or plain text: without code, markup, badges and tables.

    >>> prose("# Title\n\n[![x](y)](z)\nIt is **fast**, see [docs](http://a.b).\n\n```\ncode\n```")
    'Title\n\nIt is fast, see docs.'
    """
    text = text.replace("\r\n", "\n")
    for pattern in _NO_PROSE:
        text = pattern.sub("", text)
    for pattern, replacement in _LINKS:
        text = pattern.sub(replacement, text)
    text = re.sub(r"^[ \t]*(?:#+|[-*+]|\d+\.)[ \t]+", "", text, flags=re.MULTILINE)
    return re.sub(r"\n{3,}", "\n\n", re.sub(r"[ \t]+$", "", text, flags=re.MULTILINE)).strip()


def _first_line(text: str) -> str:
    return text.split("\n", 1)[0][:120]
