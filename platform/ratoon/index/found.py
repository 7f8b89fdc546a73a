"""What a search answers."""

from collections.abc import Iterable, Sequence
from operator import itemgetter

Found = list[tuple[str, float]]
"""Item ids and scores, best first, ties by id."""


def best(ids: Sequence[str], scored: Iterable[tuple[int, float]], k: int) -> Found:
    """The k best of the given slots and their scores."""
    found = sorted(((ids[slot], score) for slot, score in scored), key=itemgetter(0))
    found.sort(key=itemgetter(1), reverse=True)  # stable, so that equals stay in the order of their ids
    return found[:k]
