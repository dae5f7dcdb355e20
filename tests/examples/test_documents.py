"""The documents of the briefing: what is read of a folder, and what counts as prose."""

from pathlib import Path

import pytest

from examples.briefing.documents import DocumentsUnreadable, load_documents, prose


def test_a_folder_is_read_with_its_folders(documents: Path) -> None:
    """Each text is named by its path below the folder; the first line is its title."""
    (documents / "picture.png").write_bytes(b"\x89PNG")
    found = {document.source: document for document in load_documents(str(documents))}
    assert sorted(found) == ["coffee.txt", "notes/water.rst", "tea.md"]
    assert found["tea.md"].title == "Tea"


def test_the_installed_packages_are_documents() -> None:
    """Without a folder the long descriptions of the packages are read, under their names and versions."""
    sources = [document.source for document in load_documents()]
    assert any(source.startswith("pydantic ") for source in sources)
    assert len(sources) == len(set(sources))


@pytest.mark.parametrize(
    ("markup", "expected"),
    [
        ("Before.\n\n```python\ncode = 1\n```\n\nAfter.", "Before.\n\nAfter."),
        ("![badge](a.svg) Text with a [link](b.md).", "Text with a link."),
        ("Uses `asyncio`_ and ``trio``.", "Uses asyncio and trio."),
        ("<p align='center'>Centred.</p>", "Centred."),
        (".. image:: a.png\n   :width: 3\n\nSeen.", "Seen."),
        ("| a | b |\n\n- An item.", "An item."),
    ],
)
def test_only_prose_is_kept(markup: str, expected: str) -> None:
    """Code, badges, links' targets, tables and directives are left out: none of it can be quoted."""
    assert " ".join(prose(markup).split()) == " ".join(expected.split())


def test_what_cannot_be_read_is_named(documents: Path) -> None:
    """A missing folder, a file and an empty folder each say so, and what to do."""
    (documents / "empty").mkdir()
    for path, expected in (("nowhere", "does not exist"), ("tea.md", "is a file"), ("empty", "holds no text")):
        with pytest.raises(DocumentsUnreadable, match=expected):
            load_documents(str(documents / path))
