"""What users have had is what it is said to be, and popularity is counted as a refresh counts it."""

from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pytest

from ratoon.bench.serving import history
from ratoon.domain.event import EVENT_SCHEMA
from ratoon.domain.popularity import Timeline, traits


@pytest.fixture(scope="module")
def seen() -> np.ndarray:
    near = np.random.default_rng(0).permuted(np.tile(np.arange(300), (250, 1)), axis=1)[:, :60]
    return history.seen_by(near, 2_000)


def test_nobody_has_an_item_twice(seen: np.ndarray) -> None:
    """Fifty different items each, at least twenty of which are among the best for them."""
    assert seen.shape == (250, history.SEEN)
    assert all(len(np.unique(row)) == history.SEEN for row in seen)
    assert ((seen < 300).sum(axis=1) >= history.NEAR).all()


def test_everybody_goes_round_by_round(seen: np.ndarray) -> None:
    """Each user's items come in the order of their row, and each round holds everybody once."""
    users, items = history.in_order(seen)
    assert np.array_equal(items[users == 7], seen[7])
    assert np.array_equal(np.sort(users[:250]), np.arange(250))


def test_popularity_is_counted_as_a_refresh_counts_it(seen: np.ndarray) -> None:
    """The traits of every item are those that a timeline of the same interactions gives."""
    users, items = history.in_order(seen)
    rows = [(place, f"u{user}", f"i{item}") for place, (user, item) in enumerate(zip(users, items, strict=True), 1)]
    timeline = Timeline.of(rows)
    codes = np.arange(len(timeline.items))
    end = np.array([len(rows) + 1])
    expected = traits(timeline.recent(end, codes)[0], timeline.counted(end, codes)[0])
    found = history.traits_of(items, 2_000)
    assert np.array_equal(found[[int(item[1:]) for item in timeline.items]], expected)
    never = np.setdiff1d(np.arange(2_000), items)
    assert (found[never] == [0, 0, 0, 1]).all()


def test_events_are_what_the_log_takes() -> None:
    """Batches of EVENT_SCHEMA, ids counted through, times through thirty days up to the end."""
    end = datetime(2026, 3, 1, tzinfo=UTC)
    moments = history.times(5, end)
    (table,) = history.events(np.array([3, 1, 4, 1, 5]), np.array([9, 2, 6, 5, 3]), moments)
    assert table.schema == EVENT_SCHEMA
    assert table.column("event_id").to_pylist() == [f"w{place}" for place in range(5)]
    assert table.column("user_id").to_pylist()[:2] == ["u3", "u1"]
    assert table.column("item_id").to_pylist()[:2] == ["i9", "i2"]
    times = table.column("event_timestamp").to_pylist()
    assert (times[-1], times[-1] - times[0]) == (end, history.PERIOD)
    assert isinstance(table, pa.Table)
