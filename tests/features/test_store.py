"""What changed since a release, and what did not."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from ratoon import durable
from ratoon.domain.delta import FeatureDelta, part
from ratoon.domain.event import TIME
from ratoon.domain.replay import Draw
from ratoon.domain.window import Window
from ratoon.features.store import FeastFeatures
from tests.fakes.events import START, at, batch, event
from tests.features.worlds import US, World, repo_copy, world


def titled(item: str, second: float) -> dict[str, object]:
    return event(
        f"{item}@{second}", kind="item", user_id=None, item_id=item, features=f'{{"title": "{item}"}}', event_timestamp=at(second)
    )


def delta(features: FeastFeatures, window: Window, since: Window | None = None, items: str = "") -> FeatureDelta:
    return features.delta(window, since, items.split())


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[World]:
    """Items a and b, and one interaction with each."""
    events = [
        titled("a", 0),
        titled("b", 1),
        event("1", item_id="a", event_timestamp=at(2)),
        event("2", item_id="b", event_timestamp=at(3)),
    ]
    there = world(tmp_path, batch(*events)).ingest()
    yield there
    there.log.close()


def test_the_first_delta_is_everything(shop: World) -> None:
    """Without a parent every interaction is new, every live item too, and none is removed."""
    window = shop.features.window(None)
    assert window == Window(0, 4, at(3))
    first = delta(shop.features, window)
    assert first.interactions.column("offset").to_pylist() == [3, 4]
    assert (first.changed_items, first.new_items, first.removed_items) == (("a", "b"), ("a", "b"), ())
    assert not first.is_empty


def test_a_delta_says_what_is_new_changed_and_gone(shop: World) -> None:
    """New items, items interacted with, items posted again and removed items are told apart; others are not in it."""
    since = shop.features.window(None)
    gone = event("gone", kind="remove", user_id=None, item_id="a", event_timestamp=at(12))
    shop.log.append(
        batch(titled("c", 9), titled("d", 10), event("3", item_id="e", event_timestamp=at(11)), gone, titled("c", 13))
    )
    shop.ingest()
    window = shop.features.window(since)
    assert window == Window(4, 9, at(13))
    found = delta(shop.features, window, since, "a b c zombie")
    assert found.interactions.select(["offset", "item_id"]).to_pylist() == [{"offset": 7, "item_id": "e"}]
    assert found.changed_items == ("c", "d", "e")
    assert found.new_items == ("d", "e")
    assert found.removed_items == ("a", "zombie")


def test_a_window_without_anything_is_empty(shop: World) -> None:
    """When nothing happened since, the window is empty and so is the delta."""
    since = shop.features.window(None)
    window = shop.features.window(since)
    assert (window.start, window.end) == (4, 4)
    assert delta(shop.features, window, since, "a b").is_empty


def test_an_empty_log_has_an_empty_window(tmp_path: Path) -> None:
    """Before the first event the window is empty, as of the log's own clock."""
    there = world(tmp_path).ingest()
    window = there.features.window(None)
    assert window == Window(0, 0, there.log.now())
    assert delta(there.features, window).is_empty
    assert there.features.past(window).num_rows == 0
    there.log.close()


def test_windows_chain(read_only: World) -> None:
    """Windows one after the other hold every interaction once, and `past` is all that lies before."""
    features, end = read_only.features, read_only.log.end()
    whole = delta(features, Window(0, end, START)).interactions
    bounds = [0, 400, 401, 1_000, end]
    parts = [delta(features, Window(first, last, START)).interactions for first, last in pairwise(bounds)]
    assert pa.concat_tables(parts).combine_chunks().equals(whole.combine_chunks())
    past = features.past(Window(1_000, end, START))
    assert past.combine_chunks().equals(pa.concat_tables(parts[:3]).combine_chunks())


def test_what_is_left_out_is_not_learnt(read_only: World) -> None:
    """Interactions at offsets that are left out are in neither the delta nor the past; their neighbours are."""
    end = read_only.log.end()
    window = Window(1_000, end, START, left_out=((900, 950), (1_200, 1_210)))
    kept = delta(read_only.features, window).interactions.column("offset").to_pylist()
    past = read_only.features.past(window).column("offset").to_pylist()
    whole = delta(read_only.features, replace(window, left_out=())).interactions.column("offset").to_pylist()
    assert [offset for offset in whole if not 1_200 <= offset <= 1_210] == kept
    assert len(kept) < len(whole)
    assert not {*range(900, 951)} & {*past}
    assert {899, 951} & {*past}


@pytest.mark.parametrize("half_life", [None, 86_400.0])
def test_replay_is_a_part_of_the_past(read_only: World, half_life: float | None) -> None:
    """A sample holds train rows of the past as they are, as many as asked for, and all of them if that is more."""
    window = Window(1_000, read_only.log.end(), read_only.log.now(), left_out=((400, 450),))
    train = part(read_only.features.past(window), "train").combine_chunks()
    drawn = read_only.features.replay(window, Draw(200, 3, window.as_of, half_life))
    assert drawn.num_rows == 200
    assert drawn.equals(train.filter(pc.is_in(train.column("offset"), drawn.column("offset").combine_chunks())))
    assert read_only.features.replay(window, Draw(10_000, 3, window.as_of, half_life)).equals(train)
    assert read_only.features.replay(window, Draw(0, 3, window.as_of, half_life)).equals(train.slice(0, 0))


