"""Tests of single passes: which rows move, what is drawn, and what stops them."""

from dataclasses import replace

import pytest
import torch

from ratoon.domain.encoding import Encoding
from ratoon.domain.errors import DataError
from ratoon.training import fitting as module
from ratoon.training.examples import Codes, Examples, Items, encode_examples, encode_items
from ratoon.training.fitting import Fitting
from ratoon.training.forward import KEPT
from ratoon.training.freedom import Mask
from ratoon.training.model import Model, fresh
from ratoon.training.repeatable import generator
from ratoon.training.settings import TrainingSettings
from tests.training.worlds import SCHEMA, SMALL, catalogue, interactions

CPU = torch.device("cpu")


def _world(count: int = 200, settings: TrainingSettings = SMALL) -> tuple[Model, Examples, Items]:
    table, live = interactions(range(8), range(8), count), catalogue(range(8))
    encoding = Encoding.of(SCHEMA, table, live)
    codes = Codes.of(encoding, [])
    items = encode_items(SCHEMA, encoding, live, CPU, codes)
    return fresh(SCHEMA, encoding, 3, settings, CPU), encode_examples(SCHEMA, encoding, table, items, "softmax", codes), items


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


def test_learning_rates_fall_to_nothing() -> None:
    """Over the given steps they fall evenly: what is learnt in them moves the model less, and after the last nothing does."""
    moved = []
    for steps in (0, 2):
        model, examples, items = _world(count=SMALL.batch * 2)
        share = torch.full((len(model.tensors["table.item_id"]),), 1 / 8)
        fitting = Fitting(model, dict.fromkeys(model.tensors), items, share, SMALL, generator(0), steps=steps)
        before = {name: tensor.clone() for name, tensor in model.tensors.items()}
        fitting.epoch(examples)
        after = {name: tensor.clone() for name, tensor in model.tensors.items()}
        moved.append(sum(float((after[name] - before[name]).abs().detach().sum()) for name in before))
        fitting.epoch(examples)
        assert all(torch.equal(model.tensors[name], after[name]) for name in after) == bool(steps)
    assert 0 < moved[1] < moved[0]


def test_unknown_rows_learn_from_forgotten_ids() -> None:
    """Row 0 of the id tables moves if and only if ids are dropped while learning."""
    for dropout, moves in [(0.0, False), (0.3, True)]:
        settings = replace(SMALL, id_dropout=dropout)
        model, examples, items = _world(settings=settings)
        before = {name: model.tensors[name][0].clone() for name in ("table.item_id", "table.user_id")}
        _fitting(model, items, settings=settings).epoch(examples)
        assert [bool((model.tensors[name][0] != row).any()) for name, row in before.items()] == [moves, moves]


def test_a_pass_lowers_the_loss_and_measuring_it_teaches_nothing() -> None:
    """`judged` repeats itself and moves no tensor; an `epoch` lowers the loss and raises the gain."""
    model, examples, items = _world()
    fitting = _fitting(model, items)
    before = fitting.judged(examples, generator(1))
    assert fitting.judged(examples, generator(1)) == before
    fitting.epoch(examples)
    after = fitting.judged(examples, generator(1))
    assert after["fit"] < before["fit"]
    assert after["gain"] > before["gain"]


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


def test_weights_decide_where_rows_pull() -> None:
    """A lesson in which some rows count nine times as much ends in other tensors, of users and of items."""
    learnt = []
    for weight in (None, torch.cat([torch.full((20,), 9.0), torch.ones(180)])):
        model, examples, items = _world()
        _fitting(model, items).epoch(replace(examples, weight=weight))
        learnt.append({name: tensor.detach().clone() for name, tensor in model.tensors.items()})
    plain, weighted = learnt
    assert not any(torch.equal(plain[name], weighted[name]) for name in ("table.item_id", "table.user_id", "user.w1"))


