"""The world of any size: the same however it is cut, in order of time, drifting like the small one."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from ratoon.data import read, torrent, write_torrent
from ratoon.data.synth import DAY_US, START_US
from ratoon.data.world import World, draw_world
from ratoon.domain.errors import UsageError

USERS, ITEMS, EVENTS, SEED = 400, 800, 20_000, 7


@pytest.fixture(scope="module")
def log() -> pl.DataFrame:
    return pl.concat(torrent(USERS, ITEMS, EVENTS, SEED))


def hidden(log: pl.DataFrame) -> tuple[pl.DataFrame, World]:
    """0-based `who`, `what` and `day` of each event, and the hidden world."""
    number = [pl.col(kind).str.slice(1).cast(pl.Int64).alias(name) - 1 for kind, name in (("user", "who"), ("item", "what"))]
    day = (pl.col("timestamp").dt.timestamp("us") - START_US) / DAY_US
    return log.select(*number, day.alias("day"), "value"), draw_world(USERS, ITEMS, np.random.default_rng(SEED))


def test_the_events_do_not_depend_on_the_batches(log: pl.DataFrame) -> None:
    """Batches of 999 rows hold the same events as one; each but the last is full; another seed is another world."""
    batches = list(torrent(USERS, ITEMS, EVENTS, SEED, rows=999))
    assert [batch.height for batch in batches] == [999] * 20 + [20]
    assert pl.concat(batches).equals(log)
    assert not pl.concat(torrent(USERS, ITEMS, EVENTS, SEED + 1)).equals(log)


def test_time_moves_forward_and_nothing_is_early(log: pl.DataFrame) -> None:
    """There are as many events as asked for, strictly later each, none before its user and item appear."""
    assert log.height == EVENTS
    assert (np.diff(log["timestamp"].dt.timestamp("us").to_numpy()) > 0).all()
    known, world = hidden(log)
    day = known["day"].to_numpy()
    assert day.max() > 98
    assert (world.user_birth[known["who"].to_numpy()] <= day).all()
    assert (world.item_birth[known["what"].to_numpy()] <= day).all()
    assert set(log["value"]) == {1.0, 2.0, 3.0, 4.0, 5.0}


def test_tastes_are_those_of_the_hidden_world_and_drift(log: pl.DataFrame) -> None:
    """More than half of the picks lie in the user's main cluster of that day; clusters' shares differ between the ends."""
    known, world = hidden(log)
    cluster, day = world.item_cluster[known["what"].to_numpy()], known["day"].to_numpy()
    mains = np.array([world.main(np.array([who]), at)[0] for who, at in known.select("who", "day").iter_rows()])
    assert (cluster == mains).mean() > 0.5
    early, late = (np.bincount(cluster[part], minlength=world.clusters) / part.sum() for part in (day < 20, day > 80))
    assert np.abs(early - late).sum() > 0.15


def test_the_parts_on_disk_are_a_folder_to_import(tmp_path: Path, log: pl.DataFrame) -> None:
    """What is written is read back as that world: all events, and each user and item once, with features."""
    told: list[int] = []
    assert write_torrent(tmp_path / "w", USERS, ITEMS, EVENTS, SEED, told.append, rows=6_000) == 4
    assert told == [6_000, 12_000, 18_000, 20_000]
    found = read(tmp_path / "w", tmp_path / "q.csv")
    events = pl.DataFrame(found.events)
    assert dict(events["kind"].value_counts().iter_rows()) == {"interaction": EVENTS, "item": ITEMS, "user": USERS}
    assert events.filter(kind="interaction")["event_timestamp"].equals(log["timestamp"], check_names=False)
    assert events.filter(pl.col("kind") != "interaction")["features"].str.contains("genres|occupation").all()


def test_a_folder_is_not_written_over(tmp_path: Path) -> None:
    """Parts of another world in the same place would be mixed with these; impossible worlds are refused before."""
    write_torrent(tmp_path, 5, 6, 7, 0, lambda _: None)
    with pytest.raises(UsageError, match=r"interactions: expected no such folder yet, found one"):
        write_torrent(tmp_path, 5, 6, 7, 0, lambda _: None)
    with pytest.raises(UsageError, match="events: expected at least 1, found 0"):
        torrent(5, 6, 0, 0)
