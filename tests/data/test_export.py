"""Exporting: what is written in the generic layout is read back as it was."""

from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest

from ratoon.data import read, synth, write_generic
from ratoon.domain.errors import DataError
from ratoon.domain.event import EVENT_SCHEMA


def events(**columns: object) -> pa.Table:
    """One interaction, and one more event with the given columns."""
    at = datetime(2024, 1, 1, tzinfo=UTC)
    first = {"event_id": "1", "kind": "interaction", "user_id": "u", "item_id": "i", "event_timestamp": at}
    return pa.Table.from_pylist([first, {**first, "event_id": "2", **columns}], schema=EVENT_SCHEMA)


def test_a_world_survives_the_round_trip(tmp_path: Path) -> None:
    """A made-up world, written and read, is the same table: ids, times, values and features."""
    world = synth(30, 60, 400, 1)
    write_generic(tmp_path / "a world", world)
    found = read(tmp_path / "a world", tmp_path / "q.csv")
    assert found.rejected == 0
    assert found.events.equals(world)


def test_writing_again_replaces_the_files(tmp_path: Path) -> None:
    """A second world in the same folder leaves nothing of the first, also where it has no users or items."""
    write_generic(tmp_path, synth(30, 60, 400, 1))
    write_generic(tmp_path, events())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["interactions.parquet", "items.parquet", "users.parquet"]
    assert read(tmp_path, tmp_path / "q.csv").events["item_id"].to_pylist() == ["i", "i"]


def test_features_may_differ_from_row_to_row(tmp_path: Path) -> None:
    """A feature that only a later item has is null for the others; whole and broken numbers become one column."""
    names = ("i", "j", "k")
    items = [events(kind="item", item_id=name).slice(1).drop(["features"]) for name in names]
    texts = [None, '{"price": 2}', '{"price": 2.5}']
    made = pa.concat_tables(items).add_column(8, EVENT_SCHEMA.field("features"), pa.array(texts, pa.string()))
    write_generic(tmp_path, made)
    found = pl.read_parquet(tmp_path / "items.parquet")
    assert found.select("item", "price").rows() == [("i", None), ("j", 2.0), ("k", 2.5)]


@pytest.mark.parametrize(
    ("columns", "found"),
    [({"kind": "remove"}, "remove events"), ({"surface": "home"}, "a surface"), ({"request_id": "r"}, "a request_id")],
)
def test_what_the_layout_cannot_say_is_refused(tmp_path: Path, columns: dict[str, object], found: str) -> None:
    """Removals, surfaces and requests are errors, not losses."""
    with pytest.raises(DataError, match=f"events: expected interactions, users and items, .*, found {found}"):
        write_generic(tmp_path, events(**columns))


@pytest.mark.parametrize("name", ["item", "timestamp"])
def test_a_feature_named_like_a_key_is_refused(tmp_path: Path, name: str) -> None:
    """A feature that would overwrite the id or the time is an error."""
    with pytest.raises(DataError, match=f"features of item events: expected names other than item and timestamp, found {name}"):
        write_generic(tmp_path, events(kind="item", features=f'{{"{name}": 1}}'))
