"""A widened model gives its parent's vectors until it is taught."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
import torch

from ratoon.domain.encoding import Encoding
from ratoon.domain.errors import DataError
from ratoon.domain.plan import RefreshPlan
from ratoon.domain.schema import Feature, TowerSchema
from ratoon.towers import open_own
from ratoon.training import TwoTowerTrainer
from ratoon.training.files import dump, load_model
from ratoon.training.widening import widened
from tests.training.worlds import FULL, PATH, SCHEMA, SMALL, TITLE, catalogue, interactions, lesson, pathed, titled

CPU = torch.device("cpu")
DENSE = RefreshPlan("dense", "a test")
ONLY_IDS = TowerSchema("checkerboard", SCHEMA.user[:1], SCHEMA.item[:1])
AGE, JOB = Feature("age", "profile", "user", "number"), Feature("job", "profile", "user", "category", "job")
LOOK = Feature("look", "pictures", "item", "vector", dim=3)
MORE = replace(SCHEMA, user=(SCHEMA.user[0], AGE, SCHEMA.user[1], JOB), item=(LOOK, *SCHEMA.item))

WORDS = replace(SCHEMA, user=(PATH, *SCHEMA.user), item=(*SCHEMA.item, TITLE))


def with_more(table: pa.Table, *names: str) -> pa.Table:
    count = table.num_rows
    columns = {
        "age": pa.array([float(row % 9) if row % 4 else None for row in range(count)]),
        "job": pa.array([("baker", "judge")[row % 2] for row in range(count)]),
        "look": pa.array([[row / count, 1.0, -1.0] for row in range(count)], pa.list_(pa.float32())),
    }
    for name in names:
        table = table.append_column(name, columns[name])
    return table


ITEMS = titled(with_more(catalogue(range(16)), "look"))
PAST = titled(pathed(with_more(interactions(range(12), range(16), 400), "age", "job", "look")))


@pytest.mark.parametrize("old", [SCHEMA, ONLY_IDS])
@pytest.mark.parametrize("new", [MORE, WORDS])
def test_before_it_learns_a_widened_model_gives_the_same_vectors(old: TowerSchema, new: TowerSchema) -> None:
    """Users and items, with layers or without, keep their vectors whatever the new inputs say, wherever those stand."""
    files = TwoTowerTrainer(SMALL, 0).train(FULL, old, None, lesson(PAST, ITEMS))
    parent = load_model(files, old, SMALL, CPU)
    encoding = parent.encoding.grown(new.item, ITEMS).grown(new.user, PAST)
    wide = open_own(dump(widened(parent, new, encoding, 0, SMALL), SMALL))
    before = open_own(files)
    assert wide.schema == new
    np.testing.assert_allclose(wide.items(ITEMS), before.items(ITEMS), atol=1e-6)
    np.testing.assert_allclose(wide.users(PAST), before.users(PAST), atol=1e-6)


def test_new_inputs_are_learnt_on_top() -> None:
    """Under `dense` every tensor of the parent moves from where it was, and the new inputs come to matter."""
    trainer = TwoTowerTrainer(replace(SMALL, passes=2), 0)
    files = trainer.train(FULL, SCHEMA, None, lesson(PAST, ITEMS))
    child = trainer.train(DENSE, MORE, files, lesson(PAST, ITEMS))
    wide, parent = load_model(child, MORE, SMALL, CPU), load_model(files, SCHEMA, SMALL, CPU)
    assert not any(torch.equal(wide.tensors[name], tensor) for name, tensor in parent.tensors.items())
    assert wide.tensors["table.user_id"].shape == parent.tensors["table.user_id"].shape
    assert wide.encoding.vocabularies["job"].values == ("baker", "judge")
    assert wide.encoding.scales["item_events"] == parent.encoding.scales["item_events"]
    assert wide.encoding.scales["age"].mean == pytest.approx(np.nanmean(PAST.column("age").to_pandas()))
    older = PAST.set_column(PAST.column_names.index("age"), "age", pa.array([8.0] * PAST.num_rows))
    towers = open_own(child)
    assert np.abs(towers.users(older) - towers.users(PAST)).max() > 1e-3
    assert trainer.train(DENSE, MORE, files, lesson(PAST, ITEMS)) == child


def test_texts_and_attention_are_learnt_on_top() -> None:
    """Nothing of either stays at the zero that it starts from: words and paths come to matter, and so does where to look."""
    trainer = TwoTowerTrainer(replace(SMALL, passes=2), 0)
    files = trainer.train(FULL, SCHEMA, None, lesson(PAST, ITEMS))
    child = trainer.train(DENSE, WORDS, files, lesson(PAST, ITEMS))
    wide, parent = load_model(child, WORDS, SMALL, CPU), load_model(files, SCHEMA, SMALL, CPU)
    assert wide.tensors["item.w1"].shape[1] == parent.tensors["item.w1"].shape[1] + 5
    assert wide.tensors["user.path.position"].abs().max() > 1e-3
    towers = open_own(child)
    other = ITEMS.set_column(ITEMS.column_names.index("title"), "title", pa.array(["The black one"] * 16))
    elsewhere = PAST.set_column(PAST.column_names.index("path"), "path", pa.array([["i001", "i003"]] * PAST.num_rows))
    assert np.abs(towers.items(other) - towers.items(ITEMS)).max() > 1e-3
    assert np.abs(towers.users(elsewhere) - towers.users(PAST)).max() > 1e-3
    assert trainer.train(DENSE, WORDS, files, lesson(PAST, ITEMS)) == child


def test_without_new_inputs_dense_still_moves_what_rows_hold() -> None:
    """Under `dense` the item tower's shared layers move too, and newcomers get rows."""
    trainer = TwoTowerTrainer(SMALL, 0)
    files = trainer.train(FULL, SCHEMA, None, lesson(PAST, ITEMS))
    more = with_more(interactions(range(14), range(20), 200), "look")
    child = trainer.train(DENSE, SCHEMA, files, lesson(more, catalogue(range(20))))
    wide, parent = load_model(child, SCHEMA, SMALL, CPU), load_model(files, SCHEMA, SMALL, CPU)
    assert not torch.equal(wide.tensors["item.w1"], parent.tensors["item.w1"])
    assert len(wide.tensors["table.item_id"]) == 21
    absorbed = trainer.absorb(DENSE, child, lesson(more, catalogue(range(20))))
    assert not torch.equal(load_model(absorbed, SCHEMA, SMALL, CPU).tensors["item.w1"], wide.tensors["item.w1"])


