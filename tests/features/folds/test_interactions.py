"""However interactions arrive and are cut into steps, each row has the bits of one fold over everything."""

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ratoon.domain.event import LOG_SCHEMA
from ratoon.features.folds import interactions as room
from ratoon.features.folds.derive import Record, newest_row, records
from ratoon.features.folds.exact import Ints
from ratoon.features.folds.fold import Plan
from ratoon.features.folds.interactions import step
from ratoon.features.folds.states import schema
from ratoon.features.views import View, ViewField
from tests.features.folds.slowly import known, moment, slowly

SECOND = 1_000_000
FIELDS = [
    ("n", "INT64", "count"),
    ("n3", "INT32", "count(3s)"),
    ("n1h", "FLOAT", "count(1h)"),
    ("s", "DOUBLE", "sum(value)"),
    ("s2m", "INT64", "sum(value, 2m)"),
    ("m", "FLOAT", "mean(value)"),
    ("m3", "DOUBLE", "mean(value, 3s)"),
    ("d", "DOUBLE", "deviation(value)"),
    ("d2m", "FLOAT", "deviation(value, 2m)"),
    ("c1", "DOUBLE", "decayed(1s)"),
    ("c1h", "FLOAT", "decayed(1h)"),
    ("v1", "DOUBLE", "decayed(value, 1s)"),
    ("v7", "DOUBLE", "decayed(value, 7d)"),
    ("t", "STRING", "last(type)"),
    ("t2", "STRING_LIST", "last(type, 2)"),
    ("i3", "STRING_LIST", "last(item_id, 3)"),
    ("u", "STRING", "last(user_id)"),
    ("x", "DOUBLE", "last(value)"),
    ("x4", "FLOAT_LIST", "last(value, 4)"),
]
ALL = View("s", "all", "user", "interaction", "/all/*", "event_timestamp", tuple(ViewField(*field) for field in FIELDS))

GAPS = st.sampled_from([0, 0, 1, SECOND, 3 * SECOND - 1, 3 * SECOND, 17 * SECOND, 40 * SECOND, 1_800 * SECOND, 10**12])
VALUES = st.none() | st.floats(-100, 100) | st.sampled_from([math.nan, math.inf, 5e9, 1e9, 0.1, 3.5, 3.5])
EVENT = st.tuples(st.sampled_from("ab"), GAPS, st.booleans(), VALUES, st.sampled_from([None, "click", "buy"]), st.integers(0, 9))
WORLDS = st.lists(EVENT, min_size=1, max_size=14)


def world(drawn: Sequence[tuple[str, int, bool, float | None, str | None, int]]) -> list[Record]:
    """Interactions in the order of their arrival; the ones marked late happened before the one that arrived before them."""
    now, events = 10**15, list[Record]()
    for place, (user, gap, late, value, kind, key) in enumerate(drawn):
        now += 0 if late else gap
        events.append(
            {
                "event_id": f"{key}-{place}",
                "kind": "interaction",
                "user_id": user,
                "item_id": f"i{key}",
                "type": kind,
                "value": value,
                "event_timestamp": now - (gap if late else 0),
                "created_timestamp": 2 * 10**15 + place,
                "offset": place + 1,
            }
        )
    return events


def table(events: Sequence[Record]) -> pa.Table:
    times = ("event_timestamp", "created_timestamp")
    columns = {
        field.name: pa.array([one.get(field.name) for one in events], pa.int64() if field.name in times else field.type)
        for field in LOG_SCHEMA
    }
    return pa.table({name: column.cast(LOG_SCHEMA.field(name).type) for name, column in columns.items()}, schema=LOG_SCHEMA)


class Kept:
    """States in memory, the newest of each entity, and how often the log had to be asked."""

    def __init__(self) -> None:
        self.states: dict[str, pa.Table] = {}
        self.asked = 0

    def load(self, keys: pa.Array) -> tuple[pa.Table, Ints]:
        places = [place for place, key in enumerate(keys.to_pylist()) if key in self.states]
        found = [self.states[keys[place].as_py()] for place in places]
        return pa.concat_tables([schema(Plan(ALL)).empty_table(), *found]), np.array(places, np.int64)

    def fold(self, old: Sequence[Record], new: Sequence[Record]) -> list[Record]:
        def history(entities: Sequence[str]) -> pa.Table:
            self.asked += 1
            return table([one for one in old if one["user_id"] in entities])

        done = step(Plan(ALL), table(new), self.load, history)
        states = done.states()
        for place, key in enumerate(states.column("key").to_pylist()):
            self.states[key] = states.slice(place, 1)
        return records(done.rows())


def bits(rows: Sequence[Record]) -> list[str]:
    return sorted(map(repr, rows))


@given(drawn=WORLDS, cuts=st.sets(st.integers(1, 13)))
@settings(max_examples=60, deadline=None)
def test_steps_give_the_rows_of_one_go(drawn: list[tuple[str, int, bool, float | None, str | None, int]], cuts: set[int]) -> None:
    """Folded in any steps from carried states, every row has the bits it has when all events are folded at once."""
    events, kept, rows = world(drawn), Kept(), list[Record]()
    edges = [0, *sorted(cut for cut in cuts if cut < len(events)), len(events)]
    for first, last in pairwise(edges):
        rows += kept.fold(events[:first], events[first:last])
    assert bits(rows) == bits(Kept().fold([], events))


