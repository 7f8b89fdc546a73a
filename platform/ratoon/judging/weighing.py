"""What an operation on a release has saved and what it costs, on rows that neither release has learnt."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ratoon.domain.embedding import Vectors
from ratoon.domain.gate import Comparison, compare
from ratoon.domain.quality import Answers
from ratoon.domain.schema import SCHEMA, Feature, TowerSchema
from ratoon.domain.upkeep import DEPTHS, Figures, Upkeep
from ratoon.judging.asking import answers, remembered, user_vectors
from ratoon.judging.jury import Jury
from ratoon.judging.pacing import paced
from ratoon.judging.pair import Pair
from ratoon.judging.questions import Questions

MASKED = 0.2
"""The share of the users' values that are taken away to see how much each release leans on any of them."""

NOISE = 0.1
"""The standard deviation of what is added to numbers, relative to that of the number itself."""

SEARCHED, ROUNDS = 32, 5
"""Users whose candidates are searched for one at a time, and how often: of each the quickest counts."""


def weighed(said: Upkeep, source: Pair, candidate: Pair, jury: Jury, rng: np.random.Generator) -> Upkeep:
    """What was said of an operation, with what it took and takes, and the recall of both by slice, masked and noisy ones too."""
    asked = next((rows for rows in (jury.new, jury.past) if len(rows)), None)
    features = TowerSchema.from_json(source.model[SCHEMA].decode()).user
    slices = dict(_slices(jury, features, rng))
    heard = {name: [_heard(pair, jury, name, rows) for pair in (source, candidate)] for name, rows in slices.items()}
    recall = {k: _compared(heard, k, jury.policy.draws, rng) for k in DEPTHS}
    if asked is None:
        return replace(said, recall=recall)
    pace = paced(source, candidate, asked.rows, jury.cpu)
    before, after = _figures(source, asked, pace.parent, jury.cpu), _figures(candidate, asked, pace.candidate, jury.cpu)
    return replace(said, before=before, after=after, recall=recall)


def _slices(jury: Jury, features: tuple[Feature, ...], rng: np.random.Generator) -> Iterator[tuple[str, Questions]]:
    yield "new", jury.new
    yield "past", jury.past
    yield "old", jury.old
    yield "masked", Questions(masked(jury.past.rows, features, MASKED, rng), jury.past.hidden)
    yield "noisy", Questions(noisy(jury.past.rows, features, NOISE, rng), jury.past.hidden)


def _heard(pair: Pair, jury: Jury, name: str, rows: Questions) -> Answers:
    most = max(DEPTHS)
    if name == "new":
        return answers(pair, rows, most, jury.live)
    return remembered(pair, rows, most, jury.live, jury.since, pair.towers.popularity)


def _compared(heard: Mapping[str, list[Answers]], k: int, draws: int, rng: np.random.Generator) -> dict[str, Comparison]:
    return {
        name: compare(replace(before, k=k), replace(after, k=k), draws=draws, rng=rng) for name, (before, after) in heard.items()
    }


def masked(rows: pa.Table, features: tuple[Feature, ...], share: float, rng: np.random.Generator) -> pa.Table:
    """The rows without a share of the users' values, each drawn by itself; of lists of ids a share of the entries is gone."""
    for feature in features:
        if feature.kind != "id" and feature.name in rows.column_names:  # whose row it is stays known
            place = rows.column_names.index(feature.name)
            column = rows.column(place)
            if feature.kind in ("ids", "history", "attention"):
                lists = ([entry for entry in one or () if rng.random() >= share] for one in column.to_pylist())
                left = pa.array(list(lists), column.type)
            else:
                left = pc.if_else(pa.array(rng.random(len(column)) >= share), column, pa.scalar(None, column.type))
            rows = rows.set_column(place, feature.name, left)
    return rows


def noisy(rows: pa.Table, features: tuple[Feature, ...], noise: float, rng: np.random.Generator) -> pa.Table:
    """The rows with something added to the users' numbers, normally distributed, `noise` times as wide as the number is."""
    for feature in features:
        if feature.kind in ("number", "count") and feature.name in rows.column_names:
            place = rows.column_names.index(feature.name)
            column = rows.column(place)
            if pa.types.is_floating(column.type) or pa.types.is_integer(column.type):
                wide = pc.stddev(column).as_py() or 0.0
                added = pa.array(rng.normal(0.0, noise * wide, len(column)))
                rows = rows.set_column(place, feature.name, pc.add(column.cast(pa.float64()), added))
    return rows


def _figures(pair: Pair, asked: Questions, tower_us: float, cpu: Callable[[], float]) -> Figures:
    some = asked.where(asked.spread(SEARCHED, "train", "fit", "gate", "reserve"))
    queries = user_vectors(pair, some)
    took = [[_searched(pair, query[None], cpu) for query in queries] for _ in range(ROUNDS)]
    search = float(np.min(took, axis=0).mean() * 1e6) if len(queries) else 0.0
    told = pair.index.stats()
    held = sum(map(len, pair.index.snapshot().values())) + int(told.get("coded") or 0) - int(told.get("aside") or 0)
    return Figures(pair.disk, pair.towers.nbytes + held, tower_us, search)


def _searched(pair: Pair, query: Vectors, cpu: Callable[[], float]) -> float:
    began = cpu()
    pair.index.search(query, max(DEPTHS))
    return cpu() - began
