"""Tests of the losses against closed forms."""

import math

import pytest
import torch
from torch import Tensor

from ratoon.training.losses import bce_loss, gain, log_mixture, mse_loss, softmax_loss

EYE = torch.eye(2)
NONE = torch.zeros(2)


def test_softmax_of_two_orthogonal_pairs() -> None:
    """Scores 1 for the own item and 0 for the other one give log(1 + exp(-1 / temperature))."""
    codes = torch.tensor([1, 2])
    loss = softmax_loss(EYE, EYE, codes, codes, NONE, temperature=0.5)
    assert float(loss) == pytest.approx(math.log1p(math.exp(-2)))


def test_correction_is_taken_from_the_logits() -> None:
    """A candidate that is drawn e times as often counts 1/e as much: log(1 + exp(s - 1) / exp(p - 0))."""
    codes = torch.tensor([1, 2])
    loss = softmax_loss(EYE[:1], EYE, codes[:1], codes, torch.tensor([0.0, 1.0]), temperature=1.0)
    assert float(loss) == pytest.approx(math.log1p(math.exp(0 - 1 - 1)))


def test_own_item_is_never_its_negative() -> None:
    """A second copy of the row's own item among the candidates changes nothing."""
    codes = torch.tensor([1, 2])
    copied = softmax_loss(EYE, torch.cat([EYE, EYE[:1] * 3]), codes, torch.tensor([1, 2, 1]), torch.zeros(3), 1.0)
    first = softmax_loss(EYE[:1], EYE, codes[:1], codes, NONE, 1.0)
    second = math.log(math.e + 1 + 1) - 1
    assert float(copied) == pytest.approx((float(first) + second) / 2)


def test_a_row_without_negatives_costs_nothing() -> None:
    """When all candidates are the row's own item the loss and its gradient are 0, not infinite."""
    users = EYE.clone().requires_grad_()
    loss = softmax_loss(users, EYE, torch.tensor([1, 1]), torch.tensor([1, 1]), NONE, 1.0)
    torch.autograd.backward(loss)
    assert loss.item() == 0.0
    assert users.grad is not None
    assert users.grad.abs().max() == 0.0


def test_mixture_adds_batch_and_uniform_draws() -> None:
    """An item with share p is expected batch * p + draws / catalogue times among a step's candidates."""
    found = log_mixture(torch.tensor([0.5, 0.0]), batch=8, draws=10, catalogue=5)
    assert found.exp().tolist() == pytest.approx([6.0, 2.0])


def test_item_that_cannot_be_drawn_has_a_finite_correction() -> None:
    """Without draws and interactions the logarithm stays finite."""
    assert math.isfinite(float(log_mixture(torch.zeros(1), batch=8, draws=0, catalogue=0)))


def test_bce_of_undecided_scores_is_log_2_twice() -> None:
    """Scores of 0 cost log 2 for what was observed and log 2 for what was drawn."""
    codes = torch.tensor([1, 2])
    loss = bce_loss(torch.zeros(2, 2), torch.ones(3, 2), torch.tensor([1.0, 0.0]), codes, torch.tensor([1, 2, 3]))
    assert float(loss) == pytest.approx(2 * math.log(2))


def test_bce_leaves_out_draws_of_the_own_item() -> None:
    """A draw that is the row's own item is not a negative of that row, and is one of the others."""
    users, items = torch.tensor([[2.0], [1.0]]), torch.tensor([[1.0], [1.0], [1.0]])
    loss = bce_loss(users, items, torch.tensor([1.0, 1.0]), torch.tensor([1, 2]), torch.tensor([1, 2, 1]))
    observed = (math.log1p(math.exp(-2)) + math.log1p(math.exp(-1))) / 2
    assert float(loss) == pytest.approx(observed + math.log1p(math.e))


def test_bce_without_draws_is_the_observed_part() -> None:
    """No negatives, no second term."""
    codes = torch.tensor([1, 2])
    assert float(bce_loss(EYE * 0, EYE, torch.tensor([1.0, 0.0]), codes, codes)) == pytest.approx(math.log(2))


def test_mse_is_the_mean_squared_difference() -> None:
    """Inner products 1 and 1 against 3 and 1 give (4 + 0) / 2."""
    assert float(mse_loss(EYE, EYE, torch.tensor([3.0, 1.0]))) == pytest.approx(2.0)


