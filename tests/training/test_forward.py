"""Tests of the towers' arithmetic in torch."""

import math

import pytest
import torch

from ratoon.domain.schema import Feature
from ratoon.training.forward import embed

ID = Feature("item_id", "", "item", "id", "item_id")
HISTORY = Feature("recent", "", "user", "history", "item_id", 3)
TABLE = {"table.item_id": torch.tensor([[9.0, 9.0], [1.0, 0.0], [0.0, 3.0]])}


def test_tower_of_one_id_is_its_row() -> None:
    """Without layers and with metric dot the vector is the learned row: matrix factorisation."""
    assert embed("item", [ID], {"item_id": torch.tensor([2, 0])}, TABLE, "dot").tolist() == [[0.0, 3.0], [9.0, 9.0]]


def test_cosine_vectors_have_length_1() -> None:
    """Metric cosine divides a vector by its length."""
    assert embed("item", [ID], {"item_id": torch.tensor([2])}, TABLE, "cosine").tolist() == [[0.0, 1.0]]


def test_history_is_the_mean_and_the_newest() -> None:
    """Padding counts for nothing in the mean, and the newest entry's row follows it."""
    found = embed("user", [HISTORY], {"recent": torch.tensor([[0, 1, 2]])}, TABLE, "dot")
    assert found.tolist() == [[0.5, 1.5, 0.0, 3.0]]


def test_empty_history_is_zero_and_not_the_unknown_row() -> None:
    """A user without history contributes zeros: row 0 stands for an unknown id, not for nothing."""
    assert embed("user", [HISTORY], {"recent": torch.tensor([[0, 0, 0]])}, TABLE, "dot").tolist() == [[0.0] * 4]


def test_a_text_is_the_mean_of_its_rows_and_its_presence() -> None:
    """What fills up the list counts for nothing; a missing text is zeros without presence."""
    title = Feature("title", "", "item", "text", "title", 3, buckets=2, ngram=3)
    table = {"table.title": TABLE["table.item_id"]}
    found = embed("item", [title], {"title": torch.tensor([[1, 2, 0], [0, 0, 0], [2, 0, 0]])}, table, "dot")
    assert found.tolist() == [[0.5, 1.5, 1.0], [0.0, 0.0, 0.0], [0.0, 3.0, 1.0]]


def _attention(query: float, position: list[list[float]]) -> dict[str, torch.Tensor]:
    return TABLE | {
        "user.path.query": query * torch.eye(2),
        "user.path.key": torch.eye(2),
        "user.path.position": torch.tensor(position),
    }


@pytest.mark.parametrize(
    ("weights", "path", "expected"),
    [
        # Without a query, and without positions, all items known count alike: the mean.
        (_attention(0.0, [[0.0, 0.0]] * 3), [0, 1, 2], [0.5, 1.5, 0.0, 3.0]),
        # The newest, (0, 3), asks: its score is 9 q / sqrt(2) against 0, and with q = sqrt(2) log(3) / 9 the odds are 3 to 1.
        (_attention(math.sqrt(2) * math.log(3) / 9, [[0.0, 0.0]] * 3), [0, 1, 2], [0.25, 2.25, 0.0, 3.0]),
        # A strong key on the place before the newest draws all attention there, and brings nothing of its own.
        (_attention(1.0, [[0.0, 0.0], [0.0, 99.0], [0.0, 0.0]]), [2, 1, 2], [1.0, 0.0, 0.0, 3.0]),
        (_attention(1.0, [[9.0, 9.0]] * 3), [0, 0, 2], [0.0, 3.0, 0.0, 3.0]),
        (_attention(1.0, [[9.0, 9.0]] * 3), [0, 0, 0], [0.0, 0.0, 0.0, 0.0]),
    ],
)
def test_attention_by_hand(weights: dict[str, torch.Tensor], path: list[int], expected: list[float]) -> None:
    """Rows weighted by the softmax of scaled scores against the newest one, then its row; what is not there has no weight."""
    feature = Feature("path", "", "user", "attention", "item_id", 3)
    found = embed("user", [feature], {"path": torch.tensor([path])}, weights, "dot")
    assert found.tolist() == [pytest.approx(expected)]


def test_what_is_not_there_gets_no_gradient() -> None:
    """Filling up short lists neither teaches row 0 nor, in an empty list, anything else."""
    feature = Feature("path", "", "user", "attention", "item_id", 3)
    weights = {name: tensor.clone().requires_grad_() for name, tensor in _attention(1.0, [[0.1, 0.2]] * 3).items()}
    embed("user", [feature], {"path": torch.tensor([[0, 1, 2], [0, 0, 0]])}, weights, "dot").square().sum().backward()
    gradient = weights["table.item_id"].grad
    assert gradient is not None
    assert sorted(set(gradient.coalesce().indices()[0].tolist())) == [1, 2]
    assert all(tensor.grad is not None and torch.isfinite(tensor.grad.to_dense()).all() for tensor in weights.values())


def test_layers_add_a_skip() -> None:
    """The vector is W2 relu(W1 x + b1) + b2 + P x."""
    number = Feature("age", "", "user", "number")
    weights = {
        "user.w1": torch.tensor([[1.0, 0.0], [-1.0, 0.0]]),
        "user.b1": torch.tensor([0.5, 0.0]),
        "user.w2": torch.tensor([[2.0, 1.0]]),
        "user.b2": torch.tensor([10.0]),
        "user.p": torch.tensor([[0.0, 100.0]]),
    }
    found = embed("user", [number], {"age": torch.tensor([[3.0, 1.0]])}, weights, "dot")
    assert found.tolist() == [[pytest.approx(2 * 3.5 + 10 + 100)]]
