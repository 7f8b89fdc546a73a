"""Items shown while learning as if nobody had met them."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from ratoon.domain.plan import RefreshPlan
from ratoon.domain.schema import Feature
from ratoon.ports import Files
from ratoon.towers import open_towers
from ratoon.training import TwoTowerTrainer
from ratoon.training.devices import CPU
from ratoon.training.files import load_model
from tests.training.worlds import FULL, SCHEMA, SMALL, catalogue, interactions, lesson, rows, users_table

FOLDED = replace(SCHEMA, item=(*SCHEMA.item[:2], Feature("item_events", "popularity", "item", "count", fold="count")))
OPEN = replace(SMALL, newcomers=0.3, epochs=4)


def _items(numbers: range, met: range) -> pa.Table:
    """A catalogue in which only some items have been met, and the others' counts are missing."""
    table = catalogue(numbers)
    counts = [100 if int(item[1:]) in met else None for item in table.column("item_id").to_pylist()]
    return table.set_column(2, "item_events", pa.array(counts, pa.int64()))


def _trained(newcomers: float) -> Files:
    taught = lesson(interactions(range(20), range(20), 600), _items(range(40), range(20)))
    return TwoTowerTrainer(replace(OPEN, newcomers=newcomers), seed=7).train(FULL, FOLDED, None, taught)


@pytest.fixture(scope="module")
def opened() -> Files:
    return _trained(OPEN.newcomers)


def test_newcomers_are_ranked_by_what_they_are(opened: Files) -> None:
    """Items of a user's colour that nobody has had come before most items of the other colour, as they do not otherwise."""
    users = users_table(["u000", "u001"], [["i000", "i002"], ["i001", "i003"]])

    def before(files: Files) -> float:
        towers = open_towers(files)
        scores = towers.users(users) @ towers.items(_items(range(40), range(20))).T
        own = np.concatenate([scores[user, 20 + user :: 2] for user in range(2)])
        other = np.concatenate([scores[user, 1 - user : 20 : 2] for user in range(2)])
        return float((own[:, None] > other[None]).mean())

    assert before(opened) > max(0.6, before(_trained(0.0)))


def test_an_item_that_nobody_has_had_goes_on_as_an_unknown_one(opened: Files) -> None:
    """Its row is that of unknown ids, to the bit; those of items that somebody has had are their own."""
    model = load_model(opened, FOLDED, OPEN, CPU)
    table, known = model.tensors["table.item_id"], model.encoding.vocabularies["item_id"].rows
    unmet = [known[f"i{number:03d}"] for number in range(20, 40)]
    met = [known[f"i{number:03d}"] for number in range(20)]
    assert (table[unmet] == table[0]).all()
    assert not (table[met] == table[0]).any()


@pytest.mark.parametrize("scope", ["rows", "dense"])
def test_a_refresh_lets_go_of_new_items_alone(opened: Files, scope: str) -> None:
    """In a later lesson an item that nobody has any more keeps its row; a new one that nobody has is let go."""
    items = _items(range(42), range(20))
    taught = lesson(interactions(range(20), range(10), 200, seed=5), items)
    plan = rows(("i040", "i041")) if scope == "rows" else RefreshPlan("dense", "a test")
    files = TwoTowerTrainer(OPEN, seed=7).train(plan, FOLDED, opened, taught)
    model = load_model(files, FOLDED, OPEN, CPU)
    table, known = model.tensors["table.item_id"], model.encoding.vocabularies["item_id"].rows
    assert (table[known["i040"]] == table[0]).all()
    assert not (table[known["i015"]] == table[0]).any()
