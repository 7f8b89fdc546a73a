"""From a text to rows of a table of fixed size: its words and the letters inside them, hashed.

The hashing trick of Weinberger et al. (ICML 2009, doi:10.1145/1553374.1553516) over words and character n-grams as fastText
takes them (Bojanowski et al., TACL 2017, doi:10.1162/tacl_a_00051). Nothing has to be remembered about a text, so a text never
seen has rows too, and shares those of the words and word parts that it has in common with known ones.

No locale, hash seed or byte order shows in the rows. Python's table of characters does, for characters that it does not know.
"""

import hashlib
import unicodedata
from functools import lru_cache


def words(text: str) -> list[str]:
    """The words of `text` in order: NFKC, case-folded, parted at everything but letters, marks, digits and symbols."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return folded.translate(_KEPT).split()


def ngrams(text: str, n: int) -> list[str]:
    """The different words of `text` as `<word>`, then the different runs of `n` characters inside those; no word gives `<>`.

    >>> ngrams("Sea, sea", 3)
    ['<sea>', '<se', 'sea', 'ea>']
    """
    bounded = dict.fromkeys(f"<{word}>" for word in words(text)) or {"<>": None}
    runs = (word[start : start + n] for word in bounded for start in range(len(word) - n + 1))
    return list(bounded | dict.fromkeys(runs))


def hashed(text: str, n: int, buckets: int, length: int) -> list[int]:
    """The rows, from 1 to `buckets`, of the first `length` n-grams of `text`; never empty."""
    return [_hash(gram) % buckets + 1 for gram in ngrams(text, n)[:length]]


class _Kept(dict[int, int | None]):
    """What `str.translate` makes of a character: itself, a space, or nothing for marks of layout such as a soft hyphen."""

    def __missing__(self, code: int) -> int | None:
        category = unicodedata.category(chr(code))
        self[code] = code if category[0] in "LMNS" else None if category == "Cf" else 32
        return self[code]


_KEPT = _Kept()


@lru_cache(maxsize=1 << 16)
def _hash(gram: str) -> int:
    return int.from_bytes(hashlib.blake2b(gram.encode(), digest_size=8).digest(), "big")
