"""What a pair answers to questions, as it would have been served at their moment."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from ratoon.answering import Found, answered, lately, shift, traited
from ratoon.domain.embedding import Vectors
from ratoon.domain.encoding import completed
from ratoon.domain.popularity import Timeline
from ratoon.domain.quality import Answers
from ratoon.domain.schema import TowerSchema
from ratoon.domain.window import Window
from ratoon.judging.pair import Pair
from ratoon.judging.questions import Questions
from ratoon.ports import EventLog

CHUNK = 256
"""Questions answered at once: bounds memory at CHUNK * items whose popularity moved * 16 bytes."""

SCHEMA = "schema.json"
"""The file of a release that says what its towers are fed."""


def timeline(log: EventLog, window: Window, since: int) -> Timeline:
    """What was popular at every moment from offset `since` to the window's end."""
    return lately(log, window.end, since, window.left_out)


def answers(pair: Pair, asked: Questions, k: int, live: Timeline | None = None) -> Answers:
    """What `pair` answers.

    Args:
        live: given, every question is answered with what was popular at its moment. Without it the index answers as it is, and
            only the ranks are found, which is cheaper than the candidates.
    """
    users, weights = tuple(asked.column("user_id")), asked.rows.column("weight").to_numpy().astype(np.float64)
    if not len(asked):
        return Answers(k, users, np.empty(0, np.int64), weights)
    vectors, wanted = user_vectors(pair, asked), asked.column("item_id")
    if live is None:
        return Answers(k, users, pair.index.ranks(vectors, wanted, k, asked.hidden), weights)
    found: list[Found] = []
    for first in range(0, len(asked), CHUNK):
        some = slice(first, first + CHUNK)
        moved = shift(pair.index, pair.towers.popularity, live, pair.upto, asked.offsets[some])
        found += answered(pair.index, vectors[some], k, asked.hidden[some], moved)
    ranks = [_rank(row, item, k) for row, item in zip(found, wanted, strict=True)]
    return Answers(k, users, np.array(ranks), weights, tuple(tuple(item for item, _ in row) for row in found))


@contextmanager
def as_of(pair: Pair, live: Timeline, moment: int) -> Iterator[None]:
    """While the body runs, the pair's index has the traits of the moment just after the offset `moment`."""
    if moment == pair.upto or not len(pair.towers.popularity):
        yield
        return
    codes = live.touched(*sorted((moment + 1, pair.upto + 1)))
    items = [live.items[code] for code in codes if live.items[code] in pair.index]
    kept = pair.index.vectors(items)
    traited(pair.index, (), live, moment, pair.index, pair.upto)
    try:
        yield
    finally:
        pair.index.overwrite(items, kept)


def index_recall(pair: Pair, asked: Sequence[Questions], k: int) -> float:
    """The share of the exact top k that the index returns to some of the questions."""
    few = [user_vectors(pair, each.where(np.arange(len(each)) < 100)) for each in asked if len(each)]
    return pair.index.recall(np.concatenate(few), k) if few else 1.0


def skewed(pair: Pair, parent: Pair, written: Sequence[str], share: float, asked: Questions, k: int, live: Timeline) -> Answers:
    """What the user tower of `pair` answers while a share of what was embedded again still has the parent's vectors."""
    both = [item for item in written if item in pair.index and item in parent.index]
    late = both[: round(share * len(both))]
    ours, mixed = pair.index.vectors(late), pair.index.vectors(late)
    learned = pair.towers.dim - len(pair.towers.popularity)
    mixed[:, :learned] = parent.index.vectors(late)[:, :learned]
    pair.index.overwrite(late, mixed)
    try:
        return answers(pair, asked, k, live)
    finally:
        pair.index.overwrite(late, ours)


def user_vectors(pair: Pair, asked: Questions) -> Vectors:
    """The users' vectors, shape (questions, dim); an input that the repository has dropped is missing for the towers."""
    features = TowerSchema.from_json(pair.model[SCHEMA].decode()).user
    return pair.towers.users(completed(features, asked.rows))


def _rank(found: Found, wanted: str, k: int) -> int:
    return next((rank for rank, (item, _) in enumerate(found) if item == wanted), k)
