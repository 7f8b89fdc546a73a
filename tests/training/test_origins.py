"""Tests of the way back of what a lesson moves."""

import torch
from torch import Tensor

from ratoon.training.origins import Origins


def _moving() -> dict[str, Tensor]:
    return {"table.t": torch.arange(8.0).reshape(4, 2), "user.b1": torch.tensor([3.0, 4.0])}


def _move(origins: Origins, moving: dict[str, Tensor], row: int, by: float) -> None:
    origins.about_to_move("table.t", torch.tensor([row]))
    moving["table.t"][row] += by
    moving["user.b1"] += by


def test_restoring_brings_back_what_was_seen() -> None:
    """Rows and layers are what they were at the snapshot; a row that moved only after it is what it was at the beginning."""
    moving = _moving()
    origins = Origins(moving)
    _move(origins, moving, 1, 10.0)
    seen, snapshot = {name: tensor.clone() for name, tensor in moving.items()}, origins.snapshot()
    _move(origins, moving, 1, 10.0)
    _move(origins, moving, 2, 10.0)
    origins.restore(snapshot)
    assert all(torch.equal(moving[name], seen[name]) for name in seen)


def test_only_moved_rows_are_remembered() -> None:
    """A snapshot holds the one row of four that moved, however often it did."""
    moving = _moving()
    origins = Origins(moving)
    _move(origins, moving, 3, 1.0)
    _move(origins, moving, 3, 1.0)
    rows, values = origins.snapshot()["table.t"]
    assert rows is not None
    assert rows.tolist() == [3]
    assert values.tolist() == [[8.0, 9.0]]


def test_going_on_knows_the_beginning() -> None:
    """After going to where another lesson was, restoring and bounding go by what was before that lesson."""
    moving, other = _moving(), _moving()
    origins, others = Origins(moving), Origins(other)
    _move(origins, moving, 1, 5.0)
    others.resume(origins.snapshot())
    assert all(torch.equal(moving[name], other[name]) for name in moving)
    others.restore({})
    assert torch.equal(other["table.t"], _moving()["table.t"])


def test_bounds_hold_per_row_and_spare_the_free() -> None:
    """A row of length 5 that moved by 10 under a bound of 0.1 ends 0.5 away; a free one stays where it went; layers are one."""
    moving = {"table.t": torch.tensor([[3.0, 4.0], [3.0, 4.0], [0.0, 0.0]]), "user.b1": torch.tensor([3.0, 4.0])}
    origins = Origins(moving)
    origins.about_to_move("table.t", torch.tensor([0, 1]))
    for tensor in (moving["table.t"][0], moving["table.t"][1], moving["user.b1"]):
        tensor[1] += 10.0
    origins.bound(0.1, {"table.t": torch.tensor([False, True, True])})
    assert torch.allclose(moving["table.t"], torch.tensor([[3.0, 4.5], [3.0, 14.0], [0.0, 0.0]]))
    assert torch.allclose(moving["user.b1"], torch.tensor([3.0, 4.5]))
    origins.bound(0.0, {})
    assert torch.allclose(moving["table.t"][1], torch.tensor([3.0, 4.0]))
