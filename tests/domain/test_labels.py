"""Tests of what an interaction is worth, and of which can be right answers."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratoon.domain.caps import Capped, Caps
from ratoon.domain.event import TIME
from ratoon.domain.labels import (
    HEAVIEST,
    NO_TYPE,
    LabelPolicy,
    Untaught,
    Weight,
    had,
    right_answers,
    taught,
    weighed,
    weightless,
)

SHOP = LabelPolicy({"click": Weight(), "buy": Weight(5.0), "watch": Weight(0.5, "log1p(value)"), "listen": Weight(2.0, "value")})


def _rows(*rows: tuple[str | None, float | None]) -> pa.Table:
    return pa.table(
        {
            "item_id": pa.array([f"i{number}" for number in range(len(rows))], pa.string()),
            "type": pa.array([kind for kind, _ in rows], pa.string()),
            "value": pa.array([value for _, value in rows], pa.float64()),
        }
    )


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (3, Weight(3.0)),
        (0, Weight(0.0)),
        ("value", Weight(1.0, "value")),
        (" log1p(value) ", Weight(1.0, "log1p(value)")),
        ("0.2 * value", Weight(0.2, "value")),
        ("1e-3*log1p(value)", Weight(0.001, "log1p(value)")),
    ],
)
def test_a_weight_is_a_number_or_a_multiple_of_a_form(said: object, expected: Weight) -> None:
    """Numbers are constants; the two forms stand alone or after a factor."""
    assert Weight.parse(said) == expected


@pytest.mark.parametrize(
    "said", [-1, True, None, float("nan"), "", "sqrt(value)", "-1 * value", "1e999 * value", "1.2.3 * value"]
)
def test_another_weight_is_refused(said: object) -> None:
    """What is neither is refused, and what would be right is said."""
    with pytest.raises(ValueError, match=r"a number of 0 or more, `value`, `log1p\(value\)` or a multiple .* is asked, not "):
        Weight.parse(said)


def test_types_weigh_what_the_policy_says() -> None:
    """A constant, a multiple of the value and one of its logarithm, in order and as float32; the other columns stay."""
    table = weighed(_rows(("click", None), ("buy", 0.0), ("watch", np.e - 1), ("listen", 7.0)), SHOP)
    assert table.column("weight").type == pa.float32()
    assert table.column("weight").to_pylist() == pytest.approx([1.0, 5.0, 0.5, 14.0])
    assert table.column("item_id").to_pylist() == ["i0", "i1", "i2", "i3"]


def test_what_weighs_nothing_is_left_out_and_counted() -> None:
    """Types that are not listed, none at all, and values missing or not above 0 where the value counts, are not learnt."""
    rows = _rows(("click", 1.0), ("dismiss", 1.0), (None, 1.0), ("watch", None), ("watch", 0.0), ("listen", -3.0))
    assert weighed(rows, SHOP).column("item_id").to_pylist() == ["i0"]
    assert weightless(rows, SHOP) == {NO_TYPE: 1, "dismiss": 1, "listen": 1, "watch": 2}
    assert weightless(rows.slice(0, 1), SHOP) == {}


def test_what_weighs_nothing_by_its_type_has_not_been_had() -> None:
    """Types that are not listed, listed with 0 times, or none at all; a type whose weight its value gives is had at any value."""
    rows = _rows(("click", None), ("dismiss", 1.0), (None, 1.0), ("watch", 0.0), ("skip", 1.0), ("listen", None))
    policy = LabelPolicy({**SHOP.weights, "skip": Weight(0.0), "skim": Weight(0.0, "value")})
    assert policy.types == ("click", "buy", "watch", "listen")
    assert had(rows, policy).column("item_id").to_pylist() == ["i0", "i3", "i5"]
    assert LabelPolicy().types is None
    assert had(rows, LabelPolicy()).equals(rows)


def test_without_weights_every_interaction_weighs_1() -> None:
    """No table of weights: whatever its type and value, a row counts, and counts the same."""
    rows = _rows(("click", None), (None, -1.0), ("anything", 1e300))
    assert weighed(rows, LabelPolicy()).column("weight").to_pylist() == [1.0, 1.0, 1.0]
    assert weightless(rows, LabelPolicy()) == {}


@given(st.lists(st.floats(min_value=-1e300, max_value=1e300), min_size=1, max_size=20))
def test_no_event_is_a_whole_lesson(values: list[float]) -> None:
    """However large the value, a weight is finite, above 0 and at most HEAVIEST; a larger value never weighs less."""
    for kind in ("watch", "listen"):
        weights = weighed(_rows(*((kind, value) for value in sorted(values))), SHOP).column("weight").to_pylist()
        assert all(0 < weight <= HEAVIEST for weight in weights)
        assert weights == sorted(weights)


def test_weighing_twice_is_weighing_once() -> None:
    """Rows that were weighed before get this policy's weights."""
    rows = _rows(("click", 1.0), ("buy", 2.0))
    assert weighed(weighed(rows, SHOP), SHOP).equals(weighed(rows, SHOP))
    assert weighed(weighed(rows, SHOP), LabelPolicy()).column("weight").to_pylist() == [1.0, 1.0]


