"""The items file of a snapshot."""

import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ratoon.domain.errors import StoreError
from ratoon.index.items.slots import Slots
from ratoon.index.snapshots import ITEMS, placed, read_items, write_items


def parquet(table: pa.Table) -> dict[str, bytes]:
    """A snapshot with this items file."""
    sink = io.BytesIO()
    pq.write_table(table, sink)
    return {ITEMS: sink.getvalue()}


def test_round_trip_sorts_items_and_columns() -> None:
    """Items come back by id, columns by name, types and nulls as they were."""
    slots = Slots()
    slots.put(["b", "a"], pa.table({"z": pa.array([1, None], pa.int16()), "item_id": ["b", "a"], "c": [["x"], []]}))
    table, metric = read_items({ITEMS: write_items(slots, slots.by_id(), "cosine")})
    assert metric == "cosine"
    assert table.schema.names == ["item_id", "c", "z"]
    assert table.to_pylist() == [{"item_id": "a", "c": [], "z": None}, {"item_id": "b", "c": ["x"], "z": 1}]
    assert table.schema.field("z").type == pa.int16()


def test_ids_and_words_take_half_of_what_parquet_takes_by_itself() -> None:
    """The same rows, and what others wrote with Parquet's own settings is read too."""
    ids = [f"item-{number:05}" for number in range(3_000)]
    told = pa.table({"item_id": ids, "title": [f"The {number % 700} of a thing" for number in range(3_000)]})
    slots = Slots()
    slots.put(ids, told)
    written = write_items(slots, slots.by_id(), "dot")
    plainly = parquet(told.replace_schema_metadata({"ratoon.metric": "dot"}))
    assert len(written) < len(plainly[ITEMS]) / 2
    assert read_items({ITEMS: written}) == read_items(plainly) == (told, "dot")


def test_a_table_without_metric_or_ids_is_refused() -> None:
    """Parquet that no index wrote is refused by what it lacks."""
    with pytest.raises(StoreError, match=r"items.parquet: expected a column item_id and the metric .* metric ''"):
        read_items(parquet(pa.table({"item_id": ["a"]})))
    with pytest.raises(StoreError, match="found columns x and metric 'dot'"):
        read_items(parquet(pa.table({"x": ["a"]}).replace_schema_metadata({"ratoon.metric": "dot"})))
    with pytest.raises(StoreError, match="metric 'l2'"):
        read_items(parquet(pa.table({"item_id": ["a"]}).replace_schema_metadata({"ratoon.metric": "l2"})))


def test_an_item_twice_is_refused() -> None:
    """As many vectors as rows do not help if a row is there twice."""
    with pytest.raises(StoreError, match=r"v: expected a vector for each of the 1 items in items.parquet, found 2 vectors"):
        placed(pa.table({"item_id": ["a", "a"]}), 2, "v")
