"""The mean of models of one chain."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from ratoon.domain.errors import DataError
from ratoon.ports import Files
from ratoon.training import TwoTowerTrainer
from ratoon.training.files import load_model
from ratoon.training.model import Model
from tests.training.worlds import FULL, SCHEMA, SMALL, catalogue, interactions, lesson, rows

QUICK = replace(SMALL, epochs=1)


def opened(files: Files) -> Model:
    return load_model(files, SCHEMA, QUICK, torch.device("cpu"))


def test_rows_are_averaged_by_what_they_stand_for() -> None:
    """A tensor is the mean of both models', a row the mean of those that have it, and an item that came since keeps its own."""
    trainer = TwoTowerTrainer(QUICK, 0)
    old = trainer.train(FULL, SCHEMA, None, lesson(interactions(range(8), range(8), 200), catalogue(range(8))))
    more = lesson(interactions(range(8), range(12), 100, seed=1), catalogue(range(12)))
    new = trainer.train(rows(tuple(f"i{number:03d}" for number in range(12))), SCHEMA, old, more)
    before, after, mean = (opened(files) for files in (old, new, trainer.averaged([new, old])))
    assert mean.encoding == after.encoding
    torch.testing.assert_close(mean.tensors["user.w1"], (before.tensors["user.w1"] + after.tensors["user.w1"]) / 2)
    vocabularies = [model.encoding.vocabularies["item_id"].rows for model in (before, after)]
    tables = [model.tensors["table.item_id"] for model in (before, after, mean)]
    assert "i011" not in vocabularies[0]
    for item, row in vocabularies[1].items():
        parts = [tables[1][row], *([tables[0][vocabularies[0][item]]] if item in vocabularies[0] else [])]
        torch.testing.assert_close(tables[2][row], torch.stack(parts).mean(dim=0))
    assert not np.array_equal(tables[2][1], tables[1][1])


def test_another_shape_is_refused() -> None:
    """A model whose layers are of another width is no part of the chain, and is named with both shapes."""
    some = lesson(interactions(range(8), range(8), 100), catalogue(range(8)))
    one, other = (TwoTowerTrainer(replace(QUICK, hidden=hidden), 0).train(FULL, SCHEMA, None, some) for hidden in (16, 24))
    with pytest.raises(DataError, match=r"tensor item\.b1: expected shape \(16,\), found \(24,\)"):
        TwoTowerTrainer(QUICK, 0).averaged([one, other])


def test_others_teach_by_other_random_choices() -> None:
    """The same seed makes the same choices again, another one others, and none of them the trainer's own."""
    some = lesson(interactions(range(8), range(8), 100), catalogue(range(8)))
    trainer = TwoTowerTrainer(QUICK, 0)
    own, first, again, second = (
        one.train(FULL, SCHEMA, None, some) for one in (trainer, *(trainer.varied({}, seed) for seed in (1, 1, 2)))
    )
    assert first == again
    assert len({files["item.safetensors"] for files in (own, first, second)}) == 3
