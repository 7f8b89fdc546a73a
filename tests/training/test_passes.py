"""Tests of passes over a lesson, and of when they stop."""

import json
from dataclasses import replace

import pyarrow as pa

from ratoon.ports import Files
from ratoon.training import TwoTowerTrainer
from tests.training.worlds import FULL, SCHEMA, SMALL, catalogue, interactions, lesson


def _losses(files: Files) -> dict[str, list[float]]:
    found: dict[str, list[float]] = json.loads(files["model.json"])["losses"]
    return found


def _other_colour(table: pa.Table) -> pa.Table:
    """The same histories followed by what those users never take: learning the lesson can only make these less likely."""
    swapped = [f"i{int(item[1:]) ^ 1:03d}" for item in table.column("item_id").to_pylist()]
    return table.set_column(table.column_names.index("item_id"), "item_id", pa.array(swapped))


def test_the_best_pass_is_kept_and_the_first_worse_one_is_the_last() -> None:
    """With fit rows that contradict the lesson, learning stops when it is worse for them; the files hold the pass before."""
    table, live = interactions(range(20), range(20), 800), catalogue(range(20))
    judged = lesson(table, live, fit=_other_colour(interactions(range(30, 36), range(20), 100, seed=1)))
    stopped = TwoTowerTrainer(replace(SMALL, epochs=12), seed=1).train(FULL, SCHEMA, None, judged)
    losses, gains = (_losses(stopped)[name] for name in ("fit", "gain"))
    worse = [losses[end] > min(losses[:end]) and gains[end] < max(gains[:end]) for end in range(1, len(losses))]
    assert worse == [False] * (len(losses) - 2) + [True]
    best = TwoTowerTrainer(replace(SMALL, epochs=len(losses) - 1), seed=1).train(FULL, SCHEMA, None, judged)
    assert [stopped[name] == best[name] for name in ("user.safetensors", "item.safetensors")] == [True, True]


def test_without_fit_rows_every_pass_is_made() -> None:
    """Nothing says when to stop, so nothing stops it."""
    files = TwoTowerTrainer(SMALL, seed=1).train(
        FULL, SCHEMA, None, lesson(interactions(range(8), range(8), 100), catalogue(range(8)))
    )
    assert len(_losses(files)["train"]) == SMALL.epochs
    assert _losses(files)["fit"] == []


def test_progress_is_told_after_each_pass() -> None:
    """The listener hears which pass is done, and a share that ends at 1."""
    heard: list[tuple[str, float]] = []
    trainer = TwoTowerTrainer(replace(SMALL, epochs=2), 1, lambda what, done: heard.append((what, done)))
    trainer.train(FULL, SCHEMA, None, lesson(interactions(range(8), range(8), 100), catalogue(range(8))))
    assert heard == [("full pass 1 of 2", 0.5), ("full pass 2 of 2", 1.0)]


def test_replayed_rows_are_learnt_with_the_new_ones() -> None:
    """Half of the rows as replay and half as new are one lesson: the same model as when all are new."""
    table, live = interactions(range(8), range(8), 200), catalogue(range(8))
    whole = TwoTowerTrainer(SMALL, seed=1).train(FULL, SCHEMA, None, lesson(table, live))
    halves = TwoTowerTrainer(SMALL, seed=1).train(FULL, SCHEMA, None, lesson(table.slice(0, 100), live, replay=table.slice(100)))
    assert whole == halves
