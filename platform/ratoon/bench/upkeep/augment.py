"""Items of few events: what a release finds of them when it has learnt with items shown as if nobody had met them."""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from ratoon.bench.row import Row, at_least, not_run, told
from ratoon.bench.upkeep.scene import Scene
from ratoon.judging import Pair
from ratoon.upkeep.augment import PLAN, Augment
from ratoon.upkeep.relearning import Relearning

FEW = 5
"""Events before the release, below which an item has few."""

QUANTITY = f"recall@50 on items with under {FEW} events, augmentation on / off: gain"

SLICES = ("all", "few", "warm", "new users")


def measure(scene: Scene) -> Mapping[str, float]:
    """Recall@50 by slice, off and on; both are learnt from the same rows from nothing, and absorb the same rows."""
    again = Relearning.of(scene.shop, scene.task, scene.source)
    trainer = scene.shop.trainer
    off = again.absorbed(trainer, trainer.train(PLAN, scene.task.schema, None, again.lesson))
    on = Augment()(scene.shop, scene.task, scene.source).pair
    met = Counter(again.past.column("item_id").to_pylist())
    questions = sum(met[item] < FEW and item in scene.source.index for item in scene.asked.column("item_id"))
    return {
        "questions": float(questions),
        **{f"{name} off": value for name, value in recalls(scene, again, off).items()},
        **{f"{name} on": value for name, value in recalls(scene, again, on).items()},
    }


def recalls(scene: Scene, again: Relearning, pair: Pair) -> dict[str, float]:
    """Recall@50 by slice; items that came after the release are in none but `all`."""
    met, users = (Counter(again.past.column(name).to_pylist()) for name in ("item_id", "user_id"))
    wanted, asking = scene.asked.column("item_id"), scene.asked.column("user_id")
    known = np.array([item in scene.source.index for item in wanted])
    few = np.array([met[item] < FEW for item in wanted]) & known
    fresh = np.array([not users[user] for user in asking])
    hits = np.asarray(scene.answered(pair).hits, np.float64)
    slices = zip(SLICES, (known | True, few, known & ~few, fresh), strict=True)
    return {name: float(hits[chosen].mean()) if chosen.any() else 0.0 for name, chosen in slices}


def rows(figures: Mapping[str, Sequence[Mapping[str, float]]]) -> list[Row]:
    """The line of items with few events, by the worst set, and one of every slice."""
    means = {name: {key: float(np.mean([one[key] for one in found])) for key in found[0]} for name, found in figures.items()}

    def gain(name: str) -> dict[str, float]:
        return {each: one[f"{name} on"] / one[f"{name} off"] - 1 for each, one in means.items() if one[f"{name} off"]}

    def said(name: str) -> str:
        return "; ".join(f"{each}: {one[f'{name} off']:.4f} off, {one[f'{name} on']:.4f} on" for each, one in means.items())

    few, against = gain("few"), "learnt from the same rows without"
    lines = [
        at_least(f"{QUANTITY}, {name}", few[name], 0.1, f"{against}; {said('few')}")
        if name in few
        else not_run(
            f"{QUANTITY}, {name}", ">= 0.1", f"none of {one['questions']:.0f} questions for such items is answered, off or on"
        )
        for name, one in means.items()
    ]
    named = {"all": "all questions", "warm": "other items", "new users": "users without events before"}
    return lines + [
        told(f"recall@50 on {words}, augmentation on / off: gain, worst set", min(gain(name).values()), "ratio", said(name))
        for name, words in named.items()
        if gain(name)
    ]
