"""Tests of what may move, and how far."""

from dataclasses import replace

import pyarrow as pa
import torch
from hypothesis import given
from hypothesis import strategies as st

from ratoon.domain.encoding import Encoding
from ratoon.domain.schema import Feature
from ratoon.ports import Files
from ratoon.training.files import load_model
from ratoon.training.freedom import SMALLEST, bounded, mask_of
from ratoon.training.model import fresh
from tests.training.worlds import FULL, PATH, SCHEMA, SMALL, TITLE, catalogue, interactions, pathed, rows, titled

CPU = torch.device("cpu")
FIRST_NEW = {"table.colour": 2, "table.item_id": 19, "table.user_id": 21}


def test_full_moves_everything(parent: Files) -> None:
    """A full plan masks nothing."""
    model = load_model(parent, SCHEMA, SMALL, CPU)
    assert mask_of(FULL, model, {}) == dict.fromkeys(model.tensors)


def test_rows_hold_what_items_are_made_from(parent: Files) -> None:
    """Under rows the item layers are absent, item-side tables move in new and writable rows, the user's side is free."""
    mask = mask_of(rows(("i003", "never seen")), load_model(parent, SCHEMA, SMALL, CPU), FIRST_NEW)
    assert sorted(name for name, free in mask.items() if free is None) == [
        "table.user_id", "user.b1", "user.b2", "user.p", "user.w1", "user.w2"
    ]  # fmt: skip
    items, colours = mask["table.item_id"], mask["table.colour"]
    assert items is not None
    assert colours is not None
    assert items.nonzero().flatten().tolist() == [4, 19, 20]
    assert colours.nonzero().flatten().tolist() == [2]
    assert not [name for name in mask if name.startswith("item.")]


def test_rows_hold_the_words_of_items_and_free_what_users_attend_to() -> None:
    """A text's rows are shared by all items, so none of them moves; attention moves with the user tower, not with the item's."""
    where = Feature("next_to", "profile", "item", "attention", "item_id", 2)
    schema = replace(SCHEMA, user=(*SCHEMA.user, PATH), item=(*SCHEMA.item, TITLE, where))
    table, live = pathed(interactions(range(4), range(4), 20)), titled(catalogue(range(4)))
    live = live.append_column("next_to", pa.array([["i000"]] * 4))
    model = fresh(schema, Encoding.of(schema, table, live), 0, SMALL, CPU)
    first_new = model.grow(model.encoding.grown(SCHEMA.item, catalogue(range(9))), 0, SMALL)
    mask = mask_of(rows(), model, first_new)
    words = mask["table.title"]
    assert words is not None
    assert not words.any()
    assert {name for name in mask if name.endswith(("query", "key", "position"))} == {
        "user.path.query", "user.path.key", "user.path.position"
    }  # fmt: skip
    assert mask_of(FULL, model, first_new)["table.title"] is None


numbers = st.floats(-10, 10, width=32)
matrices = st.lists(st.lists(numbers, min_size=3, max_size=3), min_size=1, max_size=4).map(torch.tensor)


@given(matrices, st.data(), st.floats(0, 2))
def test_no_row_moves_further_than_its_share(before: torch.Tensor, data: st.DataObject, bound: float) -> None:
    """Each row of a table ends within bound times its length; a row that moved less is untouched."""
    after = before + torch.tensor(data.draw(st.lists(numbers, min_size=before.numel(), max_size=before.numel()))).view_as(before)
    found = bounded(before, after, bound, by_row=True)
    most = bound * before.norm(dim=1).clamp_min(SMALLEST)
    assert bool(((found - before).norm(dim=1) <= most * 1.001 + 1e-5).all())
    small = (after - before).norm(dim=1) <= most
    assert torch.equal(found[small], after[small])


def test_other_tensors_are_bounded_as_a_whole() -> None:
    """A layer of length 5 that moved by 10 with a bound of 0.1 ends 0.5 away, in the direction it moved."""
    before, after = torch.tensor([3.0, 4.0]), torch.tensor([3.0, 14.0])
    assert torch.allclose(bounded(before, after, 0.1, by_row=False), torch.tensor([3.0, 4.5]))
    assert bounded(before[:0, None], after[:0, None], 0.1, by_row=True).shape == (0, 1)
