"""What is taken away from rows, or added to them, to see what releases lean on."""

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from ratoon.domain.schema import Feature
from ratoon.judging.weighing import masked, noisy

FEATURES = (
    Feature("user_id", "", "user", "id", "user_id"),
    Feature("city", "v", "user", "category", "city"),
    Feature("age", "v", "user", "number"),
    Feature("taste", "v", "user", "vector", dim=2),
    Feature("recent", "v", "user", "history", "item_id", dim=2),
    Feature("dropped", "v", "user", "number"),
)


def rows(count: int) -> pa.Table:
    return pa.table(
        {
            "user_id": [f"u{number}" for number in range(count)],
            "city": ["here"] * count,
            "age": [float(number) for number in range(count)],
            "taste": pa.array([[1.0, 2.0]] * count, pa.list_(pa.float32())),
            "recent": [["a", "b"]] * count,
            "offset": list(range(count)),
        }
    )


@given(share=st.floats(0, 1), seed=st.integers(0, 9))
def test_a_share_of_the_values_is_taken_away(share: float, seed: int) -> None:
    """About that share of the users' values is missing, each drawn by itself; whose row it is, and when, stays known."""
    table = rows(400)
    left = masked(table, FEATURES, share, np.random.default_rng(seed))
    assert left.column_names == table.column_names
    assert left.select(["user_id", "offset"]) == table.select(["user_id", "offset"])
    for name in ("city", "age", "taste"):
        assert abs(left.column(name).null_count / 400 - share) < 0.12
    entries = sum(len(one) for one in left.column("recent").to_pylist())
    assert abs(1 - entries / 800 - share) < 0.1
    assert left == masked(table, FEATURES, share, np.random.default_rng(seed))


def test_noise_is_as_wide_as_asked() -> None:
    """Numbers get noise relative to how much they spread; nothing else does."""
    table = rows(4_000)
    left = noisy(table, FEATURES, 0.1, np.random.default_rng(0))
    added = left.column("age").to_numpy() - table.column("age").to_numpy()
    assert abs(float(added.std()) / float(table.column("age").to_numpy().std()) - 0.1) < 0.01
    assert left.drop_columns(["age"]) == table.drop_columns(["age"])
