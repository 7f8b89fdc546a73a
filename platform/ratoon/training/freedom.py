"""What may move, and how far: the mask of a plan, and the bound on absorbed rows."""

from collections.abc import Mapping

import torch
from torch import Tensor

from ratoon.domain.plan import RefreshPlan
from ratoon.domain.schema import ITEM_TABLE
from ratoon.training.model import Model

Mask = Mapping[str, Tensor | None]
"""Tensor name -> None for all of it, or a truth value per row. A tensor that is absent stays as it is."""

SMALLEST = 0.01
"""A row or tensor shorter than this may move as if it were this long: one that starts at zero could never move."""


def mask_of(plan: RefreshPlan, model: Model, first_new: Mapping[str, int]) -> Mask:
    """What `plan` lets move.

    Under `full` and `dense` everything. Under `rows` the user tower and its own tables, and of what items are made from only
    the rows of `plan.writable` and those that are new: every other item's vector stays the same to the bit.

    Args:
        first_new: table name -> its first row that is new in this refresh.
    """
    if plan.scope in ("full", "dense"):
        return dict.fromkeys(model.tensors)
    held = model.item_tables()
    mask: dict[str, Tensor | None] = {name: None for name in model.tensors if name not in held and not name.startswith("item.")}
    for name in held:
        table = model.tensors[name]
        rows = torch.arange(len(table), device=table.device) >= first_new[name]
        if name == f"table.{ITEM_TABLE}":
            known = model.encoding.vocabularies[ITEM_TABLE].rows
            rows[[known[item] for item in plan.writable if item in known]] = True
        mask[name] = rows
    return mask


def bounded(before: Tensor, after: Tensor, bound: float, *, by_row: bool) -> Tensor:
    """`after`, with no row (or not all of it, taken as one) further from `before` than `bound` times its length there.

    What moved less than that is returned as it is, to the bit.
    """
    shape = (len(before), -1) if by_row and len(before) else (1, -1)
    old, new = before.reshape(shape), after.reshape(shape)
    moved = torch.linalg.vector_norm(new - old, dim=1, keepdim=True)
    most = bound * torch.linalg.vector_norm(old, dim=1, keepdim=True).clamp_min(SMALLEST)
    pulled = old + (new - old) * (most / moved.clamp_min(torch.finfo(moved.dtype).tiny))
    return torch.where(moved > most, pulled, new).reshape(after.shape)
