"""The search of the briefing: what it finds, and that it quotes."""

from pathlib import Path

from examples.briefing.documents import load_documents
from examples.briefing.search import Index, passages


def _index(documents: Path) -> Index:
    return Index(load_documents(str(documents)))


def test_the_passage_that_says_most_about_it_comes_first(documents: Path) -> None:
    """Rare words weigh more than common ones; forms of a word are one word."""
    index = _index(documents)
    assert index.search("pressing an espresso")[0].source == "coffee.txt"
    assert index.search("How is green tea steeped?")[0].source == "tea.md"
    assert index.search("hard water")[0].source == "notes/water.rst"


def test_a_hit_quotes_its_document_word_for_word(documents: Path) -> None:
    """Every quote stands in the text of the document it names."""
    texts = {document.source: " ".join(document.text.split()) for document in load_documents(str(documents))}
    hits = _index(documents).search("tea coffee water", limit=9)
    assert hits
    assert all(hit.quote in texts[hit.source] for hit in hits)


def test_one_document_does_not_fill_the_page(documents: Path) -> None:
    """At most two passages of a document are given, and never more than asked for."""
    hits = _index(documents).search("brewed tea coffee water steeped roasted", limit=4)
    assert max(sum(hit.source == source for hit in hits) for source in {hit.source for hit in hits}) <= 2
    assert len(_index(documents).search("tea", limit=1)) == 1


def test_nothing_is_found_for_words_that_stand_nowhere(documents: Path) -> None:
    """An empty answer is an answer."""
    assert _index(documents).search("zebra xylophone") == []


def test_passages_are_whole_sentences() -> None:
    """Headings and fragments are no passages."""
    text = "A heading\n\nThis sentence is long enough to be quoted as it stands here. Too short.\n\nand a fragment"
    assert passages(text) == ["This sentence is long enough to be quoted as it stands here."]