def test_the_newest_are_the_end_of_the_past(read_only: World) -> None:
    """The newest rows of a part are the last of the past's, by offset; all of them if more are asked for."""
    window = Window(1_000, read_only.log.end(), START, left_out=((900, 950),))
    reserve = part(read_only.features.past(window), "reserve").combine_chunks()
    assert reserve.num_rows > 10
    assert read_only.features.newest(window, "reserve", 10).equals(reserve.slice(reserve.num_rows - 10).combine_chunks())
    assert read_only.features.newest(window, "reserve", 10_000).equals(reserve)


def test_an_item_touched_only_by_what_is_left_out_is_not_changed(shop: World) -> None:
    """An interaction that is left out does not mark its item as changed, but an item posted in that range is live and new."""
    window = replace(shop.features.window(None), left_out=((3, 3),))
    found = delta(shop.features, window, None, "a b")
    assert found.interactions.column("item_id").to_pylist() == ["b"]
    posted = replace(window, start=2)
    assert delta(shop.features, posted, None, "a b").changed_items == ("b",)


PRICES = """
item_prices = FeatureView(
    name="item_prices", entities=[item], ttl=timedelta(0), online=False,
    schema=[Field(name="item_id", dtype=String), Field(name="price", dtype=Float32)],
    source=__import__("feast").FileSource(
        name="prices", path="../var/prices/*.parquet", timestamp_field="event_timestamp",
        created_timestamp_column="created_timestamp",
    ),
)
"""


def test_a_foreign_file_marks_its_items(tmp_path: Path) -> None:
    """An item is changed, once, when another job's files change its rows; moved or rewritten alike they change nothing.

    Where nothing is known any more of rows that vanished, every item counts as changed.
    """
    marker = "item_popularity = FeatureView("
    services = [
        ("import item_popularity,", "import item_popularity, item_prices,"),
        ("[item_profile, item", "[item_profile, item_prices, item"),
    ]
    repo = repo_copy(tmp_path, {"items.py": [(marker, PRICES + marker)], "services.py": services})
    folder = tmp_path / "home" / "prices"
    folder.mkdir(parents=True)

    def write(name: str, second: float, **prices: float) -> None:
        times = pa.array([at(second)] * len(prices), TIME)
        price = pa.array(prices.values(), pa.float32())
        table = {"item_id": list(prices), "price": price, "event_timestamp": times, "created_timestamp": times}
        pq.write_table(pa.table(table), folder / name)

    write("1.parquet", 0, a=1.0, b=2.0)
    there = world(tmp_path / "home", batch(titled("a", 0), titled("b", 1), titled("c", 2)), repo=repo).ingest()
    assert "item_prices" not in [span.view for span in there.features.materialize()]
    first = there.features.window(None)
    assert first.cursors == {"item_prices": {"1.parquet": durable.sha256_file(folder / "1.parquet")}}
    assert delta(there.features, there.features.window(first), first, "a b c").is_empty
    write("2.parquet", 1, b=3.0, stranger=1.0)
    second = there.features.window(first)
    assert delta(there.features, second, first, "a b c").changed_items == ("b",)
    assert there.features.items(["a", "b", "c"], at(2)).column("price").to_pylist() == [1.0, 3.0, None]
    assert delta(there.features, there.features.window(second), second, "a b c").is_empty
    write("1.parquet", 0, b=2.0, a=1.0)
    (folder / "2.parquet").rename(folder / "3.parquet")
    third = there.features.window(second)
    assert third.cursors != second.cursors
    assert delta(there.features, third, second, "a b c").is_empty
    (folder / "3.parquet").unlink()
    fourth = there.features.window(third)
    assert delta(there.features, fourth, third, "a b c").changed_items == ("b",)
    shutil.rmtree(there.home / "features" / "deltas")
    assert delta(there.features, fourth, third, "a b c").changed_items == ("a", "b", "c")
    there.log.close()


def test_items_have_inputs_and_what_is_shown(shop: World) -> None:
    """Items as of a moment have the tower's inputs and the columns that go with answers, one row per id, in order."""
    table = shop.features.items(["b", "nobody", "a"], at(3))
    assert table.column_names[0] == "item_id"
    wanted = {feature.name for feature in shop.features.schema().item} | {"title"}
    assert set(table.column_names) == wanted
    assert table.column("title").to_pylist() == ["b", None, "a"]
    assert table.column("item_events").to_pylist() == [1, None, 1]
    assert shop.features.items(["b"], at(3) - US).column("item_events").to_pylist() == [None]


def test_ingest_and_materialize_are_told(tmp_path: Path) -> None:
    """`ingest` says how many events were new; `materialize` which views it moved, in the repository's order."""
    there = world(tmp_path, batch(titled("a", 0), event("1", item_id="a", event_timestamp=at(2))))
    assert (there.features.ingest(), there.features.ingest()) == (2, 0)
    assert [span.view for span in there.features.materialize()] == ["item_popularity", "item_profile", "user_activity"]
    there.log.close()
