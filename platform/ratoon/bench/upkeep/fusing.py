"""`ratoon bench upkeep --only fuse`: sources in one index against each alone, and against what fusing lists gives."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ratoon.bench.row import Row, at_least, told
from ratoon.bench.upkeep.scene import K, Scene
from ratoon.domain.gate import compare
from ratoon.domain.quality import Answers
from ratoon.judging import Pair, answers
from ratoon.upkeep.fuse import SOURCE, Fuse
from ratoon.upkeep.operation import lately_of

DEEP, ROUND = 200, 60
"""How long the lists are that are fused by rank, and what is added to each rank (Cormack, Clarke and Buettcher 2009)."""

SERVED = "towers and popularity"

Found = Mapping[str, Sequence[Mapping[str, float]]]


def measure(scene: Scene) -> Mapping[str, float]:
    """Recall of every source alone, of all in one index, and of their lists fused by rank; fit users, who chose, left out."""
    judged = scene.asked.of("train", "gate", "reserve")
    made = Fuse()(scene.shop, scene.task, scene.source)
    pairs = {**{SERVED if name == SOURCE else name: pair for name, pair in made.rivals.items()}, "fused": made.pair}
    said = {name: scene.answered(pair).where(judged) for name, pair in pairs.items()}
    found = {name: one.mean(one.hits) for name, one in said.items()}
    compared = compare(said[SERVED], said["fused"], draws=1_000, rng=np.random.default_rng(scene.seed))
    ranked = _fused_lists(scene, [pair for name, pair in pairs.items() if name not in (SERVED, "fused")]).where(judged)
    every = _fused_lists(scene, [pair for name, pair in pairs.items() if name != "fused" and not name.startswith("tower")])
    every = every.where(judged)
    return {
        **found,
        "low": compared.low,
        "high": compared.high,
        "by rank, of single sources": ranked.mean(ranked.hits),
        "by rank, with what is served for the tower": every.mean(every.hits),
    }


def _fused_lists(scene: Scene, pairs: Sequence[Pair]) -> Answers:
    """The answers of several pairs as one list, by the sum of 1 / (ROUND + rank)."""
    live = lately_of(scene.shop, scene.task, scene.asked)
    lists = [answers(pair, scene.asked, DEEP, live).found for pair in pairs]
    places = []
    for wanted, *found in zip(scene.asked.column("item_id"), *lists, strict=True):
        scores: dict[str, float] = {}
        for one in found:
            for rank, item in enumerate(one, 1):
                scores[item] = scores.get(item, 0.0) + 1 / (ROUND + rank)
        best = sorted(scores, key=lambda item: (-scores[item], item))[:K]
        places.append(best.index(wanted) if wanted in best else K)
    return scene.asked.answered(K, np.array(places, np.int64))


def rows(found: Found) -> list[Row]:
    """The lines of the table: the worst set over what is served already, and over each source by itself."""
    means = {name: {key: float(np.mean([seed[key] for seed in seeds])) for key in seeds[0]} for name, seeds in found.items()}
    served = {name: one["fused"] / _best(one, served=True) - 1 for name, one in means.items()}
    lines = [
        at_least("fused candidates over the best single source, worst set", min(served.values()), 0.0, _against(means), "share")
    ]
    films = "movietweetings-100k"
    if films in means:
        alone = means[films]["fused"] / _best(means[films], served=False) - 1
        figures = f"best of {', '.join(_sources(means[films], served=True))}"
        lines.append(at_least(f"fused candidates over the best single source, {films}", served[films], 0.05, figures, "share"))
        lines.append(told(f"the same over the best of its parts alone, {films}", alone, "share", "tower, popularity, co-visit"))
    ranks = {name: one["by rank, with what is served for the tower"] / one["fused"] - 1 for name, one in means.items()}
    shown = "; ".join(f"{name} {value:+.3f}" for name, value in ranks.items())
    return [*lines, told("lists fused by reciprocal rank, relative to one index, worst set", min(ranks.values()), "share", shown)]


def _sources(one: Mapping[str, float], *, served: bool) -> list[str]:
    return [name for name in one if name.endswith(" alone") or (served and name == SERVED)]


def _best(one: Mapping[str, float], *, served: bool) -> float:
    return max(one[name] for name in _sources(one, served=served)) or 1.0


def _against(means: Mapping[str, Mapping[str, Any]]) -> str:
    return "; ".join(
        f"{name}: {one['fused']:.4f} against {', '.join(f'{key} {one[key]:.4f}' for key in _sources(one, served=True))}, "
        f"interval over {SERVED} {one['low']:+.4f} to {one['high']:+.4f}"
        for name, one in means.items()
    )
