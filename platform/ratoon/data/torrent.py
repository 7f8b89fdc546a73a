"""A made-up world of any size, stretch of time by stretch of time: no more than one stretch is ever held.

The hidden world is that of `synth` for the same users, items and seed: the same births, tastes, turns and fashions. What
differs: here people may come back to an item, since nobody remembers a hundred million choices. Every stretch has random
numbers of its own (NumPy's SeedSequence), so that the events do not depend on how they are cut into batches.
"""

from collections.abc import Callable, Iterator
from math import ceil
from pathlib import Path

import numpy as np
import polars as pl

from ratoon.data.choices import within
from ratoon.data.portraits import item_features, user_features
from ratoon.data.synth import DAY_US, START_US, check, names
from ratoon.data.visits import GAP_DAYS, SESSION
from ratoon.data.world import DAYS, Floats, Ints, World, draw_world, pick
from ratoon.domain.errors import UsageError

STRETCHES = 200
"""At least so many stretches of time: half a day each."""
STRETCH_ROWS = 500_000
"""At most about twice so many events in a stretch; more stretches otherwise."""
TRIES = 4
"""How often somebody looks for an item not yet taken in this stretch."""

_ITEM = pl.Struct({"title": pl.String, "genres": pl.List(pl.String), "release_date": pl.String})
_USER = pl.Struct({"age": pl.Int64, "gender": pl.String, "occupation": pl.String, "zip_code": pl.String})


def torrent(users: int, items: int, events: int, seed: int, rows: int = 1_000_000) -> Iterator[pl.DataFrame]:
    """The interactions of a drifting world of about 100 days, in order of time.

    Args:
        users, items, events: how many, >= 1.
        seed: >= 0; equal arguments give equal events.
        rows: in each batch but the last; decides nothing else.

    Yields:
        user, item (text), timestamp (microseconds UTC, strictly increasing), type, value (1 to 5): the generic layout.

    Raises:
        UsageError: an argument is out of range.
    """
    check(users, items, events, seed)
    return _batches(draw_world(users, items, np.random.default_rng(seed)), events, seed, rows)


def write_torrent(
    folder: Path, users: int, items: int, events: int, seed: int, told: Callable[[int], None], rows: int = 1_000_000
) -> int:
    """Write the generic layout: items.parquet, users.parquet and interactions/part-NNNNN.parquet of `rows` rows each.

    Args:
        folder: made if it is not there.
        told: hears how many interactions are written.

    Returns:
        how many parts there are.

    Raises:
        UsageError: an argument is out of range, or the folder already has interactions.
    """
    batches = torrent(users, items, events, seed, rows)
    parts = folder / "interactions"
    if parts.exists():
        raise UsageError(str(parts), expected="no such folder yet", found="one", fix="Remove it, or write somewhere else.")
    parts.mkdir(parents=True)
    world = draw_world(users, items, np.random.default_rng(seed))
    random = np.random.default_rng([seed, 0, 1])
    _people(world.item_birth, "item", item_features(world, random), _ITEM).write_parquet(folder / "items.parquet")
    _people(world.user_birth, "user", user_features(world, random), _USER).write_parquet(folder / "users.parquet")
    written, number = 0, 0
    for number, batch in enumerate(batches, 1):
        batch.write_parquet(parts / f"part-{number - 1:05}.parquet", compression="zstd")
        written += batch.height
        told(written)
    return number


def _batches(world: World, events: int, seed: int, rows: int) -> Iterator[pl.DataFrame]:
    held = pl.DataFrame()
    for stretch in _stretches(world, events, seed):
        held = pl.concat([held, stretch]) if held.height else stretch
        while held.height >= rows:
            yield held[:rows]
            held = held[rows:]
    if held.height:
        yield held


