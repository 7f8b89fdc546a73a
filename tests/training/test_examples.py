"""Tests of a lesson's tables as tensors."""

from collections.abc import Sequence

import pyarrow as pa
import pytest
import torch

from ratoon.domain.encoding import Encoding
from ratoon.domain.errors import DataError
from ratoon.training.examples import Codes, Examples, encode_examples, encode_items, joined
from ratoon.training.settings import Objective
from tests.training.worlds import SCHEMA, catalogue, interactions

CPU = torch.device("cpu")


def _encoded(table: pa.Table, live: pa.Table, objective: Objective = "softmax") -> Examples:
    encoding = Encoding.of(SCHEMA, table, live).grown(SCHEMA.item, table)
    codes = Codes.of(encoding, [])
    return encode_examples(SCHEMA, encoding, table, encode_items(SCHEMA, encoding, live, CPU, codes), objective, codes)


def test_live_items_enter_as_they_are_now() -> None:
    """A positive's count is the catalogue's, not the one at the time, or its age would give it away among negatives."""
    table, live = interactions(range(4), range(4), 20), catalogue(range(4))
    encoding = Encoding.of(SCHEMA, table, live)
    now = encode_items(SCHEMA, encoding, live, CPU, Codes.of(encoding, [])).inputs["item_events"][0]
    assert torch.equal(_encoded(table, live).items.inputs["item_events"], now.expand(20, 2))


def test_gone_items_enter_as_they_were() -> None:
    """An item that is no longer in the catalogue is still learnt from, with its features at the time."""
    table = interactions(range(1), range(4), 6)
    items = _encoded(table, catalogue(range(10, 12))).items
    assert items.codes.min() > 0
    assert len(items) == 6
    assert torch.equal(items.inputs["item_events"][:, 1], torch.ones(6))
    assert items.inputs["item_events"][0, 0] < 0, "a count of 1, where live items have 100"


def test_taking_keeps_rows_together() -> None:
    """Users, items and labels of the rows taken are those rows' own."""
    table = interactions(range(4), range(4), 20)
    encoded = _encoded(table, catalogue(range(4)))
    taken = encoded.take(torch.tensor([7, 3]))
    assert len(taken) == 2
    assert torch.equal(taken.users["recent_items"], encoded.users["recent_items"][[7, 3]])
    assert torch.equal(taken.items.codes, encoded.items.codes[[7, 3]])


def test_empty_parts_join_to_nothing() -> None:
    """Parts without rows are passed over, whatever columns they have."""
    table = interactions(range(4), range(4), 5)
    assert joined(SCHEMA, [table.slice(0, 0), pa.table({})]) is None
    both = joined(SCHEMA, [pa.table({}), table, table])
    assert both is not None
    assert both.num_rows == 10


@pytest.mark.parametrize(("objective", "expected"), [("bce", [1.0, 0.0]), ("mse", [4.0, -1.0]), ("softmax", [0.0, 0.0])])
def test_labels_follow_the_objective(objective: Objective, expected: list[float]) -> None:
    """A click is a value above 0, a rating the value itself; the softmax has no label."""
    table = interactions(range(4), range(4), 2)
    table = table.set_column(table.column_names.index("value"), "value", pa.array([4.0, -1.0], pa.float32()))
    assert _encoded(table, catalogue(range(4)), objective).value.tolist() == expected


def test_missing_labels_are_refused() -> None:
    """An objective that learns from values says how many rows have none."""
    table = interactions(range(4), range(4), 2)
    table = table.set_column(table.column_names.index("value"), "value", pa.array([4.0, None], pa.float32()))
    with pytest.raises(DataError, match=r"value: expected a number .* objective mse .*, found 1 of 2 rows without one\."):
        _encoded(table, catalogue(range(4)), "mse")


def _weighing(weights: Sequence[float | None]) -> pa.Table:
    table = interactions(range(4), range(4), len(weights))
    return table.append_column("weight", pa.array(weights, pa.float32()))


def test_weights_travel_with_their_rows() -> None:
    """A lesson's weights are kept by row, through joining and taking, and their sum is the mass of the rows."""
    table = joined(SCHEMA, [_weighing([1.0, 2.0]), _weighing([4.0])])
    assert table is not None
    encoded = _encoded(table, catalogue(range(4)))
    assert encoded.weight is not None
    assert (encoded.weight.tolist(), encoded.mass) == ([1.0, 2.0, 4.0], 7.0)
    taken = encoded.take(torch.tensor([2, 0]))
    assert taken.weight is not None
    assert (taken.weight.tolist(), taken.mass, len(taken)) == ([4.0, 1.0], 5.0, 2)


def test_equal_weights_are_no_weights() -> None:
    """Where all rows count the same, by 1 or by 3, they are learnt as without weights, to the bit."""
    for weights in ([3.0, 3.0], [1.0, 1.0]):
        encoded = _encoded(_weighing(weights), catalogue(range(4)))
        assert (encoded.weight, encoded.mass, encoded.take(torch.tensor([1])).weight) == (None, 2, None)


@pytest.mark.parametrize("wrong", [None, 0.0, -1.0, float("nan"), float("inf")])
def test_a_row_without_a_weight_among_weighed_ones_is_refused(wrong: float | None) -> None:
    """A lesson is weighed in all its parts or in none: a row that would count nothing, or everything, is an error."""
    message = "weight: expected a finite number above 0 on every interaction, or no such column, found 1 of 2 rows without one"
    with pytest.raises(DataError, match=message):
        _encoded(_weighing([1.0, wrong]), catalogue(range(4)))
