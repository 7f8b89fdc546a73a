"""A text's words and n-grams, and the rows they are hashed to."""

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ratoon.domain.ngrams import hashed, ngrams, words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The Straße, the STRASSE!", ["the", "strasse", "the", "strasse"]),
        ("ﬁnal \uff12\uff10\uff10\uff11", ["final", "2001"]),
        ("co\u00adoperate Zoe\u0308 zoë", ["cooperate", "zoë", "zoë"]),
        ("हिन्दी में", ["हिन्दी", "में"]),
        ("C++ vs. C 🎬", ["c++", "vs", "c", "🎬"]),
        ("don't-stop\n(now)", ["don", "t", "stop", "now"]),
        (" … ", []),
    ],
)
def test_words(text: str, expected: list[str]) -> None:
    """Compatibility forms and letter case do not show; marks and symbols belong to words, punctuation parts them."""
    assert words(text) == expected


def test_ngrams_are_the_words_and_then_what_is_inside_them() -> None:
    """Words come first, each once, with marks where they begin and end; so do n-grams, of one word at a time."""
    assert ngrams("Blue bluer", 4) == ["<blue>", "<bluer>", "<blu", "blue", "lue>", "luer", "uer>"]
    assert ngrams("a", 3) == ["<a>"]
    assert ngrams("a", 4) == ["<a>"]
    assert ngrams("", 3) == ngrams("?!", 3) == ["<>"]


def test_rows_are_for_ever() -> None:
    """These rows are in every model ever made: no process, machine or version may give others."""
    assert hashed("Toy Story", 3, 16_384, 64) == [7523, 15334, 9202, 6858, 13676, 2602, 6291, 6953, 2137, 4220]
    assert hashed("", 3, 16_384, 64) == [13894]


@settings(deadline=None)
@given(st.text(), st.integers(1, 5), st.integers(1, 50), st.integers(1, 8))
def test_rows_are_of_the_table_and_few_enough(text: str, n: int, buckets: int, length: int) -> None:
    """Whatever the text, there is a row, none is 0 or beyond the table, and no more than asked for."""
    rows = hashed(text, n, buckets, length)
    assert 1 <= len(rows) <= length
    assert all(1 <= row <= buckets for row in rows)
    assert rows == hashed(text, n, buckets, 10**6)[:length]


@settings(deadline=None)
@given(st.text())
def test_spelling_variants_are_one_text(text: str) -> None:
    """A text and its composed, decomposed and upper-case-folded forms have the same rows."""
    rows = hashed(text, 3, 1000, 64)
    for form in ("NFC", "NFD"):
        assert hashed(unicodedata.normalize(form, text), 3, 1000, 64) == rows


def test_texts_share_the_rows_of_what_they_have_in_common() -> None:
    """A new inflection meets known letters, and a new title known words; unlike texts share nothing in a large table."""
    shoe, shoes, other = (set(hashed(text, 3, 2**31, 64)) for text in ("running shoe", "running shoes", "blank"))
    assert (len(shoe & shoes), len(shoe - shoes), len(shoes - shoe)) == (11, 2, 3)
    assert not shoe & other
