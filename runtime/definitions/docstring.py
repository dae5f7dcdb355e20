"""What a Google docstring says of a callable and of its arguments.

Only what the model of an agent should read: the text before the first section, and one line per argument.
"""

import inspect
import re
from typing import Final

_SECTION: Final = re.compile(
    r"^(Args|Arguments|Attributes|Returns|Yields|Raises|Examples?|Notes?|Warnings?|Todo|See Also):\s*$", re.MULTILINE
)
_ARGUMENT: Final = re.compile(r"^\*{0,2}(?P<name>\w+)\s*(?:\([^)]*\))?:\s*(?P<text>.*)$")


def description_of(docstring: str | None) -> str:
    r"""Return the text before the first section.

    >>> description_of("Search.\n\nMore.\n\nArgs:\n    query: Words.")
    'Search.\n\nMore.'
    """
    text = inspect.cleandoc(docstring or "")
    section = _SECTION.search(text)
    return text[: section.start()].strip() if section else text.strip()


def arguments_of(docstring: str | None) -> dict[str, str]:
    r"""Return the description of each argument by name.

    >>> arguments_of("Search.\n\nArgs:\n    query: Words to\n        look for.\n    limit (int): How many.")
    {'query': 'Words to look for.', 'limit': 'How many.'}
    """
    text = inspect.cleandoc(docstring or "")
    found: dict[str, str] = {}
    name = ""
    indent: int | None = None
    is_inside = False
    for line in text.splitlines():
        if _SECTION.match(line):
            is_inside = line.startswith("Arg")
            name, indent = "", None
            continue
        bare = line.strip()
        if not is_inside or not bare:
            continue
        depth = len(line) - len(line.lstrip())
        if depth == 0:
            is_inside = False
            continue
        indent = depth if indent is None else indent
        argument = _ARGUMENT.match(bare) if depth == indent else None
        if argument:
            name = argument["name"]
            found[name] = argument["text"]
        elif name:
            found[name] = f"{found[name]} {bare}".strip()
    return found
