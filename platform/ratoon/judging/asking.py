"""What a pair answers to questions, as it would have been served at their moment."""

from collections.abc import Iterator, Sequence
from typing import get_args

import numpy as np

from ratoon.answering import lately, shift
from ratoon.domain.delta import Split
from ratoon.domain.embedding import Vectors
from ratoon.domain.encoding import completed
from ratoon.domain.popularity import Timeline
from ratoon.domain.quality import Answers
from ratoon.domain.schema import SCHEMA, TowerSchema
from ratoon.domain.shift import Shift
from ratoon.domain.window import Window
from ratoon.judging.pair import Pair
from ratoon.judging.questions import Questions
from ratoon.ports import EventLog

SEARCHED = 200
"""Questions of each slice that the index is asked, to know what share of the exact answers it returns."""

CHUNK = 256
"""Questions answered at once: bounds memory at CHUNK * items whose popularity moved * 16 bytes."""


def timeline(log: EventLog, window: Window, since: int) -> Timeline:
    """What was popular at every moment from offset `since` to the window's end."""
    return lately(log, window.end, since, window.left_out)


def answers(pair: Pair, asked: Questions, k: int, live: Timeline) -> Answers:
    """What `pair` answers to each question with what was popular at its moment."""
    vectors = user_vectors(pair, asked)
    found = [
        best
        for some, moved in _moments(pair, asked, live)
        for best in pair.index.best(vectors[some], k, asked.hidden[some], moved)
    ]
    wanted = zip(found, asked.column("item_id"), strict=True)
    return asked.answered(k, np.array([best.index(item) if item in best else k for best, item in wanted], np.int64), found)


def placed(pair: Pair, asked: Questions, k: int, live: Timeline) -> Answers:
    """The same without the candidates, which is cheaper: at which place the item that was taken stands."""
    vectors, wanted = user_vectors(pair, asked), asked.column("item_id")
    parts = [
        pair.index.ranks(vectors[some], wanted[some], k, asked.hidden[some], moved) for some, moved in _moments(pair, asked, live)
    ]
    return asked.answered(k, np.concatenate([np.empty(0, np.int64), *parts]))


def _moments(pair: Pair, asked: Questions, live: Timeline) -> Iterator[tuple[slice, Shift | None]]:
    """Questions that are answered at once, and what had moved at the moment of each."""
    for first in range(0, len(asked), CHUNK):
        some = slice(first, first + CHUNK)
        yield some, shift(pair.index, pair.towers.popularity, live, pair.upto, asked.offsets[some])


def remembered(pair: Pair, past: Questions, k: int, live: Timeline, since: int, worth: Vectors) -> Answers:
    """The places of what was taken in a pair's answers to rows from before the window, with what was popular when it began.

    What has become popular in the window is no answer to what was asked before it, and would make every candidate look worse.

    Args:
        worth: what each trait is worth to users, as many as the pair's towers have; zeros to ask the towers alone.
    """
    if not len(past):
        return past.answered(k, np.empty(0, np.int64))
    vectors = user_vectors(pair, past)
    vectors[:, vectors.shape[1] - len(worth) :] = worth
    moved = shift(pair.index, worth, live, pair.upto, [since + 1])
    return past.answered(k, pair.index.ranks(vectors, past.column("item_id"), k, past.hidden, moved))


def index_recall(pair: Pair, asked: Sequence[Questions], k: int) -> float:
    """The share of the exact top k that the index returns to some of the questions, spread over all: one user's come in a row."""
    few = [user_vectors(pair, each.where(each.spread(SEARCHED, *get_args(Split)))) for each in asked if len(each)]
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
        return placed(pair, asked, k, live)
    finally:
        pair.index.overwrite(late, ours)


def user_vectors(pair: Pair, asked: Questions) -> Vectors:
    """The users' vectors, shape (questions, dim); an input that the repository has dropped is missing for the towers."""
    features = TowerSchema.from_json(pair.model[SCHEMA].decode()).user
    return pair.towers.users(completed(features, asked.rows))
