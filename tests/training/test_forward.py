"""Tests of the towers' arithmetic in torch."""

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
