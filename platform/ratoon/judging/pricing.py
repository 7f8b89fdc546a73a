"""What popularity is worth to a candidate's users: fitted on fit rows, and dropped where gate rows are better off without."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ratoon.domain.embedding import Vectors
from ratoon.domain.gate import compare
from ratoon.domain.popularity import FILE, GRID, WIDTH, Floats, Ints, Popularity, Timeline, ever_of, gains, traits
from ratoon.domain.quality import Answers
from ratoon.judging.asking import answers, placed, user_vectors
from ratoon.judging.pair import Pair
from ratoon.judging.questions import Questions

CHUNK = 128
"""Fit rows that weights are compared on at once: bounds memory at CHUNK * items * WIDTH * 16 bytes."""

DRAWS = 500
"""Bootstrap resamples that tell whether popularity costs recall."""


def priced(
    pair: Pair, by: Pair, fit: Questions, held: Questions, live: Timeline, k: int, rng: np.random.Generator
) -> tuple[Pair, Answers]:
    """The pair with what `fit` and the rows before say popularity is worth, and what it answers to `held`.

    It is worth nothing where that certainly costs `held` recall.

    Args:
        by: which ranks `fit`. One that has learnt the window knows its new items too well: what it is worth that nobody has had
            an item shows where it is still so, in the release that served.
        live: of every moment that is asked about in both.
    """
    if FILE not in pair.model:
        return pair, answers(pair, held, k, live)
    prior = learnt(Popularity.from_json(pair.model[FILE].decode()), by, fit, live, k)
    on, off = (_with(pair, replace(prior, active=active)) for active in (True, False))
    without, within = (placed(some, held, k, live) for some in (off, on))
    chosen = off if compare(without, within, draws=DRAWS, rng=rng).high < 0 else on
    return chosen, answers(chosen, held, k, live)


def _with(pair: Pair, prior: Popularity) -> Pair:
    model = {**pair.model, FILE: prior.to_json().encode()}
    return replace(pair, model=model, towers=pair.towers.weighed(prior.weights))


def learnt(prior: Popularity, pair: Pair, asked: Questions, live: Timeline, k: int) -> Popularity:
    """The prior with what some fit rows say about every point of GRID."""
    for first in range(0, len(asked), CHUNK):
        place = np.arange(len(asked))
        some = asked.where((place >= first) & (place < first + CHUNK))
        prior = prior.learnt(_gains(prior.unit, pair, some, live, k))
    return prior


def _gains(unit: float, pair: Pair, asked: Questions, live: Timeline, k: int) -> Floats:
    """See `gains`; shape (questions, points of GRID), zero for an item that the index lacks.

    Candidates are the best by the towers alone, by the weights so far, and with each trait weighed as heavily as any point does:
    an item that is none of those is lifted into the best k by no point but for a mixture of traits.
    """
    queries = user_vectors(pair, asked)
    corners = np.concatenate([np.zeros((1, WIDTH), np.float32), np.diag(GRID.max(axis=0)) * np.float32(unit)])
    near = [pair.index.best(queries, k, asked.hidden)]
    for corner in corners:
        turned = queries.copy()
        turned[:, -WIDTH:] = corner
        near.append(pair.index.best(turned, k, asked.hidden))
    listed = [set[str]().union(*(lists[row] for lists in near)) for row in range(len(asked))]
    wanted = asked.column("item_id")
    codes = np.array([code for code, item in enumerate(live.items) if item in pair.index], np.int64)
    items = [live.items[code] for code in codes]
    items += [item for item in sorted({*wanted}.union(*listed).difference(items)) if item in pair.index]
    place = {item: number for number, item in enumerate(items)}
    vectors = pair.index.vectors(items)
    known = _traits_then(live, codes, vectors, pair.upto, asked.offsets)
    scores = queries[:, :-WIDTH] @ vectors[:, :-WIDTH].T
    best = min(k, len(items) - 1)
    lifted = (-scores - known[:, :, trait] * corners[:, trait].max() for trait in range(WIDTH))
    then = np.concatenate([np.argpartition(each, best, axis=1)[:, :k] for each in lifted], axis=1)
    found = np.zeros((len(asked), len(GRID)))
    for row, item in enumerate(wanted):
        if item in place:
            hidden = {place[name] for name in asked.hidden[row] if name in place}
            chosen = ({place[name] for name in listed[row]} | set(then[row].tolist())) - hidden | {place[item]}
            order = np.array(sorted(chosen))
            own = int(np.searchsorted(order, place[item]))
            found[row] = gains(scores[row, order], known[row, order], own, unit, k)
    return found


def _traits_then(live: Timeline, codes: Ints, vectors: Vectors, upto: int, offsets: Sequence[int]) -> Vectors:
    """The traits of some items at each of some moments; shape (offsets, items, WIDTH).

    Args:
        codes: of those items that were met lately, which come first. The others' traits have not moved.
        vectors: of all of them, with the traits of the moment just after `upto`.
    """
    moments, known = np.array(offsets, np.int64), np.repeat(vectors[None, :, -WIDTH:], len(offsets), axis=0)
    recent, counted = live.told(moments, codes)
    ever = ever_of(vectors[: len(codes), -WIDTH:]) + counted - live.counted(np.array([upto + 1]), codes)
    known[:, : len(codes)] = traits(recent, ever)
    return known
