"""The sets that refreshing is measured on: which, how they are cut into slices, and what is asked of each slice."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ratoon import data
from ratoon.domain.errors import DataError
from ratoon.domain.popularity import Timeline

PAST = 0.6
"""The share of the events, in time order, that the first release learns from."""

DAY_US = 86_400_000_000

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Kind:
    """How a set is to be read.

    Attributes:
        mask_seen: whether items a user has had may not be offered again.
        sessions: a user is one visit: the baselines made for sessions run too.
        weekly: a slice is a calendar week, and the last ones are played, instead of equal shares of the events after `PAST`.
        most: refreshes and seeds, at most.
    """

    mask_seen: bool = True
    sessions: bool = False
    weekly: bool = False
    most: tuple[int, int] = (30, 3)


KINDS = {
    "movietweetings-100k": Kind(),
    "ml-latest-small": Kind(),
    "movielens-100k": Kind(),
    "diginetica": Kind(mask_seen=False, sessions=True, weekly=True, most=(7, 1)),
}


@dataclass(frozen=True, slots=True)
class World:
    """One set, in time order.

    Attributes:
        events: EVENT_SCHEMA; the event at position p has offset p + 1 in a log that holds nothing else.
        bounds: where slices begin and end among the events, `refreshes` + 1 positions; history ends at the first.
    """

    name: str
    kind: Kind
    events: pa.Table
    bounds: tuple[int, ...]

    @property
    def slices(self) -> Iterator[tuple[int, int, int]]:
        """Number from 1, first position, position after the last."""
        for number, (start, stop) in enumerate(pairwise(self.bounds), 1):
            yield number, start, stop


def open_world(name: str, folder: Path, quarantine: Path, scale: float, refreshes: int) -> World:
    """Read a folder in one of the layouts of `ratoon data import`.

    Args:
        scale: the share of its users that is kept, with the items they met.

    Raises:
        DataError: the folder cannot be read, or has fewer events after the history than refreshes.
    """
    kind = KINDS.get(name, Kind())
    events = _share(data.read(folder, quarantine / f"{name}.csv").events, scale)
    bounds = (
        _weeks(events, refreshes) if kind.weekly else np.linspace(int(events.num_rows * PAST), events.num_rows, refreshes + 1)
    )
    places = tuple(int(place) for place in bounds)
    if len(set(places)) <= refreshes or not places[0]:
        raise DataError(
            f"bench refresh, {name}",
            expected=f"events for a history and {refreshes} slices",
            found=f"{events.num_rows} events",
            fix="Ask for fewer refreshes or a larger scale.",
        )
    return World(name, kind, events, places)


def _weeks(events: pa.Table, count: int) -> Ints:
    days = events.column("event_timestamp").cast(pa.int64()).to_numpy() // DAY_US
    week = (days - 4) // 7  # 1970 began on a Thursday, and a week begins on a Monday
    begins = np.flatnonzero(np.diff(week, prepend=week[:1] - 1))
    return np.append(begins[-count:], events.num_rows)


def _share(events: pa.Table, scale: float) -> pa.Table:
    if scale >= 1:
        return events
    users = events.column("user_id").drop_null().unique().to_pylist()
    kept = events.filter(
        pc.is_in(events.column("user_id"), value_set=pa.array([u for u in users if _drawn(u) < scale], pa.string()))
    )
    items = kept.column("item_id").drop_null().unique()
    shelf = events.filter(pc.and_(pc.is_null(events.column("user_id")), pc.is_in(events.column("item_id"), value_set=items)))
    return pa.concat_tables([kept, shelf]).sort_by([("event_timestamp", "ascending"), ("event_id", "ascending")])


def _drawn(user: str) -> float:
    return int.from_bytes(hashlib.blake2b(f"bench:{user}".encode(), digest_size=8).digest()) / 2**64


@dataclass(frozen=True, slots=True)
class Past:
    """What happened before each interaction, for hiding and for telling what is new.

    Attributes:
        users, items: codes of the interactions' users and items, in time order; shape (n,).
        positions: of the interactions among the events, ascending; shape (n,).
        first: the interaction at which each item occurs for the first time, by item code.
        names: item code -> id.
    """

    users: Ints
    items: Ints
    positions: Ints
    first: Ints
    names: tuple[str, ...]

    def seen(self, offset: int) -> set[str]:
        """The items that the user of the interaction at this log offset had had before it."""
        place = self.place(offset)
        before = np.flatnonzero(self.users[:place] == self.users[place])
        return {self.names[code] for code in self.items[before]}

    def place(self, offset: int) -> int:
        """Which interaction an offset is."""
        return int(np.searchsorted(self.positions, offset - 1))

    def is_new(self, offset: int, since: int) -> bool:
        """Whether the item of the interaction at this offset had none before position `since` among the events."""
        return bool(self.positions[self.first[self.items[self.place(offset)]]] >= since)


def timeline_of(world: World) -> Timeline:
    """All interactions of a world, for telling how popular items are at any moment."""
    rows = world.events.select(["kind", "user_id", "item_id"]).to_pydict()
    kinds = enumerate(zip(rows["kind"], rows["user_id"], rows["item_id"], strict=True), 1)
    return Timeline.of([(offset, user, item) for offset, (kind, user, item) in kinds if kind == "interaction"])


def past_of(world: World) -> Past:
    """The interactions of a world, as codes."""
    positions = np.flatnonzero(pc.equal(world.events.column("kind"), "interaction").to_numpy())
    rows = world.events.take(pa.array(positions))
    users, items = (rows.column(name).combine_chunks().dictionary_encode() for name in ("user_id", "item_id"))
    codes = items.indices.to_numpy().astype(np.int64)
    _, first = np.unique(codes, return_index=True)
    names = tuple(items.dictionary.to_pylist())
    return Past(users.indices.to_numpy().astype(np.int64), codes, positions, first.astype(np.int64), names)
