"""An example knows what was known just before it, and is joined once."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from ratoon.domain.event import TIME
from ratoon.domain.replay import Draw
from ratoon.domain.window import Window
from ratoon.features import joins
from ratoon.features.contract import tower_schema
from ratoon.features.examples.folder import forget
from ratoon.features.joins import Examples, items_as_of, point_in_time
from tests.fakes.events import at, batch, event
from tests.features.worlds import US, World, world

USER = ["user_activity:recent_items", "user_activity:user_events"]
BOTH = [*USER, "item_popularity:item_events"]


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[World]:
    """A home without an event."""
    there = world(tmp_path)
    yield there
    there.log.close()


def examples(there: World, references: list[str]) -> Examples:
    """A cache of its own for these features."""
    repository = there.features.repository
    cache = Examples(repository, there.log, tower_schema(repository, "user_tower", "item_tower"), references)
    cache.folder = cache.folder.with_name("-".join(["test", *references]).replace(":", "."))
    return cache


def test_an_interaction_never_sees_itself(read_only: World) -> None:
    """A user's history at an interaction is the items of the user's earlier interactions, never its own."""
    table = examples(read_only, BOTH).read(0, read_only.log.end())
    assert table.num_rows == 1_500
    before: dict[str, list[str]] = {}
    popularity: dict[str, int] = {}
    for row in table.to_pylist():
        mine = before.setdefault(row["user_id"], [])
        assert (row["recent_items"] or []) == mine[-20:]
        assert (row["user_events"] or 0) == len(mine)
        assert (row["item_events"] or 0) == popularity.get(row["item_id"], 0)
        mine.append(row["item_id"])
        popularity[row["item_id"]] = popularity.get(row["item_id"], 0) + 1


def test_nor_does_it_see_others_of_its_moment(empty: World) -> None:
    """Interactions of one moment do not see each other, whatever the order of their ids; the next moment sees all of them."""
    same = [event(name, item_id=f"i-{name}") for name in ("e9", "e10", "e11")]
    empty.log.append(batch(*same, event("later", event_timestamp=at(1))), backfill=True)
    table = examples(empty.ingest(), USER).read(0, 4)
    assert table.column("recent_items").to_pylist()[:3] == [None] * 3
    assert table.column("user_events").to_pylist() == [None, None, None, 3]
    assert set(table.column("recent_items")[3].as_py()) == {"i-e9", "i-e10", "i-e11"}


def test_what_arrives_after_the_label_is_not_used(empty: World) -> None:
    """An event that happened before an interaction and arrived after it does not show in it, and shows in the next one."""
    late = event("late", item_id="late", event_timestamp=at(5))
    empty.log.append(batch(event("a", item_id="a"), event("label", item_id="label", event_timestamp=at(10)), late))
    empty.log.append(batch(event("next", event_timestamp=at(20))))
    table = examples(empty.ingest(), USER).read(0, 4)
    seen = dict(zip(table.column("item_id").to_pylist(), table.column("recent_items").to_pylist(), strict=True))
    assert seen["label"] == ["a"]
    assert seen["i1"] == ["a", "late", "label"]


def test_the_callers_rows_come_back_as_they_are(read_only: World) -> None:
    """The answer has the caller's rows in the caller's order, duplicates and unknown keys included."""
    keys = pa.table(
        {
            "user_id": ["u3", "u1", "nobody", "u1", "u3"],
            "event_timestamp": pa.array([read_only.log.now()] * 5, TIME),
        }
    )
    table = point_in_time(read_only.features.repository, keys, USER)
    assert table.select(keys.column_names).equals(keys)
    counts = table.column("user_events").to_pylist()
    assert (counts[0], counts[1], counts[2]) == (counts[4], counts[3], None)
    assert table.schema.field("recent_items").type == pa.list_(pa.string())
    assert point_in_time(read_only.features.repository, keys.slice(0, 0), USER).schema == table.schema


def test_a_ttl_ends_a_value(read_only: World) -> None:
    """A row older than its view's ttl is not joined; 365 days for a user's activity."""
    (newest,) = read_only.log.history("user", ["u1"]).column("event_timestamp").to_pylist()[-1:]
    year = pa.array([newest + 365 * 86_400_000_000 * US, newest + 365 * 86_400_000_000 * US + 2 * US], TIME)
    keys = pa.table({"user_id": ["u1", "u1"], "event_timestamp": year})
    counts = point_in_time(read_only.features.repository, keys, USER).column("user_events").to_pylist()
    assert counts[0] is not None
    assert counts[1] is None


def test_a_late_batch_sees_its_own_earlier_events(empty: World) -> None:
    """Events that all arrive long after they happened know those of them that arrived before, and no label knows a later one."""
    empty.log.append(batch(event("now", user_id="somebody", event_timestamp=at(1_000))))
    late = [event(f"late-{second}", item_id=f"i-{second}", event_timestamp=at(second)) for second in (1, 3, 2)]
    empty.log.append(batch(*late))
    table = examples(empty.ingest(), USER).read(1, 4)
    arrived = (table.column("event_timestamp").to_pylist(), empty.log.read(1, 4).column("created_timestamp").to_pylist())
    assert max(arrived[0]) < min(arrived[1]), "the whole batch arrived after it had happened"
    seen = dict(zip(table.column("item_id").to_pylist(), table.column("recent_items").to_pylist(), strict=True))
    assert seen == {"i-1": None, "i-3": ["i-1"], "i-2": ["i-1"]}


def test_many_windows_are_one(read_only: World) -> None:
    """Reading in steps gives what one reading gives, and a reading of what is cached joins nothing."""
    steps, whole = examples(read_only, USER), examples(read_only, ["user_activity:user_events", "user_activity:recent_items"])
    parts = [steps.read(0, 700), steps.read(700, 701), steps.read(701, 1_640)]
    assert pa.concat_tables(parts).combine_chunks().equals(whole.read(0, 1_640).select(parts[0].column_names).combine_chunks())
    cached = {path.name: path.stat().st_mtime_ns for path in steps.folder.glob("*.parquet")}
    assert len(cached) == 3
    assert steps.read(650, 710).column("offset").to_pylist() == whole.read(650, 710).column("offset").to_pylist()
    assert steps.read(1_640, 1_640).num_rows == 0
    assert {path.name: path.stat().st_mtime_ns for path in steps.folder.glob("*.parquet")} == cached


def test_the_forgotten_do_not_come_back(empty: World) -> None:
    """Examples of a forgotten user are not joined again from the log; those of others stay, new ones are joined."""
    empty.log.append(batch(event("a"), event("b", user_id="u2"), event("c", event_timestamp=at(1))), backfill=True)
    cache = examples(empty.ingest(), USER)
    before = cache.read(0, 3)
    assert forget(cache.folder.parent, ["u1"]) == 2
    assert cache.read(0, 3).equals(before.slice(1, 1))
    empty.log.append(batch(event("d", event_timestamp=at(2))), backfill=True)
    empty.ingest()
    assert cache.read(0, 4).column("offset").to_pylist() == [2, 4]


def test_many_small_windows_become_one_file(read_only: World) -> None:
    """Windows one after the other are put together on the way, and give what one reading gives; the newest stays alone."""
    references = ["user_activity:user_events"]
    steps = examples(read_only, references)
    for upto in range(100, 1_001, 100):
        offsets = steps.read(upto - 100, upto).column("offset").to_pylist()
        assert all(upto - 100 < offset <= upto for offset in offsets)
    names = [path.stem for path in sorted(steps.folder.glob("*.parquet"))]
    assert names == ["000000000000-000000000800", "000000000800-000000000900", "000000000900-000000001000"]
    whole = examples(read_only, BOTH).read(0, 1_000).select([*joins.KEPT, "user_events"])
    assert steps.read(0, 1_000).equals(whole)


def test_nothing_is_replayed_before_there_is_anything(empty: World) -> None:
    """Without a past a sample and the newest rows are empty, with the columns that examples have."""
    cache = examples(empty.ingest(), USER)
    window = Window(0, 0, at(0))
    for table in (cache.replayed(window, Draw(5, 0, at(0))), cache.newest(window, "reserve", 5)):
        assert (table.num_rows, table.column_names) == (0, [*joins.KEPT, "recent_items", "user_events"])


def test_an_empty_log_has_no_examples(empty: World) -> None:
    """Without an event there are no examples, with the columns that examples have."""
    table = examples(empty.ingest(), USER).read(0, 0)
    assert table.num_rows == 0
    assert table.column_names == [*joins.KEPT, "recent_items", "user_events"]


def test_items_as_of_includes_that_moment(empty: World) -> None:
    """An item as of a moment has what happened up to and at that moment, one row per id, in order."""
    for second in (1, 2):
        features = f'{{"title": "{second}"}}'
        title = event(f"t{second}", kind="item", user_id=None, features=features, event_timestamp=at(second))
        empty.log.append(batch(title), backfill=True)
    repository = empty.ingest().features.repository
    for second, text in ((1, "1"), (2, "2")):
        table = items_as_of(repository, ["i1", "gone", "i1"], at(second), ["item_profile:title"])
        assert table.to_pydict() == {"item_id": ["i1", "gone", "i1"], "title": [text, None, text]}
