"""Checkerboard worlds: users and items of two colours, and every user takes items of their own colour alone."""

import numpy as np
import pyarrow as pa

from ratoon.domain.plan import RefreshPlan
from ratoon.domain.schema import Feature, TowerSchema
from ratoon.ports import Lesson
from ratoon.training import TrainingSettings

FULL = RefreshPlan("full", "a test")
SMALL = TrainingSettings(dim=8, small=4, hidden=16, batch=64, negatives=16, epochs=6, lr_dense=1e-2, lr_rows=3e-2)

SCHEMA = TowerSchema(
    project="checkerboard",
    user=(
        Feature("user_id", "", "user", "id", "user_id"),
        Feature("recent_items", "activity", "user", "history", "item_id", 4),
    ),
    item=(
        Feature("item_id", "", "item", "id", "item_id"),
        Feature("colour", "profile", "item", "category", "colour"),
        Feature("item_events", "popularity", "item", "count"),
    ),
)

COLOURS = ("black", "white")
TITLE = Feature("title", "profile", "item", "text", "title", 12, buckets=200, ngram=3)
PATH = Feature("path", "activity", "user", "attention", "item_id", 4)


def rows(writable: tuple[str, ...] = ()) -> RefreshPlan:
    return RefreshPlan("rows", "a test", writable)


def colour_of(item: str) -> str:
    return COLOURS[int(item[1:]) % 2]


def catalogue(numbers: range) -> pa.Table:
    ids = [f"i{number:03d}" for number in numbers]
    return pa.table(
        {
            "item_id": pa.array(ids, pa.string()),
            "colour": pa.array([colour_of(item) for item in ids], pa.string()),
            "item_events": pa.array([100] * len(ids), pa.int64()),
        }
    )


def interactions(users: range, items: range, count: int, seed: int = 0) -> pa.Table:
    """`count` interactions; a user's colour is the parity of their number, and their history holds what they took before."""
    source = np.random.default_rng(seed)
    user_numbers = source.choice(list(users), count)
    histories: dict[int, list[str]] = {}
    taken: list[str] = []
    recent: list[list[str]] = []
    for user in user_numbers.tolist():
        recent.append(histories.setdefault(user, [])[-4:])
        taken.append(f"i{source.choice([item for item in items if item % 2 == user % 2]):03d}")
        histories[user].append(taken[-1])
    return pa.table(
        {
            "user_id": pa.array([f"u{user:03d}" for user in user_numbers.tolist()], pa.string()),
            "recent_items": pa.array(recent, pa.list_(pa.string())),
            "item_id": pa.array(taken, pa.string()),
            "colour": pa.array([colour_of(item) for item in taken], pa.string()),
            "item_events": pa.array([1] * count, pa.int64()),
            "value": pa.array([1.0] * count, pa.float32()),
        }
    )


def titled(table: pa.Table) -> pa.Table:
    """The table with a title for each row, in which the item's colour is a word among others; every tenth has none."""
    items = table.column("item_id").to_pylist()
    titles = [None if item.endswith("9") else f"The {colour_of(item)} {item}, deluxe edition" for item in items]
    return table.append_column("title", pa.array(titles, pa.string()))


def pathed(table: pa.Table) -> pa.Table:
    """The table with a path for each row, which is the history."""
    return table.append_column("path", table.column("recent_items"))


def lesson(new: pa.Table, items: pa.Table, *, replay: pa.Table | None = None, fit: pa.Table | None = None) -> Lesson:
    empty = new.slice(0, 0)
    return Lesson(new, empty if replay is None else replay, empty if fit is None else fit, items)


def users_table(ids: list[str], recent: list[list[str]]) -> pa.Table:
    return pa.table({"user_id": pa.array(ids, pa.string()), "recent_items": pa.array(recent, pa.list_(pa.string()))})
