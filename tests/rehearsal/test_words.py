"""Reading text: words, sentences, lists and counts."""

import pytest

from greenroom.actors.rehearsal.words import (
    clip,
    key_words,
    list_items,
    phrases,
    requested_count,
    sentences,
    stem,
    words,
)


def test_names_are_taken_apart() -> None:
    """snake_case and camelCase names give their words."""
    assert words("get_weatherReport now") == ["get", "weather", "report", "now"]


@pytest.mark.parametrize("pair", ["retries retry", "planning plan", "sources source", "cached cache"])
def test_forms_of_a_word_meet(pair: str) -> None:
    """Plural and verb forms share a stem."""
    one, other = pair.split()
    assert stem(one) == stem(other)


def test_key_words_leave_instructions_out() -> None:
    """What to do with a request is not what it is about."""
    assert key_words("Please write a report about night trains in Europe") == ["night", "trains", "Europe"]


def test_key_words_fall_back_to_any_word() -> None:
    """A text with words always has a key word."""
    assert key_words("do it") == ["do", "it"]


def test_phrases_are_runs_of_key_words() -> None:
    """Stop words and punctuation part phrases, long runs are taken apart."""
    assert phrases("How do Python HTTP clients handle retries and timeouts?") == [
        "Python HTTP clients handle",
        "retries",
        "timeouts",
    ]


def test_sentences_are_verbatim() -> None:
    """Each sentence is a substring of its text, wrapped lines included; markup and headings are none."""
    text = "# Heading\n\nTimeouts are enforced strictly,\nwith defaults. See e.g. the docs for more of it.\n\n![x](y)\n"
    found = sentences(text)
    assert found == ["Timeouts are enforced strictly,\nwith defaults.", "See e.g. the docs for more of it."]
    assert all(part in text for part in found)


@pytest.mark.parametrize("marks", [("1.", "2."), ("-", "-"), ("*", "*"), ("1)", "2)")])
def test_lists_are_found(marks: tuple[str, str]) -> None:
    """Numbered and bulleted lines are items."""
    assert list_items(f"Sections:\n{marks[0]} First\n{marks[1]} Second") == ["First", "Second"]


def test_one_line_is_no_list() -> None:
    """A single bullet is no list."""
    assert list_items("- alone") == []


@pytest.mark.parametrize(
    "text", ["write 3 sections", "three short sections", "sections: 3", '{"sections": 3}', "sections=3"]
)
def test_counts_are_read(text: str) -> None:
    """A count is found as digits, as a word, and as a value."""
    assert requested_count(text, "sections") == 3


def test_clipping_keeps_words_whole() -> None:
    """A text is cut between words."""
    assert clip("some words here", 11) == "some words"