@given(drawn=WORLDS)
@settings(max_examples=60, deadline=None)
def test_rows_are_what_the_reference_says(drawn: list[tuple[str, int, bool, float | None, str | None, int]]) -> None:
    """Each arrival values the rows from it on, once a moment; each value is that of plain Python over the events known then."""
    events = world(drawn)
    expected = [
        (one["user_id"], later + 1, int(str(one["created_timestamp"])) + 1)
        for place, one in enumerate(events)
        for later in {
            moment(other)
            for other in events[: place + 1]
            if other["user_id"] == one["user_id"]
            and (moment(other), str(other["event_id"])) >= (moment(one), str(one["event_id"]))
        }
    ]
    rows = Kept().fold([], events)
    assert sorted((row["user_id"], row["event_timestamp"], row["created_timestamp"]) for row in rows) == sorted(expected)
    for row in rows:
        mine = [one for one in events if one["user_id"] == row["user_id"]]
        told = known(mine, moment(row), int(str(row["created_timestamp"])))
        for field, one in Plan(ALL).aggregates:
            assert row[field.name] == near(slowly(one, told), field), (field, told)


def near(value: object, field: ViewField) -> object:
    """The reference's value as its column stores it: to a float's precision, or what halving each second leaves of it."""
    if isinstance(value, list):
        return [near(entry, ViewField(field.name, field.dtype.removesuffix("_LIST"))) for entry in value]
    if field.dtype == "INT64" and isinstance(value, float):
        return round(value)
    if isinstance(value, float):
        return pytest.approx(value, rel=1e-6 if field.dtype == "FLOAT" else 1e-7, abs=1e-6)
    return value


@given(drawn=WORLDS)
@settings(max_examples=40, deadline=None)
def test_the_server_computes_the_same_bits(drawn: list[tuple[str, int, bool, float | None, str | None, int]]) -> None:
    """What the server makes of a user's whole history has the bits of the newest row that ingestion wrote."""
    events = [one | {"user_id": "a"} for one in world(drawn)]
    rows = Kept().fold([], events)
    newest = max(rows, key=lambda row: (moment(row), int(str(row["created_timestamp"]))))
    found = newest_row(ALL, events, [])
    assert found is not None
    names = [name for name in newest if name != "created_timestamp"]
    assert [repr(found[name]) for name in names] == [repr(newest[name]) for name in names]


@given(drawn=WORLDS)
@settings(max_examples=20, deadline=None)
def test_the_log_is_asked_only_after_late_events(drawn: list[tuple[str, int, bool, float | None, str | None, int]]) -> None:
    """When events come in order, states are enough: no entity's history is read."""
    events, kept = sorted(world(drawn), key=lambda one: (moment(one), str(one["event_id"]))), Kept()
    for place in range(len(events)):
        kept.fold(events[:place], events[place : place + 1])
    assert kept.asked == 0


def test_a_state_forgets_what_no_row_can_need() -> None:
    """Of a thousand interactions the state keeps those inside the longest window and the longest list."""
    events = world([("a", 1_800 * SECOND, False, 1.0, "click", 1)] * 1_000)
    kept = Kept()
    kept.fold([], events)
    assert len(kept.states["a"].column("tail time")[0]) == 4
    assert kept.states["a"].column("total count.0").to_pylist() == [1_000]


def test_a_state_keeps_what_is_about_to_leave_the_window() -> None:
    """From a carried state, an interaction is inside the longest window one microsecond before its end, and not at its end."""
    hour = 3_600 * SECOND
    for gap, count in ((SECOND - 1, 7.0), (SECOND, 6.0)):
        events = world([("a", step, False, 1.0, None, 1) for step in (0, hour - SECOND, 0, 0, 0, 0, gap)])
        kept = Kept()
        kept.fold([], events[:6])
        assert [row["n1h"] for row in kept.fold(events[:6], events[6:])] == [count]


def test_many_late_events_are_replayed_in_bounded_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """When replays are cut into several pieces, even inside one entity, the rows and the state are the same."""
    events = world([("ab"[place % 2], place, True, float(place), None, place % 10) for place in range(40)])
    whole = Kept()
    rows = whole.fold([], events)
    monkeypatch.setattr(room, "_ROWS", 50)
    pieces = Kept()
    assert bits(pieces.fold([], events)) == bits(rows)
    assert repr(pieces.states["a"].to_pylist()) == repr(whole.states["a"].to_pylist())


def test_a_result_too_large_for_its_type_is_missing() -> None:
    """A sum beyond an INT32 is missing, not wrapped around."""
    view = View("s", "v", "user", "interaction", "/v/*", "event_timestamp", (ViewField("s", "INT32", "sum(value)"),))
    events = [one | {"value": 1e9, "user_id": "a"} for one in world([("a", 1, False, 1.0, None, 1)] * 3)]
    assert [newest_row(view, events[:count], [])["s"] for count in (1, 2, 3)] == [10**9, 2 * 10**9, None]  # type: ignore[index]  # a row is there


def test_entities_of_many_decades_keep_their_windows() -> None:
    """Windows of a century over thousands of entities, too long together for 63 bits, stay each in its entity."""
    view = View("s", "v", "user", "interaction", "/v/*", "event_timestamp", (ViewField("n", "INT64", "count(36500d)"),))
    year, users = 31_536_000 * SECOND, 3_000
    events = [
        one | {"user_id": f"u{place % users}", "event_timestamp": place // users * 60 * year}
        for place, one in enumerate(world([("a", 1, False, 1.0, None, 1)] * users * 3))
    ]
    rows = records(step(Plan(view), table(events), Kept().load, lambda _: table([])).rows())
    assert [row["n"] for row in rows] == [1] * users + [2] * users + [2] * users
