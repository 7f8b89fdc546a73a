"""The canary: a feature equal to the label of the event it comes from must not help to predict that event.

In this world every choice is uniformly random, so nothing can be learnt, and any recall above chance is a leak.
"""

import math
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from ratoon.domain.delta import split_of
from ratoon.domain.plan import RefreshPlan
from ratoon.features.folds import stamps
from ratoon.ports import Lesson
from ratoon.towers import open_towers
from ratoon.training import TrainingSettings, TwoTowerTrainer
from tests.fakes.events import at, batch, event
from tests.features.worlds import repo_copy, world

USERS, ITEMS, EVENTS, K = 40, 100, 4_000, 10
CANARY = 'Field(name="last_item", dtype=String, tags={"ratoon.aggregate": "last(item_id)", "ratoon.encoder": "category"}),'
MARKER = '        Field(\n            name="recent_items",'


def recall(folder: Path) -> tuple[float, int]:
    """recall@10 on the rows of held-out users in a world without signal, with the canary among the features; and their number."""
    repo = repo_copy(folder, {"users.py": [(MARKER, f"        {CANARY}\n{MARKER}")]})
    random = np.random.default_rng(5)
    pairs = zip(random.integers(0, USERS, EVENTS), random.integers(0, ITEMS, EVENTS), strict=True)
    choices = [
        event(f"{place:05}", user_id=f"u{user}", item_id=f"i{item}", event_timestamp=at(place))
        for place, (user, item) in enumerate(pairs)
    ]
    there = world(folder / "home", batch(*choices), repo=repo).ingest()
    window = there.features.window(None)
    table = there.features.delta(window, None, []).interactions
    catalogue = there.features.items(there.log.catalogue(window.end), window.as_of)
    there.log.close()
    taught = np.array([split_of(user) == "train" for user in table.column("user_id").to_pylist()])
    train, held = table.filter(pa.array(taught)), table.filter(pa.array(~taught))
    settings = TrainingSettings(dim=32, hidden=64, epochs=8, batch=256, negatives=64, lr_dense=5e-3, device="cpu")
    lesson = Lesson(train, train.slice(0, 0), train.slice(0, 0), catalogue)
    files = TwoTowerTrainer(settings, seed=0).train(RefreshPlan("full", "canary"), there.features.schema(), None, lesson)
    towers = open_towers(files)
    scores = towers.users(held) @ towers.items(catalogue).T
    best = np.argsort(-scores, axis=1)[:, :K]
    ids = np.array(catalogue.column("item_id").to_pylist())
    hits = (ids[best] == np.array(held.column("item_id").to_pylist())[:, None]).any(axis=1)
    return float(hits.mean()), len(hits)


def test_a_feature_equal_to_the_label_earns_chance(tmp_path: Path) -> None:
    """With rows valid strictly after their event, the last item says nothing of the next: recall is k/n within 3 sigma."""
    found, rows = recall(tmp_path)
    chance = K / ITEMS
    assert rows > 300
    assert abs(found - chance) < 3 * math.sqrt(chance * (1 - chance) / rows)


def test_the_canary_can_sing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Were rows valid at their event instead of after it, the same pipeline would find the label far above chance."""
    monkeypatch.setattr(stamps, "TICK_US", 0)
    found, _ = recall(tmp_path)
    assert found > 5 * K / ITEMS
