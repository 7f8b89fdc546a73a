"""Random towers with a feature of every kind, and rows for them."""

import numpy as np
import pyarrow as pa
from hypothesis import strategies as st

from ratoon.domain.schema import Feature, TowerSchema

SCHEMA = TowerSchema(
    project="every kind",
    user=(
        Feature("user_id", "", "user", "id", "user_id"),
        Feature("city", "v", "user", "category", "city"),
        Feature("age", "v", "user", "number"),
        Feature("visits", "v", "user", "count"),
        Feature("joined", "v", "user", "number"),
        Feature("member", "v", "user", "number"),
        Feature("likes", "v", "user", "ids", "genres", 3),
        Feature("recent", "v", "user", "history", "item_id", 4),
        Feature("taste", "v", "user", "vector", dim=2),
        Feature("bio", "v", "user", "text", "bio", 6, buckets=20, ngram=3),
        Feature("path", "v", "user", "attention", "item_id", 4),
    ),
    item=(
        Feature("item_id", "", "item", "id", "item_id"),
        Feature("genres", "v", "item", "ids", "genres", 3),
        Feature("title", "v", "item", "text", "title", 8, buckets=30, ngram=2),
        Feature("next_to", "v", "item", "attention", "item_id", 3),
    ),
)

ids = st.sampled_from([f"i{number}" for number in range(6)])
genres = st.sampled_from(["drama", "western", "noir", "musical"])
maybe = st.none()

user_rows = st.fixed_dictionaries(
    {
        "user_id": st.sampled_from(["u0", "u1", "u2", "stranger"]),
        "city": maybe | st.sampled_from(["Rome", "Oslo"]),
        "age": maybe | st.floats(-1e6, 1e6, width=32) | st.just(float("nan")),
        "visits": maybe | st.integers(-5, 10**9),
        "joined": maybe | st.datetimes(),
        "member": maybe | st.booleans(),
        "likes": maybe | st.lists(maybe | genres, max_size=5),
        "recent": maybe | st.lists(maybe | ids, max_size=6),
        "taste": maybe | st.lists(st.floats(-2, 2, width=32), min_size=1, max_size=3),
        "bio": maybe | st.text(max_size=12),
        "path": maybe | st.lists(maybe | ids, max_size=6),
    }
)

STRINGS = pa.list_(pa.string())
USER_TYPES = pa.schema(
    [
        ("user_id", pa.string()),
        ("city", pa.string()),
        ("age", pa.float32()),
        ("visits", pa.int64()),
        ("joined", pa.timestamp("us", "UTC")),
        ("member", pa.bool_()),
        ("likes", STRINGS),
        ("recent", STRINGS),
        ("taste", pa.list_(pa.float32())),
        ("bio", pa.string()),
        ("path", STRINGS),
    ]
)


def users(rows: list[dict[str, object]]) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=USER_TYPES)


def items(count: int) -> pa.Table:
    names = np.array(["drama", "western", "noir", "musical"])
    return pa.table(
        {
            "item_id": pa.array([f"i{number}" for number in range(count)], pa.string()),
            "genres": pa.array([names[: number % 4].tolist() for number in range(count)], STRINGS),
            "title": pa.array([(None, "", "A film", f"Film no. {number}")[number % 4] for number in range(count)], pa.string()),
            "next_to": pa.array([[f"i{other}" for other in range(number % 5)] or None for number in range(count)], STRINGS),
        }
    )


KNOWN_USERS = users(
    [
        {"user_id": f"u{n}", "city": "Rome" if n else None, "age": 20.0 * n, "visits": n, "member": bool(n), "likes": ["drama"],
         "recent": ["i1", "i2"], "taste": [0.5, -0.5], "joined": None, "bio": None, "path": ["i1"]}
        for n in range(3)
    ]
)  # fmt: skip
