"""A model made smaller: every row keeps its meaning wherever it is spoken of, and nothing else moves."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pytest
import torch
from safetensors.torch import load, save

from ratoon.domain.encoding import Encoding
from ratoon.domain.forms import Forms
from ratoon.domain.plan import RefreshPlan
from ratoon.domain.shape import Kept, Shape
from ratoon.ports import Files
from ratoon.towers import open_towers
from ratoon.training import TwoTowerTrainer, attendance
from tests.training.worlds import FULL, SCHEMA, SMALL, catalogue, interactions, lesson, rows

WARM = TwoTowerTrainer(replace(SMALL, epochs=1, warm_optimiser=True), seed=7)
HALF = Shape(rows={"item_id": Kept((2, 3, 5, 8), 77, 3), "user_id": Kept((1, 4), 77)})


def on(day: int, table: pa.Table) -> pa.Table:
    at = pa.array([timedelta(days=day) // timedelta(microseconds=1)] * table.num_rows, pa.timestamp("us", "UTC"))
    return table.append_column("event_timestamp", at)


@pytest.fixture(scope="module")
def source() -> Files:
    """A model of 12 users and 12 items, with what its optimisers remember."""
    return WARM.train(FULL, SCHEMA, None, lesson(on(0, interactions(range(12), range(12), 200)), catalogue(range(12))))


def known(files: Files, name: str) -> dict[str, int]:
    return dict(Encoding.from_json(files["encoding.json"].decode()).vocabularies[name].rows)


def tensors(files: Files) -> dict[str, torch.Tensor]:
    return load(files["item.safetensors"]) | load(files["user.safetensors"]) | load(files["optimiser.safetensors"])


def test_rows_are_renumbered_everywhere(source: Files) -> None:
    """Table, vocabulary, optimiser's memory and attendance speak of the same values as before, in the same order; layers stay."""
    smaller = WARM.reshaped(source, HALF)
    before, after = tensors(source), tensors(smaller)
    assert known(smaller, "item_id") == {"i001": 1, "i002": 2, "i004": 3, "i007": 4}
    for name, kept in HALF.rows.items():
        assert torch.equal(after[f"table.{name}"], before[f"table.{name}"][[0, *kept.rows]])
        old, new = ({int(row): place for place, row in enumerate(part[f"table.{name}/rows"])} for part in (before, after))
        assert {number for number, row in enumerate((0, *kept.rows)) if row in old} == set(new)
        for number, place in new.items():
            moment = after[f"table.{name}/mean"][place]
            assert torch.equal(moment, before[f"table.{name}/mean"][old[(0, *kept.rows)[number]]])
    assert all(torch.equal(after[name], before[name]) for name in before if not name.startswith("table."))
    attended = attendance.load(smaller)
    assert (attended["item_id"].after, attended["user_id"].after) == (3, 1)
    assert attended["user_id"].seen[1:].tolist() == [77, 77]
    assert WARM.reshaped(smaller, Shape()) == smaller


def test_who_stays_has_the_same_vector(source: Files) -> None:
    """An item that keeps its row is embedded as before, one that does not as one never seen."""
    before, after = (open_towers(files).items(catalogue(range(12))) for files in (source, WARM.reshaped(source, HALF)))
    assert np.array_equal(before[[1, 2, 4, 7]], after[[1, 2, 4, 7]])
    assert not np.allclose(before[0], after[0])


def test_the_gone_come_back_by_new_interactions(source: Files) -> None:
    """What is in the catalogue gets no row for it, and one after as many new interactions as were asked for."""
    smaller = WARM.reshaped(source, HALF)
    few = on(1, interactions(range(0, 12, 2), range(1), 2))
    taught = WARM.train(rows(("i000",)), SCHEMA, smaller, lesson(few, catalogue(range(12))))
    assert set(known(taught, "item_id")) == {"i001", "i002", "i004", "i007"}
    assert set(known(taught, "user_id")) == {"u000", "u003", *few.column("user_id").to_pylist()}
    more = on(2, interactions(range(0, 12, 2), range(1), 1))
    again = WARM.train(RefreshPlan("dense", "a test"), SCHEMA, taught, lesson(more, catalogue(range(12))))
    assert set(known(again, "item_id")) == {"i001", "i002", "i004", "i007", "i000"}


def test_narrower_layers_keep_their_strongest_units(source: Files) -> None:
    """A unit whose weights are zero goes first, and takes nothing with it: vectors stay; every plan teaches what is left."""
    dropped = replace(SMALL, epochs=1, dropout=0.5)
    trainer = TwoTowerTrainer(dropped, seed=7)
    smaller = trainer.reshaped(source, Shape(width=0.5))
    assert tensors_shape(smaller, "user.w1")[0] == 8
    same = trainer.reshaped(smaller, Shape(width=1.0))
    assert same == smaller
    new = lesson(on(1, interactions(range(12), range(12), 40)), catalogue(range(12)))
    for plan in (rows(("i000",)), RefreshPlan("dense", "a test")):
        taught = trainer.train(plan, SCHEMA, smaller, new)
        assert (tensors_shape(taught, "user.w1")[0], tensors_shape(taught, "item.w2")[1]) == (8, 8)
    quiet = dict(load(source["user.safetensors"]))
    quiet["user.w2"][:, ::2] = 0
    halved = {**source, "user.safetensors": save(quiet)}
    narrow = trainer.reshaped(halved, Shape(width=0.5))
    people = interactions(range(12), range(12), 20)
    assert np.allclose(open_towers(halved).users(people), open_towers(narrow).users(people), atol=1e-6)


def tensors_shape(files: Files, name: str) -> torch.Size:
    return (load(files["item.safetensors"]) | load(files["user.safetensors"]))[name].shape


def test_the_form_is_kept_and_what_does_not_move_stays(source: Files) -> None:
    """A rows refresh on a model in whole numbers writes whole numbers, and the bytes of every row that it holds are the same."""
    packed = WARM.reshaped(source, Shape(Forms("int8", "float16")))
    new = lesson(on(1, interactions(range(12), range(12), 60)), catalogue(range(12)))
    taught = WARM.train(rows(("i003",)), SCHEMA, packed, new)
    before, after = tensors(packed), tensors(taught)
    assert (after["table.item_id"].dtype, after["item.w1"].dtype, after["user.b1"].dtype) == (
        torch.int8,
        torch.float16,
        torch.float16,
    )
    held = [row for row in range(13) if row != known(packed, "item_id")["i003"]]
    for name in ("table.item_id", "table.item_id/scales"):
        assert torch.equal(after[name][held], before[name][held])
    layers = [name for name in before if name.startswith("item.") and "/" not in name]
    assert all(torch.equal(after[name], before[name]) for name in layers)
    assert not torch.equal(after["table.user_id"], before["table.user_id"])
