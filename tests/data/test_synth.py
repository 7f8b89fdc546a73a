"""The made-up world as a model sees it: in order, repeatable, learnable, drifting."""

import json

import numpy as np
import polars as pl
import pytest

from ratoon.data import synth
from ratoon.data.synth import START_US
from ratoon.data.world import World, draw_world
from ratoon.domain.errors import UsageError
from ratoon.domain.event import EVENT_SCHEMA

USERS, ITEMS, EVENTS, SEED = 400, 800, 20_000, 7


@pytest.fixture(scope="module")
def events() -> pl.DataFrame:
    return pl.DataFrame(synth(USERS, ITEMS, EVENTS, SEED))


def log_and_world(events: pl.DataFrame) -> tuple[pl.DataFrame, World]:
    """Interactions with 0-based `who`, `what` and `day`, and the hidden world they come from."""
    number = [
        pl.col(f"{kind}_id").str.slice(1).cast(pl.Int64).alias(name) - 1 for kind, name in (("user", "who"), ("item", "what"))
    ]
    day = (pl.col("event_timestamp").dt.timestamp("us") - START_US) / 86_400e6
    log = events.filter(kind="interaction").select(*number, day.alias("day"), "value")
    return log, draw_world(USERS, ITEMS, np.random.default_rng(SEED))


def test_the_table_is_what_was_asked_for(events: pl.DataFrame) -> None:
    """Counts, schema, values 1 to 5 and ids are right; no user has an item twice."""
    assert synth(5, 6, 7, 0).schema.equals(EVENT_SCHEMA)
    counts = dict(events.group_by("kind").len().iter_rows())
    assert counts == {"user": USERS, "item": ITEMS, "interaction": EVENTS}
    log = events.filter(kind="interaction")
    assert set(log["value"]) == {1.0, 2.0, 3.0, 4.0, 5.0}
    assert set(log["type"]) == {"rating"}
    assert log.select("user_id", "item_id").n_unique() == EVENTS
    assert events["event_id"].n_unique() == events.height
    assert all(json.loads(text) for text in events.filter(pl.col("kind") != "interaction")["features"])


def test_time_only_moves_forward(events: pl.DataFrame) -> None:
    """Timestamps rise strictly over about 100 days from 2024-01-01."""
    us = events["event_timestamp"].dt.timestamp("us").to_numpy()
    assert (np.diff(us) > 0).all()
    assert us[0] == START_US
    assert 98 < (us[-1] - us[0]) / 86_400e6 < 101


def test_nothing_happens_before_its_parts_exist(events: pl.DataFrame) -> None:
    """Every interaction comes after the events of its user and of its item, and those keep appearing to the end."""
    log = events.filter(kind="interaction")
    for kind in ("user", "item"):
        born = events.filter(kind=kind).select(f"{kind}_id", born="event_timestamp")
        joined = log.join(born, on=f"{kind}_id")
        assert joined.height == EVENTS
        assert (joined["event_timestamp"] > joined["born"]).all()
        days = (born["born"].dt.timestamp("us") - START_US) / 86_400e6
        assert 0.55 < (days <= 60).mean() < 0.65  # type: ignore[operator]  # the mean of booleans is a float
        assert (days > 90).sum() > 0


def test_the_same_seed_is_the_same_world() -> None:
    """Equal arguments give equal tables; another seed gives another."""
    first = synth(20, 30, 200, 3)
    assert synth(20, 30, 200, 3).equals(first)
    assert not synth(20, 30, 200, 4).equals(first)


def test_taste_is_learnable(events: pl.DataFrame) -> None:
    """More than half of the picks lie in the user's main cluster of that day, far above the largest cluster's share."""
    log, world = log_and_world(events)
    picked = world.item_cluster[log["what"].to_numpy()]
    mains = [world.main(np.array([who]), day)[0] for who, day in log.select("who", "day").iter_rows()]
    share = np.bincount(picked, minlength=world.clusters).max() / EVENTS
    own = (picked == np.array(mains)).mean()
    assert own > 0.5
    assert own > 2.5 * share


def test_what_fits_the_taste_is_valued_higher(events: pl.DataFrame) -> None:
    """Ratings inside the user's main cluster are higher by more than half a star."""
    log, world = log_and_world(events)
    first = log.filter(pl.col("day") < 20)
    picked = world.item_cluster[first["what"].to_numpy()]
    own = picked == world.main(first["who"].to_numpy(), 10.0)
    value = first["value"].to_numpy()
    assert value[own].mean() > value[~own].mean() + 0.5


def test_who_knows_the_clusters_beats_popularity(events: pl.DataFrame) -> None:
    """On the last tenth of events, the 50 most popular items of the user's main cluster hit twice as often as those of all."""
    log, world = log_and_world(events)
    past, future = log.head(EVENTS * 9 // 10), log.tail(EVENTS // 10)
    seen = set(past.select("who", "what").iter_rows())
    recent = past.filter(pl.col("day") > 70)["what"].to_numpy()
    popular = np.argsort(-np.bincount(recent, minlength=ITEMS), kind="stable")
    hits = {"popularity": 0, "oracle": 0}
    for who, what, day in future.select("who", "what", "day").iter_rows():
        new = [item for item in popular if (who, item) not in seen]
        main = world.main(np.array([who]), day)[0]
        hits["popularity"] += what in new[:50]
        hits["oracle"] += what in [item for item in new if world.item_cluster[item] == main][:50]
    assert hits["oracle"] > 2 * hits["popularity"]


def test_tastes_and_fashion_move(events: pl.DataFrame) -> None:
    """What a user mostly picks late is often not what they picked early, and clusters' shares differ between the ends."""
    log, world = log_and_world(events)
    cluster = world.item_cluster[log["what"].to_numpy()]
    day, who = log["day"].to_numpy(), log["who"].to_numpy()
    early, late = (np.bincount(cluster[part], minlength=world.clusters) / part.sum() for part in (day < 20, day > 80))
    assert np.abs(early - late).sum() > 0.15
    moved = [
        np.bincount(cluster[(who == user) & (day < 30)]).argmax() != np.bincount(cluster[(who == user) & (day > 70)]).argmax()
        for user in range(80)
        if min(((who == user) & (day < 30)).sum(), ((who == user) & (day > 70)).sum()) >= 5
    ]
    assert len(moved) > 20
    assert 0.2 < np.mean(moved) < 0.8


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 5, 5, 1), "users: expected at least 1, found 0"),
        ((5, -1, 5, 1), "items: expected at least 1, found -1"),
        ((5, 5, 0, 1), "events: expected at least 1, found 0"),
        ((5, 5, 5, -1), "seed: expected at least 0, found -1"),
        ((5, 5, 13, 1), "events: expected at most 12, half of users x items, .*, found 13"),
    ],
)
def test_impossible_worlds_are_refused(arguments: tuple[int, int, int, int], message: str) -> None:
    """Arguments out of range are usage errors that name the argument and its limit."""
    with pytest.raises(UsageError, match=message):
        synth(*arguments)
