"""Sources of candidates side by side in one index, and what each weighs for whom: chosen by fit rows."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from ratoon.domain import fusion
from ratoon.domain.fusion import EDGES, TOWER, Fusion
from ratoon.domain.popularity import WIDTH, Timeline
from ratoon.domain.quality import Answers, Floats
from ratoon.domain.schema import SCHEMA, Feature, TowerSchema
from ratoon.domain.upkeep import DEPTHS
from ratoon.judging import Pair, Questions
from ratoon.judging.asking import placed
from ratoon.ports import Files
from ratoon.remaking import filled, settled
from ratoon.upkeep.operation import fit_rows, lately_of
from ratoon.workshop import Task, Workshop

GRID = (0.0, 0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0)
"""The weights that are tried for each source, in turn."""

ROUNDS = 2
"""How often it is each source's turn."""

SURE = 0.5
"""By how many standard errors a weight must be better than the one before it: fit rows of a segment are few, and weights many."""

STEADY = 0.5
"""What it counts that the item is among the candidates at all, beside how high it stands there."""


@dataclass(frozen=True, slots=True, eq=False)
class Blend:
    """A release with other sources beside its own towers.

    Attributes:
        pair: all of them, weighed by `fusion`.
        asked: the newest fit rows, of the waiting window and of before it.
        live: what was popular at the moment of each.
        segments: the users' segment of each of those.
    """

    shop: Workshop
    task: Task
    pair: Pair
    fusion: Fusion
    asked: Questions
    live: Timeline
    segments: np.ndarray[tuple[int, ...], np.dtype[np.intp]]

    @classmethod
    def of(cls, shop: Workshop, task: Task, source: Pair, sources: Mapping[str, Files]) -> "Blend":
        """The source with the blocks that it has and these.

        Args:
            sources: name -> its files.
        """
        known = Fusion.from_json(source.model[fusion.FILE].decode()).weights if fusion.FILE in source.model else {TOWER: ()}
        history, count = history_of(source), len(EDGES) + 1
        names = list(dict.fromkeys([*known, *sources]))
        first = Fusion(history, EDGES, {name: (1.0 if name == TOWER else 0.0,) * count for name in names})
        own = {name: data for name, data in source.model.items() if not name.startswith(fusion.PREFIX)}
        blocks = {name: sources.get(name) or fusion.of(name, source.model) for name in names if name != TOWER}
        model = own | {fusion.FILE: first.to_json().encode()}
        for name, files in blocks.items():
            model |= fusion.named(name, files)
        pair = _beside(shop, task, source, model)
        asked = fit_rows(shop, task)
        lengths = [len(one) if isinstance(one, list) else 0 for one in column(asked.rows, history)]
        return cls(shop, task, pair, first, asked, lately_of(shop, task, asked), first.segments(lengths))

    def weighed(self, weights: Mapping[str, Iterable[float]]) -> Pair:
        """The pair with other weights; source -> by segment."""
        said = replace(self.fusion, weights={name: tuple(map(float, row)) for name, row in weights.items()})
        model = {**self.pair.model, fusion.FILE: said.to_json().encode()}
        return replace(self.pair, model=model, towers=self.shop.open_towers(model).weighed(self.pair.towers.popularity))

    def alone(self, name: str) -> Pair:
        """One source without the others, and without what is popular."""
        count = len(EDGES) + 1
        weights = {other: (float(other == name),) * count for other in self.fusion.weights}
        return self.weighed(weights).alone()

    def popular(self) -> Pair:
        """What is popular alone: by its newest trait where it was worth nothing to the source's users."""
        worth = self.pair.towers.popularity
        pair = self.weighed({name: (0.0,) * (len(EDGES) + 1) for name in self.fusion.weights})
        alone = worth if worth.any() else np.eye(1, WIDTH, dtype=np.float32)[0]
        return replace(pair, towers=pair.towers.weighed(alone))

    def said(self, pair: Pair) -> Answers:
        """What a pair answers to the fit rows, as it would have been served at their moment."""
        return placed(pair, self.asked, max(DEPTHS), self.live)

    def chosen(self) -> Pair:
        """The pair with the weights that suit the fit rows best, segment by segment.

        From the source's own towers alone each source in turn gets the weight with which the rows are answered best; one that is
        not better by SURE standard errors is not taken, so that what a source cannot show it does not get. All segments are
        tried at once: nobody is in two of them.
        """
        weights = {name: np.array(row) for name, row in self.fusion.weights.items()}
        worth = _worth(self.said(self.pair))
        for _ in range(ROUNDS):
            before = {name: row.copy() for name, row in weights.items()}
            for name in weights:
                self._turn(name, weights, worth)
            if all(np.array_equal(before[name], row) for name, row in weights.items()):
                break
        return self.weighed(weights)

    def _turn(self, name: str, weights: dict[str, Floats], worth: Floats) -> None:
        """Give one source the best weight in each segment; `weights` and what rows are worth with them follow."""
        best, found = np.zeros(len(EDGES) + 1), worth.copy()
        taken = weights[name].copy()
        for weight in GRID:
            tried = _worth(self.said(self.weighed({**weights, name: np.full(len(taken), weight)})))
            for segment in range(len(taken)):
                rows = self.segments == segment
                gain = _surely(tried[rows] - worth[rows])
                if gain > best[segment]:
                    best[segment], taken[segment], found[rows] = gain, weight, tried[rows]
        weights[name], worth[:] = taken, found


def history_of(pair: Pair) -> str:
    """The name of the user feature whose length tells segments apart; empty without any."""
    features: tuple[Feature, ...] = TowerSchema.from_json(pair.model[SCHEMA].decode()).user
    return next((feature.name for feature in features if feature.kind in ("history", "attention")), "")


def column(rows: pa.Table, name: str) -> list[object]:
    """The values of a column; nothing for each row where there is none, as where a repository has dropped it."""
    values: list[object] = rows.column(name).to_pylist() if name in rows.column_names else [None] * rows.num_rows
    return values


def _beside(shop: Workshop, task: Task, source: Pair, model: Files) -> Pair:
    """The pair of a fused model: of the source's own vectors, as they are, and what stands beside them."""
    towers, ids = shop.open_towers(model), source.index.ids()
    before = source.index.vectors(ids)
    own = shop.open_towers({name: data for name, data in model.items() if not name.startswith(fusion.PREFIX)})
    learned, traits = own.dim - len(own.popularity), len(own.popularity)
    vectors = towers.items(shop.features.items(ids, task.upto.as_of))
    vectors[:, :learned] = before[:, :learned]
    if traits:
        vectors[:, -traits:] = before[:, -traits:]
    return settled(shop, task, Pair(model, towers, filled(shop, task, source, towers, vectors), source.upto))


def _worth(answers: Answers) -> Floats:
    return (answers.gains + STEADY * answers.hits) * answers.weights


def _surely(gains: Floats) -> float:
    """The mean gain less SURE standard errors; 0 without rows."""
    return float(gains.mean() - SURE * gains.std() / np.sqrt(len(gains))) if len(gains) else 0.0
