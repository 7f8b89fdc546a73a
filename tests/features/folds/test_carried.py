"""A row that was carried on event by event has the bits of one that was made of columns."""

import json
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratoon.domain.event import LOG_SCHEMA
from ratoon.features.folds.carried import Carried, Told, carrying
from ratoon.features.folds.derive import Record, newest_rows
from ratoon.features.folds.ingest import column
from ratoon.features.folds.profiles import newest_row
from ratoon.features.online.layout import Layout
from ratoon.features.online.pack import pack
from ratoon.features.online.writing import RowWriter
from ratoon.features.views import ARROW_TYPES, View, ViewField
from tests.features.folds.test_interactions import ALL, WORLDS, world

PROFILE = View(
    "s", "profile", "user", "user", "/p/*", "event_timestamp", tuple(ViewField(name.lower(), name) for name in ARROW_TYPES)
)


def told(event: Record) -> Told:
    names = ("event_timestamp", "event_id", "kind", "user_id", "item_id", "type", "value", "features", "created_timestamp")
    return Told._make([*(event.get(name) for name in names), 0])


def in_order(events: Sequence[Record]) -> list[Told]:
    return sorted(map(told, events), key=lambda event: event[:2])


def logged(events: Sequence[Record]) -> pa.Table:
    def values(field: pa.Field) -> pa.Array:
        found = [event.get(field.name) for event in events]
        return pa.array(found, pa.int64()).cast(field.type) if "timestamp" in field.name else pa.array(found, field.type)

    return pa.table({field.name: values(field) for field in LOG_SCHEMA}, schema=LOG_SCHEMA)


def packed(view: View, rows: pa.Table) -> list[bytes]:
    times, arrivals = (rows.column(name).cast(pa.int64()).to_numpy() for name in ("event_timestamp", "created_timestamp"))
    return pack(Layout.of(view.fields), rows, times, arrivals)


def written(view: View, state: Carried) -> list[bytes]:
    row = state.row()
    return [] if row is None else [RowWriter(Layout.of(view.fields)).bytes_of(row)]


@given(drawn=WORLDS)
def test_what_somebody_did_is_carried_on_to_the_bit(drawn: list[tuple[str, int, bool, float | None, str | None, int]]) -> None:
    """After each event of a user, for every kind of aggregate, the row's bytes are those that columns give of all until then."""
    mine = [event for event in world(drawn) if event["user_id"] == "a"]
    state = carrying(ALL)()
    known = sorted(mine, key=lambda event: (event["event_timestamp"], event["event_id"]))
    assert written(ALL, state) == []
    for count, event in enumerate(in_order(mine), 1):
        assert state.add(event)
        assert written(ALL, state) == packed(ALL, newest_rows(ALL, logged(known[:count])))


VALUES = st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.floats(allow_nan=False) | st.text(max_size=5)
SAID = st.dictionaries(
    st.sampled_from([field.name for field in PROFILE.fields]), VALUES | st.lists(VALUES, max_size=3), max_size=6
)


@given(said=st.lists(st.tuples(SAID, st.booleans()), max_size=5))
def test_what_somebody_says_is_carried_on_to_the_bit(said: list[tuple[dict[str, object], bool]]) -> None:
    """For every type of feature, with values that fit and values that do not, the row's bytes are those that columns give."""
    events: list[Record] = [
        {
            "event_id": f"e{place}",
            "kind": "user" if mine else "interaction",
            "user_id": "a",
            "features": json.dumps(features),
            "event_timestamp": 10**15 + place,
            "created_timestamp": 10**15 + 2 * place,
        }
        for place, (features, mine) in enumerate(said)
    ]
    state = carrying(PROFILE)()
    assert all(state.add(event) for event in in_order(events))
    row = newest_row(PROFILE, events, [])
    expected = []
    if row is not None:
        columns = [column([row[field.name]], field.type) for field in PROFILE.arrow_schema]
        expected = packed(PROFILE, pa.Table.from_arrays(columns, schema=PROFILE.arrow_schema))
    assert written(PROFILE, state) == expected


@pytest.mark.parametrize("view", [ALL, PROFILE])
def test_what_comes_late_is_refused(view: View) -> None:
    """An event before the newest one is not taken, and nothing changes; of another kind it does not matter when it was."""
    kind, other = (view.origin, "user" if view is ALL else "interaction")
    state = carrying(view)()
    assert state.add(Told(10, "b", kind, "a", "i", None, 1.0, "{}", 10, 1))
    before = written(view, state)
    assert not state.add(Told(10, "a", kind, "a", "j", None, 2.0, '{"int64": 7}', 11, 2))
    assert state.add(Told(5, "a", other, "a", "j", None, 2.0, '{"int64": 7}', 11, 3))
    assert written(view, state) == before
    assert len(before) == 1


def test_only_what_later_rows_need_is_kept() -> None:
    """Of a thousand interactions an hour apart a state keeps those that a window of three hours may still need."""
    short = View("s", "v", "user", "interaction", "/v/*", "event_timestamp", (ViewField("n", "INT64", "count(3h)"),))
    state = carrying(short)()
    for place in range(1_000):
        assert state.add(Told(place * 3_600_000_000, str(place), "interaction", "a", "i", None, None, None, place, place))
    row = state.row()
    assert row is not None
    assert (row.values, state.size) == ([3], 3)
    assert np.int64(row.event_ts) == 999 * 3_600_000_000 + 1