SOME = torch.linspace(-1.0, 1.0, 24).reshape(6, 4)
OTHERS = torch.linspace(2.0, -1.0, 36).reshape(9, 4)
CODES, DRAWN = torch.arange(6), torch.tensor([0, 1, 2, 3, 4, 5, 2, 7, 8])
LABELS = torch.tensor([1.0, 0.0, 1.0, 1.0, 0.0, 1.0])


def _losses(rows: Tensor, weight: Tensor | None) -> list[Tensor]:
    """The three losses of some of six rows, each row with its own item first among the candidates."""
    items, codes = torch.cat([OTHERS[rows], OTHERS[6:]]), torch.cat([CODES[rows], DRAWN[6:]])
    log_q = torch.zeros(len(codes))
    return [
        softmax_loss(SOME[rows], items, CODES[rows], codes, log_q, 0.5, weight),
        bce_loss(SOME[rows], items, LABELS[rows], CODES[rows], codes, weight),
        mse_loss(SOME[rows], OTHERS[rows], LABELS[rows], weight),
    ]


def test_a_weight_counts_like_copies_of_a_row() -> None:
    """Where no row is another's negative, weights 3 and 1 give the loss of three copies of the first row beside the second."""
    once, copied = torch.tensor([2, 4]), torch.tensor([2, 2, 2, 4])
    weighted, repeated = _losses(once, torch.tensor([3.0, 1.0])), _losses(copied, None)
    for one, other in list(zip(weighted, repeated, strict=True))[1:]:
        assert float(one) == pytest.approx(float(other))
    users, items, codes = SOME[:2], torch.cat([OTHERS[:1], OTHERS[:1], OTHERS[6:]]), torch.tensor([0, 0, 2, 7, 8])
    rows = [softmax_loss(users[at : at + 1], items[1:], codes[:1], codes[1:], torch.zeros(4), 0.5) for at in (0, 1)]
    both = softmax_loss(users, items, codes[:2], codes, torch.zeros(5), 0.5, torch.tensor([3.0, 1.0]))
    assert float(both) == pytest.approx((3 * float(rows[0]) + float(rows[1])) / 4)


def test_only_the_proportions_of_weights_count() -> None:
    """Weights a thousand times as large give the same losses; equal ones give those without weights."""
    rows, weight = torch.arange(6), torch.tensor([1.0, 2.0, 3.0, 1.0, 0.5, 4.0])
    for one, other in zip(_losses(rows, weight), _losses(rows, weight * 1_000), strict=True):
        assert float(one) == pytest.approx(float(other))
    for one, other in zip(_losses(rows, torch.full((6,), 7.0)), _losses(rows, None), strict=True):
        assert float(one) == pytest.approx(float(other))


def test_draws_of_the_own_item_alone_cost_nothing_with_weights() -> None:
    """Where every draw is the row's own item, what is drawn adds 0 with and without weights."""
    users, items, codes = SOME[:1], OTHERS[[0, 0]], torch.tensor([3, 3])
    alone = bce_loss(users, items[:1], LABELS[:1], codes[:1], codes[:1])
    for weight in (None, torch.tensor([0.25])):
        assert float(bce_loss(users, items, LABELS[:1], codes[:1], codes, weight)) == pytest.approx(float(alone))


def test_gain_is_one_over_the_logarithm_of_the_rank() -> None:
    """First is worth 1, third 1 / log2(4); copies of the own item push nothing down, ties do; rows have weights."""
    items = torch.tensor([[0.5, 0.0], [1.0, 0.0], [2.0, 0.0], [9.0, 0.0]])
    users, wanted, candidates = torch.tensor([[1.0, 0.0], [-1.0, 0.0]]), torch.tensor([1, 2]), torch.tensor([1, 2, 3, 1])
    third, second = 1 / math.log2(4), 1 / math.log2(3)
    same = torch.zeros(2, 2), torch.zeros(4, 2)
    assert float(gain(*same, wanted, candidates)) == pytest.approx((third + 1 / math.log2(5)) / 2)
    assert float(gain(users, items, wanted, candidates)) == pytest.approx((third + second) / 2)
    assert float(gain(users, items, wanted, candidates, torch.tensor([3.0, 1.0]))) == pytest.approx((3 * third + second) / 4)