def test_a_loss_over_batches_is_the_weighted_mean() -> None:
    """What is measured on rows of different batches counts each batch by the weight of its rows."""
    model, examples, items = _world(count=128)
    nothing = items.take(torch.tensor([], dtype=torch.int64))
    parts = [examples.take(torch.arange(start, start + 64)) for start in (0, 64)]
    fitting = _fitting(model, nothing)
    first, second = (fitting.judged(part, generator(1))["fit"] for part in parts)
    weighted = replace(examples, weight=torch.cat([torch.full((64,), 3.0), torch.ones(64)]))
    assert fitting.judged(weighted, generator(1))["fit"] == pytest.approx((3 * first + second) / 4)


def _gradient_length(model: Model) -> float:
    gradients = [tensor.grad for tensor in model.tensors.values() if tensor.grad is not None]
    parts = [gradient.coalesce().values() if gradient.is_sparse else gradient for gradient in gradients]
    return float(torch.cat([part.reshape(-1) for part in parts]).norm())


def test_a_long_gradient_is_cut_to_the_norm() -> None:
    """Of layers and rows together, optimisers get a gradient of the length that is let pass; a shorter one stays as it is."""
    lengths = []
    for most in (1e-3, 1e9):
        model, examples, items = _world()
        _fitting(model, items, settings=replace(SMALL, gradient_norm=most, batch=len(examples))).epoch(examples)
        lengths.append(_gradient_length(model))
    assert lengths[0] == pytest.approx(1e-3, rel=1e-4)
    assert 1e-2 < lengths[1] < 1e9


def test_a_norm_that_is_never_reached_changes_nothing() -> None:
    """With and without a bound far above any gradient, the same bits are learnt."""
    learnt = []
    for most in (float("inf"), 1e9):
        model, examples, items = _world()
        _fitting(model, items, settings=replace(SMALL, gradient_norm=most)).epoch(examples)
        learnt.append(model.tensors)
    assert all(torch.equal(tensor, learnt[1][name]) for name, tensor in learnt[0].items())


def test_learning_rates_rise_over_the_first_steps() -> None:
    """Adam's first step has the length of the rate: of a warm-up over ten steps it is a tenth, the tenth step has all of it."""
    model, examples, items = _world()
    settings = replace(SMALL, warmup=10, batch=20)
    fitting, layer, ways = _fitting(model, items, settings=settings), model.tensors["user.b1"], list[float]()
    for _ in range(11):
        before = layer.detach().clone()
        fitting.epoch(examples.take(torch.arange(20)))
        ways.append(float((layer.detach() - before).abs().max()))
    assert ways[0] == pytest.approx(SMALL.lr_dense / 10, rel=1e-3)
    model, examples, items = _world()
    unwarmed = _fitting(model, items, settings=replace(settings, warmup=0))
    before = model.tensors["user.b1"].detach().clone()
    unwarmed.epoch(examples.take(torch.arange(20)))
    assert float((model.tensors["user.b1"].detach() - before).abs().max()) == pytest.approx(SMALL.lr_dense, rel=1e-3)
    assert ways[9] > 5 * ways[0]


def test_hidden_units_are_left_out_only_while_learning() -> None:
    """Under dropout other weights are learnt, from masks of its own for each vector; measuring a loss leaves nothing out."""
    model, examples, items = _world()
    plain, thinned = (_fitting(model, items, settings=replace(SMALL, dropout=share)) for share in (0.0, 0.5))
    assert plain.judged(examples, generator(1)) == thinned.judged(examples, generator(1))
    step = next(thinned._steps.shuffled(examples, generator(2)))
    kept = step.sides.users[KEPT]
    assert kept.shape == (SMALL.batch, SMALL.hidden)
    assert set(kept.unique().tolist()) == {0.0, 2.0}
    assert not torch.equal(kept[0], kept[1])
    assert float((kept == 0).float().mean()) == pytest.approx(0.5, abs=0.1)
    assert len(step.sides.items[KEPT]) == SMALL.batch + SMALL.negatives
    assert KEPT not in next(plain._steps.shuffled(examples, generator(2))).sides.users
