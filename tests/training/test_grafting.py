"""A model of one catalogue as what another's starts from."""

from dataclasses import replace

import numpy as np
import pytest

from ratoon.domain.errors import DataError
from ratoon.domain.plan import RefreshPlan
from ratoon.domain.schema import Feature, TowerSchema
from ratoon.ports import Files
from ratoon.towers import open_towers
from ratoon.training import TwoTowerTrainer
from tests.training.worlds import SCHEMA, SMALL, catalogue, interactions, lesson, users_table

TRAINER = TwoTowerTrainer(SMALL, seed=3)
RENAMED = {f"i{number:03d}": f"o{number:03d}" for number in range(20)}
DENSE = RefreshPlan("dense", "a test")


def test_shared_ids_bring_their_rows_under_our_names(parent: Files) -> None:
    """An item that both have has the vector it had there, by our name; one that is not shared has an unknown one's."""
    shared = {name: RENAMED[name] for name in ("i003", "i004")}
    files = TRAINER.grafted(SCHEMA, parent, {"item_id": shared})
    theirs = open_towers(parent).items(catalogue(range(20)))
    items = catalogue(range(20))
    items = items.set_column(0, "item_id", [[RENAMED[name] for name in items.column("item_id").to_pylist()]])
    ours = open_towers(files).items(items)
    np.testing.assert_array_equal(ours[3:5], theirs[3:5])
    assert np.abs(ours[5:] - theirs[5:]).max() > 0.01
    unknown = catalogue(range(20, 40))
    np.testing.assert_array_equal(ours[6], open_towers(parent).items(unknown)[6])


def test_users_that_are_not_shared_are_strangers(parent: Files) -> None:
    """Without a map of users each is looked at as one that was never seen, by the history alone."""
    ids = {name: name for name in RENAMED}
    files = TRAINER.grafted(SCHEMA, parent, {"item_id": ids})
    users = users_table(["u001"], [["i001", "i003"]])
    stranger = users_table(["nobody"], [["i001", "i003"]])
    np.testing.assert_array_equal(open_towers(files).users(users), open_towers(parent).users(stranger))


def test_inputs_of_one_alone_stay_out(parent: Files) -> None:
    """What only they read is gone with its columns; what only we read is learnt on top, and at first says nothing."""
    mine = (SCHEMA.item[0], Feature("weight", "profile", "item", "number"), SCHEMA.item[1])
    schema = replace(SCHEMA, item=mine)
    files = TRAINER.grafted(schema, parent, {"item_id": {name: name for name in RENAMED}})
    assert [one.name for one in TowerSchema.from_json(files["schema.json"].decode()).item] == ["item_id", "colour"]
    table = interactions(range(20), range(20), 300)
    items = catalogue(range(20)).append_column("weight", [[1.0] * 20])
    taught = lesson(table.append_column("weight", [[1.0] * 300]), items)
    tuned = TRAINER.train(DENSE, schema, files, taught)
    assert open_towers(tuned).items(items).shape == (20, SMALL.dim)


def test_what_has_nothing_in_common_is_refused(parent: Files) -> None:
    """Towers without a shared input, rows of another length and vectors of another length are refused by name."""
    strange = replace(SCHEMA, item=(Feature("sku", "", "item", "category", "sku"),))
    with pytest.raises(DataError, match="the other release's item features: expected some of sku"):
        TRAINER.grafted(strange, parent, {})
    small = TwoTowerTrainer(replace(SMALL, small=5), seed=3)
    with pytest.raises(DataError, match="expected length 5 of colour, found length 4"):
        small.grafted(SCHEMA, parent, {})
    with pytest.raises(DataError, match="parent model's dim: expected 12, found 8"):
        TwoTowerTrainer(replace(SMALL, dim=12), seed=3).grafted(SCHEMA, parent, {})
