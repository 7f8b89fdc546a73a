"""Texts are cut as the models that read the pieces were taught."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratoon.domain.wordpiece import LONGEST, pieces, words

PIECES = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "toy", "story", "##s", "un", "##aff", "##able", "!", "東", "a", "##a")
VOCABULARY = {piece: number for number, piece in enumerate(PIECES)}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Toy Story", "toy story"),
        ("Amélie (2001)", "amelie ( 2001 )"),
        ("don't $5^3 a_b~", "don ' t $ 5 ^ 3 a _ b ~"),
        ("東京タワー x", "東 京 タワー x"),
        ("a\tb\nc\u00a0d\u3000e", "a b c d e"),
        ("a\0b\u200bc\ufffdd\x07", "abcd"),
        ("«œuvre»—…", "« œuvre » — …"),
        ("İ", "i"),
        ("", ""),
        (" \n ", ""),
    ],
)
def test_words(text: str, expected: str) -> None:
    """Lower case without accents; punctuation and Chinese characters stand alone; what cannot be read is left out."""
    assert list(words(text)) == expected.split()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Toy Storys!", "[CLS] toy story ##s ! [SEP]"),
        ("unaffable", "[CLS] un ##aff ##able [SEP]"),
        ("unfit toy", "[CLS] [UNK] toy [SEP]"),
        ("東京", "[CLS] 東 [UNK] [SEP]"),
        ("", "[CLS] [SEP]"),
        ("[SEP]", "[CLS] [UNK] [UNK] [UNK] [SEP]"),
        ("a" * LONGEST, "[CLS] a " + "##a " * (LONGEST - 1) + "[SEP]"),
        ("a" * (LONGEST + 1), "[CLS] [UNK] [SEP]"),
    ],
)
def test_pieces(text: str, expected: str) -> None:
    """The longest known piece first; a word that cannot be cut, or is too long, is unknown as a whole."""
    assert pieces(text, VOCABULARY, 1_000) == [VOCABULARY[piece] for piece in expected.split()]


@given(text=st.text(max_size=40), most=st.integers(3, 12))
def test_a_text_is_cut_off(text: str, most: int) -> None:
    """At most so many numbers: the first ones, and the end mark."""
    whole, cut = pieces(text, VOCABULARY, 10_000), pieces(text, VOCABULARY, most)
    assert cut == (whole if len(whole) <= most else [*whole[: most - 1], VOCABULARY["[SEP]"]])
