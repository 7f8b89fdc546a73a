"""Text as the numbers of word pieces, as BERT's uncased models were taught to read it. Pure.

Devlin et al. 2019, arXiv:1810.04805, and `BasicTokenizer` and `WordpieceTokenizer` of google-research/bert: lower case without
accents, split at spaces and around punctuation and Chinese characters, each word then cut into the longest known pieces.
"""

import unicodedata
from collections.abc import Iterator, Mapping

LONGEST = 100
"""Characters of a word; a longer one is unknown."""

BLOCKS = (
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0x20000, 0x2A6DF),
    (0x2A700, 0x2B73F),
    (0x2B740, 0x2B81F),
    (0x2B820, 0x2CEAF),
    (0x2F800, 0x2FA1F),
)
"""Code points of the characters that are words of their own."""


def pieces(text: str, vocabulary: Mapping[str, int], most: int) -> list[int]:
    """The numbers of [CLS], the text's first word pieces, and [SEP].

    Args:
        vocabulary: piece -> number; a piece inside a word begins with ##.
        most: how many numbers to give at most; above 2.
    """
    found: list[int] = [vocabulary["[CLS]"]]
    for word in words(text):
        found.extend(_cut(word, vocabulary))
        if len(found) >= most:
            break
    return [*found[: most - 1], vocabulary["[SEP]"]]


def words(text: str) -> Iterator[str]:
    """The words, lower case and without accents; each punctuation mark is one."""
    for part in "".join(map(_spaced, text)).split():
        word = ""
        for character in unicodedata.normalize("NFD", part.lower()):
            if unicodedata.category(character) == "Mn":
                continue
            if _punctuation(character):
                yield from filter(None, (word, character))
                word = ""
            else:
                word += character
        if word:
            yield word


def _spaced(character: str) -> str:
    """A character as it enters the split: nothing for what cannot be read, spaces around what is a word of its own."""
    if character in "\t\n\r" or unicodedata.category(character) == "Zs":
        return " "
    if character == "\ufffd" or unicodedata.category(character) in ("Cc", "Cf", "Co", "Cs"):
        return ""
    return f" {character} " if any(first <= ord(character) <= last for first, last in BLOCKS) else character


def _punctuation(character: str) -> bool:
    """Everything on an ASCII keyboard that is no letter, digit or space counts, symbols such as $ and ^ as well."""
    ascii_mark = "!" <= character <= "~" and not character.isalnum()
    return ascii_mark or unicodedata.category(character).startswith("P")


def _cut(word: str, vocabulary: Mapping[str, int]) -> list[int]:
    """The longest piece that the word begins with, then the longest that the rest does; [UNK] if that fails anywhere."""
    unknown, found, start = [vocabulary["[UNK]"]], list[int](), 0
    if len(word) > LONGEST:
        return unknown
    while start < len(word):
        prefix = "##" if start else ""
        ends = range(len(word), start, -1)
        end = next((end for end in ends if prefix + word[start:end] in vocabulary), None)
        if end is None:
            return unknown
        found.append(vocabulary[prefix + word[start:end]])
        start = end
    return found
