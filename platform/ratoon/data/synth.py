"""A made-up world as events: new users and items keep coming, tastes turn, fashion drifts. For tests and benchmarks.

The same arguments give the same events. It does not know what a model will make of it.
"""

import numpy as np
import polars as pl
import pyarrow as pa

from ratoon.data.choices import choose
from ratoon.data.portraits import item_features, user_features
from ratoon.data.table import entity_events, event_table, interaction_events
from ratoon.data.visits import visits
from ratoon.data.world import Floats, Ints, World, draw_world
from ratoon.domain.errors import UsageError

START_US = 1_704_067_200_000_000
"""2024-01-01T00:00:00Z, where the world begins."""

DAY_US = 86_400_000_000


def synth(users: int, items: int, events: int, seed: int) -> pa.Table:
    """Make a world of about 100 days from 2024-01-01.

    Users come back in sessions of a few interactions, value 1 to 5, and never choose an item twice. Each user and item
    has one event with its features, under MovieLens' feature names, before any interaction with it.

    Args:
        users: how many, >= 1.
        items: how many, >= 1.
        events: how many interactions, >= 1, at most half of users x items.
        seed: >= 0; the same arguments give the same table.

    Returns:
        users + items + events rows of `ratoon.domain.event.EVENT_SCHEMA`, timestamps strictly increasing.

    Raises:
        UsageError: an argument is out of range.
    """
    check(users, items, events, seed)
    if events > users * items // 2:
        raise UsageError(
            "events",
            expected=f"at most {users * items // 2}, half of users x items, since nobody chooses an item twice",
            found=str(events),
            fix="Ask for fewer events, or for more users or items.",
        )
    random = np.random.default_rng(seed)
    world = draw_world(users, items, random)
    who, day = visits(world, events, random)
    what, who, day = choose(world, who, day, random)
    value = _values(world, who, what, day, random)
    return event_table(_timed(world, who, what, day, value, random))


def check(users: int, items: int, events: int, seed: int) -> None:
    """Refuse a world without anybody, anything or any event.

    Raises:
        UsageError: an argument is out of range.
    """
    for name, number, least in (("users", users, 1), ("items", items, 1), ("events", events, 1), ("seed", seed, 0)):
        if number < least:
            raise UsageError(name, expected=f"at least {least}", found=str(number), fix="Give a greater number.")


def _values(world: World, who: Ints, what: Ints, day: Floats, random: np.random.Generator) -> Floats:
    """(n,) 1 to 5: higher for items of the user's own taste, and for items that are good in themselves."""
    before, after = world.user_taste[who].T
    own = world.item_cluster[what] == np.where(day < world.user_turn[who], before, after)
    quality = random.normal(0, 0.5, len(world.item_pull))
    value = 2.8 + 1.0 * own + quality[what] + random.normal(0, 0.8, len(who))
    return np.asarray(np.clip(np.rint(value), 1, 5), dtype=np.float64)


def _timed(world: World, who: Ints, what: Ints, day: Floats, value: Floats, random: np.random.Generator) -> list[pl.DataFrame]:
    """The three kinds of events; one clock ticks through all of them, at least 1 us between two."""
    items, users = len(world.item_birth), len(world.user_birth)
    moments = np.concatenate([world.item_birth, world.user_birth, day])
    order = np.argsort(moments, kind="stable")
    wanted = START_US + np.rint(moments[order] * DAY_US).astype(np.int64)
    place = np.arange(len(order))
    us = np.empty(len(order), dtype=np.int64)
    us[order] = np.maximum.accumulate(wanted - place) + place
    log = pl.DataFrame({"user": names("u", who), "item": names("i", what), "us": us[items + users :], "value": value})
    log = log.with_columns(type=pl.lit("rating"))
    shelf = {"id": names("i", np.arange(items)), "us": us[:items], "features": item_features(world, random)}
    people = {"id": names("u", np.arange(users)), "us": us[items : items + users], "features": user_features(world, random)}
    return [
        interaction_events(log),
        entity_events(pl.DataFrame(shelf), "item", log),
        entity_events(pl.DataFrame(people), "user", log),
    ]


def names(letter: str, numbers: Ints) -> pl.Series:
    """Give n numbers from 0 their ids: (n,) `u1`, `u2`, ... in order of appearance."""
    return pl.DataFrame({"number": numbers + 1}).select(pl.format("{}{}", pl.lit(letter), "number")).to_series()