def test_nothing_weighs_nothing() -> None:
    """A table without rows keeps its columns and gains the weight."""
    for policy in (SHOP, LabelPolicy()):
        empty = weighed(_rows(), policy)
        assert (empty.num_rows, empty.column_names) == (0, ["item_id", "type", "value", "weight"])
        assert right_answers(_rows(), policy, []).num_rows == 0


def test_what_is_never_offered_again_is_no_right_answer() -> None:
    """Under `mask` an item its user had had before cannot be found; under `allow` it can. Both are weighed."""
    rows, seen = _rows(("click", 1.0), ("buy", 1.0), ("dismiss", 1.0)), [["i0"], ["i0"], []]
    masked = right_answers(rows, LabelPolicy(SHOP.weights, "mask"), seen)
    assert (masked.column("item_id").to_pylist(), masked.column("weight").to_pylist()) == (["i1"], [5.0])
    allowed = right_answers(rows, LabelPolicy(SHOP.weights, "allow"), seen)
    assert (allowed.column("item_id").to_pylist(), allowed.column("weight").to_pylist()) == (["i0", "i1"], [1.0, 5.0])
    assert [LabelPolicy(repeat="mask").masks_seen, LabelPolicy(repeat="allow").masks_seen] == [True, False]


def test_what_was_shown_and_not_clicked_is_no_right_answer() -> None:
    """Where labels are values above 0, the others are learnt from but not judged by."""
    rows, policy = _rows(("view", 1.0), ("view", 0.0), ("view", None)), LabelPolicy(repeat="allow", above_zero=True)
    assert right_answers(rows, policy, [[], [], []]).column("item_id").to_pylist() == ["i0"]
    assert weighed(rows, policy).num_rows == 3


def test_a_lesson_is_weighed_and_then_capped() -> None:
    """Rows that weigh nothing take no place among a user's rows of a day, and both sorts of what is left out are told."""
    rows = _rows(("click", 1.0), ("buy", 1.0), ("view", 1.0), ("view", 1.0))
    rows = rows.append_column("offset", pa.array(range(4), pa.int64())).append_column("user_id", pa.array(["u"] * 4))
    rows = rows.append_column("event_timestamp", pa.array(range(4), TIME))
    kept, left_out = taught(rows, SHOP, Caps(per_user=2))
    assert (kept.column("item_id").to_pylist(), kept.column("weight").to_pylist()) == (["i0", "i1"], [1.0, 5.0])
    assert left_out == Untaught(Capped(), {"view": 2})
    kept, left_out = taught(rows, SHOP, Caps(per_user=1))
    assert kept.column("item_id").to_pylist() == ["i1"]
    assert left_out == Untaught(Capped(1, {"u": 1}), {"view": 2})
