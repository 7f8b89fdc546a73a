"""What every index says of its items besides where they are: cards, amended columns, and some first of them."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from ratoon.domain.embedding import EmbeddingBatch
from ratoon.domain.errors import DataError
from ratoon.domain.predicate import Equals, FilterRefused, Range
from ratoon.ports import Index, Indexes
from tests.contracts.test_index import batch, filled, indexes, queries

__all__ = ["indexes"]


def told(index: Index, ids: list[str]) -> list[dict[str, Any] | None]:
    """What is shown of each item: read from its JSON."""
    return [None if card is None else json.loads(b"{" + bytes(card).removeprefix(b",") + b"}") for card in index.cards(ids)]


def test_cards_are_columns_as_json(indexes: Indexes) -> None:
    """Each item's card has its id and its columns, whatever they hold; an item that is not held has none."""
    index = indexes.empty(2, "dot")
    assert index.cards(["a"]) == [None]
    odd = 'x"\\\n\u2028🎬'
    columns = pa.table({"item_id": ["a", odd], "n": [1, None], "t": [None, odd], "x": [float("nan"), 0.5], "l": [["p"], []]})
    index.upsert(EmbeddingBatch(("a", odd), np.ones((2, 2), np.float32), columns))
    shown = [
        {"item_id": "a", "item": {"n": 1, "t": None, "x": None, "l": ["p"]}},
        None,
        {"item_id": odd, "item": {"n": None, "t": odd, "x": 0.5, "l": []}},
    ]
    for _ in range(2):
        assert told(index, ["a", "nobody", odd]) == shown
    assert told(index.copy(), ["a", "nobody", odd]) == shown
    assert told(indexes.load(index.snapshot()), ["a", "nobody", odd]) == shown
    index.remove(["a"])
    assert told(index, ["a", odd]) == [None, shown[2]]


def test_cards_follow_every_change(indexes: Indexes) -> None:
    """Amended, put again, removed, put in another's slot or given another column: the card is what the columns are."""
    index = filled(indexes, 30)
    ids = [f"i{number}" for number in range(30)]

    def check() -> None:
        columns = index.columns(ids)
        assert told(index, ids) == [{"item_id": item, "item": columns[item]} if item in columns else None for item in ids]

    check()
    changes: list[Callable[[], object]] = [
        lambda: index.amend(pa.table({"item_id": ["i3"], "n": [-3]})),
        lambda: index.upsert(batch({"i4": [1.0] * 8}, n=[-4])),
        lambda: index.remove(["i5", "i6"]),
        lambda: index.upsert(batch({"new": [1.0] * 8, "i6": [2.0] * 8}, n=[-5, -6])),
        lambda: index.upsert(batch({"i7": [1.0] * 8}, n=[-7], title=["t"])),
        lambda: index.overwrite(["i8"], queries(1)),
    ]
    for change in changes:
        change()
        check()


def test_amending_changes_columns_alone(indexes: Indexes) -> None:
    """Other values are shown at once; vectors, other columns and other items stay; nulls and unknown names say nothing."""
    index = indexes.empty(2, "dot")
    columns = pa.table({"item_id": ["a", "b"], "n": [1, 2], "t": ["x", "y"]})
    index.upsert(EmbeddingBatch(("a", "b"), np.array([[1, 0], [0, 1]], np.float32), columns))
    vectors = index.vectors(["a", "b"])
    edits = pa.table({"item_id": ["b", "nobody", "a"], "n": [5, 6, None], "t": [None, "z", "w"], "colour": ["r", "r", "r"]})
    assert index.amend(edits) == ["b", "a"]
    assert index.columns(["a", "b"]) == {"a": {"n": 1, "t": "w"}, "b": {"n": 5, "t": "y"}}
    assert np.array_equal(index.vectors(["a", "b"]), vectors)
    assert index.matching(["a", "b"], Equals("n", 5)) == ["b"]
    assert index.amend(edits.slice(0, 0)) == []
    with pytest.raises(DataError, match="n: expected the index's column type string, or one that its values can be read as"):
        index.amend(pa.table({"item_id": ["a"], "n": ["many"], "t": ["never"]}))
    assert index.columns(["a"]) == {"a": {"n": 1, "t": "w"}}


def test_amended_columns_are_kept(indexes: Indexes) -> None:
    """What was amended is in copies and in snapshots."""
    index = filled(indexes, 5)
    index.amend(pa.table({"item_id": ["i1"], "n": [-1]}))
    for other in (index.copy(), indexes.load(index.snapshot())):
        assert other.columns(["i1"]) == {"i1": {"n": -1}}


def test_the_first_items(indexes: Indexes) -> None:
    """Some k items that are held, each once, in an order that other items' changes leave as it is; all of them if k is large."""
    index = filled(indexes, 3_000)
    everything = index.first(5_000)
    assert sorted(everything) == sorted(index.ids())
    assert index.first(7) == everything[:7]
    without = set(everything[:2_000:2])
    assert index.first(9, without) == [item for item in everything if item not in without][:9]
    assert (
        index.first(9, without, Range("n", 2_900, None))
        == [item for item in everything if item not in without and int(item[1:]) >= 2_900][:9]
    )
    index.remove(gone := everything[1:1_500:3])
    assert index.first(5_000) == [item for item in everything if item not in gone]
    assert index.first(0) == []
    assert indexes.empty(2, "dot").first(3) == []
    with pytest.raises(FilterRefused, match="filter/column: expected a column to filter by"):
        index.first(1, (), Equals("year", 1))