def _stretches(world: World, events: int, seed: int) -> Iterator[pl.DataFrame]:
    edges = np.linspace(0, DAYS, max(STRETCHES, ceil(events / STRETCH_ROWS)) + 1)
    quality = np.random.default_rng([seed, 1]).normal(0, 0.5, len(world.item_pull))
    alive = np.searchsorted(world.user_birth, edges[:-1], side="right")
    energy = np.cumsum(world.user_energy)
    share = np.cumsum(energy[alive - 1])
    counts = np.diff(np.rint(events * share / share[-1]).astype(np.int64), prepend=0)
    for number, count in enumerate(counts.tolist()):
        if count:
            random = np.random.default_rng([seed, 2, number])
            begin, end = edges[number], edges[number + 1]
            who, day = _visits(energy[: alive[number]], begin, end, count, random)
            what = _choose(world, who, begin, random)
            us = _clock(day, begin, end)
            yield _frame(who, what, us, _values(world, who, what, begin, quality, random))


def _visits(energy: Floats, begin: float, end: float, count: int, random: np.random.Generator) -> tuple[Ints, Floats]:
    """(n,) users, by energy, in sessions of a few visits; (n,) days between begin and end, ascending."""
    length = 1 + random.poisson(SESSION - 1, count)
    session = np.repeat(np.arange(count), length)[:count]
    people = np.searchsorted(energy, random.uniform(0, energy[-1], session[-1] + 1), side="right")
    start = begin + (end - begin) * random.uniform(0, 1, session[-1] + 1)
    elapsed = np.cumsum(GAP_DAYS * (0.05 + random.exponential(0.95, count)))
    since = elapsed - elapsed[np.searchsorted(session, session, side="left")]
    day = np.minimum(start[session] + since, end)
    order = np.argsort(day, kind="stable")
    return np.minimum(people, len(energy) - 1)[session][order], day[order]


def _choose(world: World, who: Ints, day: float, random: np.random.Generator) -> Ints:
    """(n,) items that exist that day, by each user's taste and the items' pull."""
    pull = world.pull(day)
    what = within(world, pick(world.taste(who, day), random), pull, random)
    for _ in range(TRIES):
        key = who * len(pull) + what
        again = np.ones(len(key), dtype=np.bool_)
        again[np.unique(key, return_index=True)[1]] = False
        if not again.any():
            break
        what[again] = within(world, pick(world.taste(who[again], day), random), pull, random)
    return what


def _values(world: World, who: Ints, what: Ints, day: float, quality: Floats, random: np.random.Generator) -> Floats:
    """(n,) 1 to 5, as in `synth`."""
    before, after = world.user_taste[who].T
    own = world.item_cluster[what] == np.where(day < world.user_turn[who], before, after)
    value = 2.8 + 1.0 * own + quality[what] + random.normal(0, 0.8, len(who))
    return np.asarray(np.clip(np.rint(value), 1, 5), dtype=np.float64)


def _clock(day: Floats, begin: float, end: float) -> Ints:
    """(n,) microseconds, strictly increasing, within the stretch."""
    place = np.arange(len(day))
    first, last = (START_US + int(edge * DAY_US) for edge in (begin, end))
    wanted = np.maximum(START_US + np.rint(day * DAY_US).astype(np.int64), first + 1)
    return np.asarray(np.minimum(np.maximum.accumulate(wanted - place) + place, last - len(day) + place + 1))


def _frame(who: Ints, what: Ints, us: Ints, value: Floats) -> pl.DataFrame:
    frame = pl.DataFrame({"user": names("u", who), "item": names("i", what), "us": us, "value": value})
    moment = pl.col("us").cast(pl.Datetime("us", "UTC"))
    return frame.select("user", "item", timestamp=moment, type=pl.lit("rating"), value="value")


def _people(birth: Floats, kind: str, features: list[str], dtype: pl.Struct) -> pl.DataFrame:
    us = pl.Series(START_US + np.rint(birth * DAY_US).astype(np.int64)).cast(pl.Datetime("us", "UTC"))
    known = pl.Series("features", features).str.json_decode(dtype).struct.unnest()
    return pl.DataFrame({kind: names(kind[0], np.arange(len(birth))), "timestamp": us}).hstack(known)
