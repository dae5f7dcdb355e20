"""The brief as Markdown, with its sources numbered. Pure."""

from examples.briefing.brief import Draft


def sources_of(draft: Draft) -> list[str]:
    """Return the documents a draft quotes, in the order they are first quoted."""
    return list(dict.fromkeys(quote.source for section in draft.sections for quote in section.quotes))


def count_quotes(draft: Draft) -> int:
    """Return how many quotations a draft has."""
    return sum(len(section.quotes) for section in draft.sections)


def to_markdown(draft: Draft, question: str, *, cover: str | None = None, note: str = "") -> str:
    """Return the brief: cover, summary, sections with quotations, sources.

    Args:
        cover: File name of the cover, beside the brief.
        note: What the person who approved it said.
    """
    sources = sources_of(draft)
    parts = [f"# {_line(draft.title)}", f"*{_line(question)}*"]
    if cover:
        parts.append(f"![Cover]({cover})")
    parts.append(draft.summary.strip())
    for section in draft.sections:
        parts += [f"## {_line(section.heading)}", section.body.strip()]
        parts += [f"> {_line(quote.text)} [{sources.index(quote.source) + 1}]" for quote in section.quotes]
    parts.append("## Sources")
    parts.append("\n".join(f"{number}. {_line(source)}" for number, source in enumerate(sources, start=1)))
    if note:
        parts.append(f"*Approved: {_line(note)}*")
    return "\n\n".join(parts) + "\n"


def _line(text: str) -> str:
    return " ".join(text.split())
