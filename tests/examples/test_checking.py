"""What `validate` accepts, and the brief as it is written."""

from pathlib import Path

from examples.briefing.brief import Draft, DraftSection, Quote
from examples.briefing.checking import find_problems
from examples.briefing.documents import load_documents
from examples.briefing.markdown import count_quotes, sources_of, to_markdown

TEA = "Black tea is steeped with boiling water for three to five minutes."
COFFEE = "Coffee keeps its aroma for about two weeks after roasting."
BODY = "Tea and coffee want different water, and neither of them wants to wait."


def _draft(*sections: DraftSection) -> Draft:
    given = sections or (_section("Brewing"),)
    return Draft(title="Two drinks", summary="Tea and coffee are brewed in different ways.", sections=list(given))


def _section(heading: str, *quotes: Quote, body: str = BODY) -> DraftSection:
    given = quotes or (Quote(text=TEA, source="tea.md"), Quote(text=COFFEE, source="coffee.txt"))
    return DraftSection(heading=heading, body=body, quotes=list(given))


def _problems(documents: Path, draft: Draft, sections: int = 1) -> list[str]:
    return find_problems(draft, sections, load_documents(str(documents)))


def test_a_complete_draft_with_true_quotes_is_a_brief(documents: Path) -> None:
    """There is nothing to send back."""
    assert _problems(documents, _draft()) == []


def test_a_quote_must_stand_in_the_document_it_names(documents: Path) -> None:
    """An invented sentence, and a true one under another document's name, are sent back."""
    invented = Quote(text="Tea is best with seven lumps of sugar.", source="tea.md")
    moved = Quote(text=TEA, source="coffee.txt")
    nowhere = Quote(text=TEA, source="cocoa.md")
    problems = _problems(documents, _draft(_section("Brewing", invented, moved, nowhere)))
    assert len(problems) == 3
    assert "does not stand in tea.md" in problems[0]
    assert "does not stand in coffee.txt" in problems[1]
    assert "'cocoa.md', which is no document" in problems[2]


def test_a_section_without_enough_quotes_does_not_fit_the_schema(documents: Path) -> None:
    """The schema of a brief asks for two quotes in each section; the place is named."""
    problems = _problems(documents, _draft(_section("Brewing", Quote(text=TEA, source="tea.md"))))
    assert len(problems) == 1
    assert problems[0].startswith("sections.0.quotes:")


def test_every_researched_section_must_be_there(documents: Path) -> None:
    """A draft that leaves a finding out is sent back, and one that repeats itself too."""
    assert _problems(documents, _draft(), sections=3) == ["it has 1 section, and 3 were researched"]
    twice = _problems(documents, _draft(_section("Brewing"), _section("Waiting")), sections=2)
    assert len(twice) == 1
    assert twice[0].startswith("two sections say the same")


def test_the_brief_is_written_with_numbered_sources() -> None:
    """Quotes carry the number of their source; the cover stands below the title."""
    text = to_markdown(_draft(), "What is  better?", cover="two.png", note="well done")
    assert text.startswith("# Two drinks\n\n*What is better?*\n\n![Cover](two.png)\n")
    assert f"> {TEA} [1]" in text
    assert f"> {COFFEE} [2]" in text
    assert text.endswith("## Sources\n\n1. tea.md\n2. coffee.txt\n\n*Approved: well done*\n")


def test_quotes_and_sources_are_counted_once() -> None:
    """A source that is quoted twice is listed once."""
    draft = _draft(_section("Brewing"), _section("Waiting"))
    assert sources_of(draft) == ["tea.md", "coffee.txt"]
    assert count_quotes(draft) == 4
