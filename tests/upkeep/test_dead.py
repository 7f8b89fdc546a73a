"""Features that could go are named."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from ratoon.domain.embedding import Vectors
from ratoon.domain.schema import Feature, TowerSchema
from ratoon.judging import Pair
from ratoon.upkeep.dead import dead

SCHEMA = TowerSchema(
    "shop",
    (
        Feature("user_id", "", "user", "id", "user_id"),
        Feature("age", "v", "user", "number"),
        Feature("mood", "v", "user", "category", "mood"),
        Feature("height", "v", "user", "number"),
    ),
    (Feature("item_id", "", "item", "id", "item_id"), Feature("tags", "v", "item", "ids", "tags", 3)),
)


@dataclass
class Aged:
    """Towers that look at an age, hardly at a height, and at nothing else."""

    def users(self, table: pa.Table) -> Vectors:
        age, height = (np.array(table.column(name).to_pylist(), np.float64) for name in ("age", "height"))
        return np.stack([np.nan_to_num(age), 1e-3 * np.nan_to_num(height)], axis=1).astype(np.float32)

    def items(self, table: pa.Table) -> Vectors:
        return np.ones((table.num_rows, 2), np.float32)


def test_what_never_differs_and_what_moves_nothing_is_named() -> None:
    """A feature without values, one that is the same everywhere, and one that turns no vector."""
    users = pa.table({"user_id": ["a", "b"], "age": [1.0, 2.0], "mood": pa.nulls(2, pa.string()), "height": [1.5, 1.6]})
    items = pa.table({"item_id": ["i", "j"], "tags": pa.array([["x"], ["x"]])})
    pair = Pair({}, Aged(), None, 0)  # type: ignore[arg-type]  # nothing else of a pair is asked
    assert list(dead(pair, SCHEMA, users, items)) == [
        "dead feature: user mood is missing in all of 2 rows",
        "dead feature: user height moves vectors by 0.10% of their length",
        "dead feature: item tags is the same in all of 2 rows",
    ]
