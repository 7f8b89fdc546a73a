"""What the users of a world have done: fifty items each, of which twenty are what they would be offered."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ratoon.domain.embedding import Vectors
from ratoon.domain.event import EVENT_SCHEMA, TIME
from ratoon.domain.popularity import KEPT, WINDOWS, traits

SEEN, NEAR = 50, 20
"""Items that each user has had, and how many of these are among the best for them."""

PERIOD = timedelta(days=30)
BATCH = 250_000

Ints = npt.NDArray[np.int64]


def seen_by(near: Ints, items: int) -> Ints:
    """The items each user has had, in the order in which they had them, none twice; shape (users, SEEN).

    Args:
        near: some of the best items of each user; shape (users, n), n >= NEAR.
    """
    random = np.random.default_rng(11)
    own = random.permuted(near, axis=1)[:, :NEAR]
    mixed = np.concatenate([own, random.integers(0, items, (len(near), 2 * SEEN))], axis=1)
    made = np.empty((len(near), SEEN), np.int64)
    for user, row in enumerate(mixed):
        _, first = np.unique(row, return_index=True)
        made[user] = row[np.sort(first)[:SEEN]]
    return random.permuted(made, axis=1)


def in_order(seen: Ints) -> tuple[Ints, Ints]:
    """Users and items of all interactions as they follow each other: everybody's first, then everybody's second, and so on."""
    random = np.random.default_rng(12)
    users = np.concatenate([random.permutation(len(seen)) for _ in range(seen.shape[1])])
    rounds = np.repeat(np.arange(seen.shape[1]), len(seen))
    return users, seen[users, rounds]


def times(count: int, end: datetime) -> Ints:
    """When so many interactions happened: evenly through PERIOD up to `end`, microseconds since 1970; shape (count,)."""
    last = (end - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    made: Ints = np.linspace(last - PERIOD // timedelta(microseconds=1), last, count).astype(np.int64)
    return made


def events(users: Ints, items: Ints, moments: Ints) -> Iterator[pa.Table]:
    """All of that as the log takes it (EVENT_SCHEMA)."""
    for first in range(0, len(users), BATCH):
        part = slice(first, first + BATCH)
        count = len(users[part])
        columns = {
            "event_id": _named("w", np.arange(first, first + count)),
            "kind": pa.repeat(pa.scalar("interaction"), count),
            "user_id": _named("u", users[part]),
            "item_id": _named("i", items[part]),
            "type": pa.repeat(pa.scalar("view"), count),
            "event_timestamp": pa.array(moments[part]).cast(TIME),
        }
        yield pa.table([columns.get(field.name, pa.nulls(count, field.type)) for field in EVENT_SCHEMA], schema=EVENT_SCHEMA)


def traits_of(items: Ints, count: int) -> Vectors:
    """How popular each item is after these interactions; shape (count, WIDTH)."""
    assert len(items) >= KEPT
    recent = np.stack([np.bincount(items[-window:], minlength=count) for window in WINDOWS], axis=1)
    return traits(recent, np.bincount(items, minlength=count))


def _named(letter: str, rows: Ints) -> pa.Array:
    return pc.binary_join_element_wise(letter, pa.array(rows).cast(pa.string()), "")
