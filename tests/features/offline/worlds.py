"""Small worlds for joins: few keys and moments, so that ties, duplicates, late rows and ttl edges are common."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import strategies as st

from ratoon.features.offline.spec import Source, ViewSide
from tests.features.offline.reference import Asked, Row, Value

SECOND = 1_000_000
START = 1_700_000_000 * SECOND

UNITS = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
STAMPS = [("us", "UTC"), ("ns", "UTC"), ("ms", None), ("us", None), ("ns", "Europe/Berlin"), ("us", "America/New_York")]

moments = st.integers(0, 6).map(lambda second: START + second * SECOND)


@dataclass(frozen=True)
class World:
    """One view in files, and entity rows to join with it."""

    files: tuple[tuple[Row, ...], ...]
    asked: tuple[Asked, ...]
    keys: int
    whole: bool
    ttl: int
    stamped: bool
    stamp: tuple[str, str | None]
    asked_stamp: tuple[str, str | None] | None

    @property
    def rows(self) -> list[Row]:
        return [row for file in self.files for row in file]

    def write(self, folder: Path) -> ViewSide:
        """The view's files, afresh in `folder`."""
        for old in folder.glob("*.parquet"):
            old.unlink()
        for place, rows in enumerate(self.files):
            pq.write_table(view_table(rows, self.keys, self.whole, self.stamp), folder / f"{place}.parquet", row_group_size=3)
        keys = tuple((f"k{place}", f"entity{place}") for place in range(self.keys))
        created, ttl = "created" if self.stamped else "", timedelta(microseconds=self.ttl) if self.ttl else None
        return ViewSide("v", Source(f"{folder}/*.parquet"), "ts", keys, (("number", "a"), ("text_y", "b_y")), created, ttl)

    def entities(self) -> pa.Table:
        columns = {
            f"entity{place}": pa.array([row.key[place] for row in self.asked], pa.int64() if self.whole else pa.string())
            for place in range(self.keys)
        }
        columns["at"] = times([row.at for row in self.asked], self.asked_stamp)
        columns["arrival"] = times([row.arrival for row in self.asked], ("us", "UTC"))
        return pa.table(columns)


def times(values: Sequence[int | None], stamp: tuple[str, str | None] | None) -> pa.Array:
    """Microseconds in some unit and zone; as ISO 8601 text for None."""
    whole = pa.array(values, pa.int64()).cast(pa.timestamp("us", "UTC"))
    if stamp is None:
        return pa.array([None if value is None else value.as_py().isoformat() for value in whole], pa.string())
    return whole.cast(pa.timestamp(stamp[0], "UTC")).cast(pa.timestamp(stamp[0], stamp[1]))


def view_table(rows: Sequence[Row], keys: int, whole: bool, stamp: tuple[str, str | None]) -> pa.Table:
    """A view's rows as a table."""
    kind = pa.int32() if whole else pa.string()
    columns = {f"k{place}": pa.array([row.key[place] for row in rows], kind) for place in range(keys)}
    columns["ts"], columns["created"] = times([row.since for row in rows], stamp), times([row.created for row in rows], stamp)
    columns["number"] = pa.array([row.values[0] for row in rows], pa.int64())
    columns["text_y"] = pa.array([row.values[1] for row in rows], pa.string())
    return pa.table(columns)


def keys_of(width: int, whole: bool) -> st.SearchStrategy[tuple[Value, ...]]:
    one = st.sampled_from([1, 2, 3, None] if whole else ["a", "b", "ä", None])
    return st.tuples(*[one] * width)


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Worlds of one view."""
    width, whole = draw(st.sampled_from([1, 1, 2, 0])), draw(st.booleans())
    values = st.tuples(st.none() | st.integers(0, 99), st.none() | st.sampled_from(["x", "y", ""]))
    rows = st.builds(Row, keys_of(width, whole), moments, st.none() | moments, values)
    files = draw(st.lists(st.lists(rows, max_size=6).map(tuple), min_size=1, max_size=2).map(tuple))
    asked = st.builds(Asked, keys_of(width, whole), moments, st.none() | moments)
    return World(
        files,
        draw(st.lists(asked, max_size=6).map(tuple)),
        width,
        whole,
        draw(st.sampled_from([0, 0, 1, 2])) * SECOND,
        draw(st.booleans()),
        draw(st.sampled_from(STAMPS)),
        draw(st.sampled_from([*STAMPS, ("s", "UTC"), None])),
    )
