"""What the demo claims, looked up in what the runtime answered and in the documents. Pure, but for reading them."""

import re
from itertools import pairwise
from typing import Any


def sections_of(run: dict[str, Any], workers: dict[str, int]) -> list[dict[str, Any]]:
    """Return the researched sections: heading, worker of the search, and when each began and ended (epoch ms)."""
    return [
        {
            "heading": (step["output"] or {}).get("heading", path),
            "worker": workers.get(path),
            "started_at": step["startedAt"],
            "ended_at": step["endedAt"],
        }
        for path, step in run["steps"].items()
        if re.fullmatch(r"researcher\[\d+\]", path)
    ]


def do_overlap(sections: list[dict[str, Any]]) -> bool:
    """Tell whether two sections were under way at the same moment."""
    ordered = sorted(sections, key=lambda section: section["started_at"])
    return any(after["started_at"] < before["ended_at"] for before, after in pairwise(ordered))


def are_real(text: str, documents: str) -> bool:
    """Look every quotation of the brief up in the documents, once more and from outside."""
    from examples.briefing.documents import load_documents

    everything = " ".join(" ".join(document.text.split()) for document in load_documents(documents))
    quotes = [re.sub(r" \[\d+\]$", "", line[2:]) for line in text.splitlines() if line.startswith("> ")]
    return bool(quotes) and all(quote in everything for quote in quotes)
