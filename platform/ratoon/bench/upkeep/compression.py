"""How much smaller and quicker a release becomes by pruning and quantising, item vectors included, and what that costs."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from time import process_time

import numpy as np

from ratoon.bench.row import Row, at_least, at_most, told
from ratoon.bench.upkeep.scene import K, Scene
from ratoon.domain.encoding import Encoding
from ratoon.domain.gate import compare
from ratoon.domain.popularity import WIDTH
from ratoon.domain.schema import SCHEMA, TowerSchema
from ratoon.judging import Pair, Questions
from ratoon.judging.pacing import paced
from ratoon.judging.weighing import MASKED, masked
from ratoon.upkeep.prune import Prune
from ratoon.upkeep.quantise import Quantise
from ratoon.upkeep.vectors import Recode

FILMS = "movietweetings-100k"

DRAWS = 500
"""Bootstrap resamples of users."""

Found = Mapping[str, Sequence[Mapping[str, float]]]


def measure(scene: Scene) -> Mapping[str, float]:
    """One release against itself pruned and quantised, and against itself with its towers in whole numbers alone.

    Rows and units go first, then what is left has fewer bits: learned rows and layers, and item vectors last, in the codec that
    makes files small.
    """
    source = scene.source
    pruned = Prune()(scene.shop, scene.task, source).pair
    model = Quantise()(scene.shop, scene.task, pruned).pair
    both = Recode(least="files")(scene.shop, scene.task, model).pair
    whole = Quantise("int8", "int8")(scene.shop, scene.task, source).pair
    said, answered = scene.answered(source), scene.answered(both)
    recall, after = (each.mean(each.hits) for each in (said, answered))
    surely = compare(said, answered, draws=DRAWS, rng=np.random.default_rng([scene.seed, 6]))
    blind = masked_recall(scene, source), masked_recall(scene, both)
    pace = paced(source, both, scene.asked.rows, process_time)
    plain = paced(source, whole, scene.asked.rows, process_time)
    return {
        "size": both.disk / source.disk,
        "model": _model(both) / _model(source),
        "index": (both.disk - _model(both)) / (source.disk - _model(source)),
        "bytes": source.disk,
        "before vectors": model.disk / source.disk,
        "lost": 1 - after / recall,
        "lost at least": -surely.high / recall,
        "lost at most": -surely.low / recall,
        "rows": 1 - _rows(pruned) / _rows(source),
        "pruned": 1 - scene.recall(pruned) / recall,
        "cpu": pace.candidate / pace.parent,
        "plain": plain.candidate / plain.parent,
        "us": plain.parent,
        "cosine": _cosine(source, whole),
        "noise": (blind[0] / recall - blind[1] / after) if after else 1.0,
    }


def masked_recall(scene: Scene, pair: Pair) -> float:
    """Recall of the scene's questions where a share of the users' values is not known; the same values for every pair."""
    features = TowerSchema.from_json(scene.source.model[SCHEMA].decode()).user
    rng = np.random.default_rng([scene.seed, 5])
    asked = Questions(masked(scene.asked.rows, features, MASKED, rng), scene.asked.hidden)
    found = replace(scene, asked=asked).answered(pair)
    return found.mean(found.hits)


def _model(pair: Pair) -> int:
    kept = pair.index.snapshot()
    return sum(len(data) for name, data in pair.model.items() if name not in kept)


def _rows(pair: Pair) -> int:
    """The rows that stand for ids."""
    schema = TowerSchema.from_json(pair.model[SCHEMA].decode())
    ids = {feature.vocabulary for feature in (*schema.user, *schema.item) if feature.kind == "id"}
    known = Encoding.from_json(pair.model["encoding.json"].decode()).vocabularies
    return sum(len(known[name].rows) for name in ids)


def _cosine(first: Pair, second: Pair) -> float:
    """The least cosine of what the towers say of an item in one and in the other."""
    ids = first.index.ids()
    a, b = (pair.index.vectors(ids)[:, :-WIDTH] for pair in (first, second))
    return float(((a * b).sum(axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)).min())


def rows(found: Found) -> list[Row]:
    """The table's lines."""

    def mean(set_: str, name: str) -> float:
        return float(np.mean([one[name] for one in found[set_]]))

    def each(name: str) -> str:
        return "; ".join(f"{set_} {mean(set_, name):.4f}" for set_ in found)

    def worst(name: str) -> float:
        return max(mean(set_, name) for set_ in found)

    parts = f"without its index {each('model')}; its index alone {each('index')}"
    sure = "; ".join(f"{set_} {mean(set_, 'lost at least'):+.4f} to {mean(set_, 'lost at most'):+.4f}" for set_ in found)
    cosine = min(one["cosine"] for ones in found.values() for one in ones)
    return [
        at_most("release size, prune + quantise", worst("size"), 1 / 6, f"of all files as they were; {each('size')}; {parts}"),
        told("release size before item vectors", worst("before vectors"), "ratio", each("before vectors")),
        at_most(
            f"recall@{K} lost by prune + quantise", worst("lost"), 0.005, f"relative; {each('lost')}; 95 % of a seed: {sure}"
        ),
        *_pruned(found, mean),
        at_most("int8 tower: CPU of one user", worst("plain"), 0.6, f"of float32's; {each('plain')}; pruned too {each('cpu')}"),
        at_least("int8 tower: worst cosine over all items", cosine, 0.995, f"to float32's; {each('cosine')}"),
        at_most("20 % of features masked: recall lost beyond the source", worst("noise"), 0.01, f"relative; {each('noise')}"),
    ]


def _pruned(found: Found, mean: Callable[[str, str], float]) -> Iterator[Row]:
    for name in found:
        against = f"of users and items; at a loss of recall@{K} of {mean(name, 'pruned'):.4f}"
        if name == FILMS:
            yield at_least(f"id rows pruned, {name}", mean(name, "rows"), 0.5, against)
        else:
            yield told(f"id rows pruned, {name}", mean(name, "rows"), "ratio", against)
