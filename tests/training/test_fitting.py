"""Tests of single passes: which rows move, what is drawn, and what stops them."""

from dataclasses import replace

import pytest
import torch

from ratoon.domain.encoding import Encoding
from ratoon.domain.errors import DataError
from ratoon.training import fitting as module
from ratoon.training.examples import Examples, Items, encode_examples, encode_items
from ratoon.training.fitting import Fitting
from ratoon.training.freedom import Mask
from ratoon.training.model import Model, fresh
from ratoon.training.repeatable import generator
from ratoon.training.settings import TrainingSettings
from tests.training.worlds import SCHEMA, SMALL, catalogue, interactions

CPU = torch.device("cpu")


def _world(count: int = 200, settings: TrainingSettings = SMALL) -> tuple[Model, Examples, Items]:
    table, live = interactions(range(8), range(8), count), catalogue(range(8))
    encoding = Encoding.of(SCHEMA, table, live)
    items = encode_items(SCHEMA, encoding, live, CPU)
    return fresh(SCHEMA, encoding, 3, settings, CPU), encode_examples(SCHEMA, encoding, table, items, "softmax"), items


def _fitting(model: Model, items: Items, mask: Mask | None = None, settings: TrainingSettings = SMALL) -> Fitting:
    share = torch.full((len(model.tensors["table.item_id"]),), 1 / 8)
    return Fitting(model, dict.fromkeys(model.tensors) if mask is None else mask, items, share, settings, generator(0))


def test_only_free_rows_move() -> None:
    """Rows outside the mask keep their bits over many steps although every step has a gradient for them; free ones move."""
    model, examples, items = _world()
    free = torch.tensor([False, True, False, False, False, True, False, False, False])
    before = {name: tensor.clone() for name, tensor in model.tensors.items()}
    fitting = _fitting(model, items, {"table.item_id": free, "user.w1": None})
    for _ in range(5):
        fitting.epoch(examples)
    now = model.tensors["table.item_id"]
    assert torch.equal(now[~free], before["table.item_id"][~free])
    assert not (now[free] == before["table.item_id"][free]).any()
    assert not torch.equal(model.tensors["user.w1"], before["user.w1"])
    rest = set(before) - {"table.item_id", "user.w1"}
    assert all(torch.equal(model.tensors[name], before[name]) for name in rest)


def test_unknown_rows_learn_from_forgotten_ids() -> None:
    """Row 0 of the id tables moves if and only if ids are dropped while learning."""
    for dropout, moves in [(0.0, False), (0.3, True)]:
        settings = replace(SMALL, id_dropout=dropout)
        model, examples, items = _world(settings=settings)
        before = {name: model.tensors[name][0].clone() for name in ("table.item_id", "table.user_id")}
        _fitting(model, items, settings=settings).epoch(examples)
        assert [bool((model.tensors[name][0] != row).any()) for name, row in before.items()] == [moves, moves]


def test_a_pass_lowers_the_loss_and_measuring_it_teaches_nothing() -> None:
    """`loss` repeats itself and moves no tensor; an `epoch` lowers it."""
    model, examples, items = _world()
    fitting = _fitting(model, items)
    before = fitting.loss(examples, generator(1))
    assert fitting.loss(examples, generator(1)) == before
    fitting.epoch(examples)
    assert fitting.loss(examples, generator(1)) < before


def test_no_catalogue_means_no_draws() -> None:
    """Without live items the batch's other items are all the negatives there are."""
    model, examples, items = _world()
    nothing = items.take(torch.tensor([], dtype=torch.int64))
    assert _fitting(model, nothing).epoch(examples) > 0


def test_a_loss_that_is_not_finite_stops_training() -> None:
    """A damaged tensor is reported with the batch and what to do, before any step is taken."""
    model, examples, items = _world(count=20)
    model.tensors["user.b2"][0] = float("nan")
    before = model.tensors["user.w1"].clone()
    with pytest.raises(
        DataError, match=r"training loss: expected a finite number, found nan on a batch of 20 inter.* lower training"
    ):
        _fitting(model, items).epoch(examples)
    assert torch.equal(model.tensors["user.w1"], before)


def test_every_step_passes_the_fault_point(monkeypatch: pytest.MonkeyPatch) -> None:
    """200 interactions in batches of 64 are four steps, and so four places to die in."""
    passed: list[str] = []
    monkeypatch.setattr(module, "fault_point", passed.append)
    model, examples, items = _world()
    _fitting(model, items).epoch(examples)
    assert passed == ["training.step"] * 4


def test_released_tensors_are_plain_values() -> None:
    """After a lesson no tensor asks for gradients or holds one."""
    model, examples, items = _world(count=20)
    fitting = _fitting(model, items)
    fitting.epoch(examples)
    fitting.release()
    assert not any(tensor.requires_grad or tensor.grad is not None for tensor in model.tensors.values())