def test_what_cannot_be_widened_is_refused() -> None:
    """A parent with other inputs, none at all, and a lesson without rows are refused, saying what differs."""
    trainer = TwoTowerTrainer(SMALL, 0)
    files = trainer.train(FULL, MORE, None, lesson(PAST, ITEMS))
    message = (
        "parent model's features: expected all of them among the schema's, unchanged, found age left out, job left out, look"
    )
    with pytest.raises(DataError, match=message):
        trainer.train(DENSE, SCHEMA, files, lesson(PAST, ITEMS))
    with pytest.raises(DataError, match="parent: expected a model to start from, found none"):
        trainer.train(DENSE, SCHEMA, None, lesson(PAST, ITEMS))
    with pytest.raises(DataError, match="lesson: expected interactions to learn from, found none"):
        trainer.train(DENSE, MORE, files, lesson(PAST.slice(0, 0), ITEMS))


def test_encodings_of_old_inputs_stay() -> None:
    """Growing by new inputs changes neither the scales nor the rows of the old ones."""
    old = Encoding.of(SCHEMA, PAST, ITEMS)
    new = old.grown(MORE.item, ITEMS).grown(MORE.user, PAST)
    assert {name: new.scales[name] for name in old.scales} == dict(old.scales)
    assert {name: new.vocabularies[name] for name in old.vocabularies} == dict(old.vocabularies)
