"""A row is what its entity's events up to a moment make of it, valid after that moment and known after its arrival."""

import json
import re
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratoon.domain.errors import DataError
from ratoon.domain.event import LOG_SCHEMA
from ratoon.features.folds.derive import Record, Unusable, check, convert, feature_rows, newest_row, newest_rows, records
from ratoon.features.folds.ingest import column
from ratoon.features.views import ARROW_TYPES, View, ViewField
from tests.fakes.events import START, batch, event
from tests.features.worlds import micros, world

SECOND = 1_000_000
ACTIVITY = View(
    "shop",
    "activity",
    "user",
    "interaction",
    "/activity/*.parquet",
    "event_timestamp",
    (ViewField("n", "INT64", "count"), ViewField("recent", "STRING_LIST", "last(item_id, 9)")),
)
PROFILE = View(
    "shop",
    "profile",
    "user",
    "user",
    "/profile/*.parquet",
    "event_timestamp",
    (ViewField("age", "INT64"), ViewField("born", "UNIX_TIMESTAMP"), ViewField("tags", "STRING_LIST")),
)
ITEM = View("shop", "item", "item", "item", "/item/*.parquet", "event_timestamp", (ViewField("price", "DOUBLE"),))


def acted(event_id: str, happened: int, arrived: int, item: str = "") -> Record:
    """An interaction of u1, its times in seconds."""
    row = {"event_id": event_id, "kind": "interaction", "user_id": "u1", "item_id": item or event_id, "type": None, "value": None}
    return row | {"event_timestamp": happened * SECOND, "created_timestamp": arrived * SECOND, "features": None}


def said(event_id: str, moment: int, **features: object) -> Record:
    """A user event of u1."""
    return acted(event_id, moment, moment) | {"kind": "user", "item_id": None, "features": json.dumps(features)}


def seconds(row: Record) -> tuple[object, float, float]:
    """A row's recent items and its two stamps, in seconds."""
    return row["recent"], int(str(row["event_timestamp"])) / SECOND, int(str(row["created_timestamp"])) / SECOND


def as_known(rows: Sequence[Record], moment: int, arrival: int) -> object:
    """What a point-in-time join finds at `moment`, of what has arrived by `arrival`: the newest row, then the latest stated."""
    known = [row for row in rows if int(str(row["event_timestamp"])) <= moment and int(str(row["created_timestamp"])) <= arrival]
    newest = max(((row["event_timestamp"], row["created_timestamp"]) for row in known), default=None)
    found = [row["recent"] for row in known if (row["event_timestamp"], row["created_timestamp"]) == newest]
    assert len(found) <= 1, "two rows claim the same moment"
    return found[0] if found else None


def test_a_row_is_valid_strictly_after_its_event() -> None:
    """A row carries the event's time plus 1 us, and its arrival plus 1 us."""
    rows = list(feature_rows(ACTIVITY, [], [acted("a", 10, 30)], []))
    assert rows == [{"user_id": "u1", "n": 1, "recent": ["a"], "event_timestamp": 10_000_001, "created_timestamp": 30_000_001}]


def test_a_late_event_rewrites_what_came_after_it() -> None:
    """Later rows are valued again, stamped with the late arrival; earlier ones stay, and the next event adds one row."""
    events = [acted("a", 10, 100), acted("c", 30, 101), acted("b", 20, 102), acted("d", 40, 103)]
    us = 1e-6
    assert [seconds(row) for row in feature_rows(ACTIVITY, [], events, [])] == [
        (["a"], 10 + us, 100 + us),
        (["a", "c"], 30 + us, 101 + us),
        (["a", "b"], 20 + us, 102 + us),
        (["a", "b", "c"], 30 + us, 102 + us),
        (["a", "b", "c", "d"], 40 + us, 103 + us),
    ]


def test_a_late_event_of_the_same_moment_leaves_one_row_for_it() -> None:
    """Two events of one second arriving against the order of their ids give no two rows with the same stamps."""
    rows = list(feature_rows(ACTIVITY, [], [acted("e9", 10, 100), acted("e10", 10, 101)], []))
    assert [row["recent"] for row in rows] == [["e9"], ["e10", "e9"]]


EVENTS = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 2)), min_size=1, max_size=8)


@given(moments=EVENTS, split=st.integers(0, 8))
def test_a_join_finds_what_was_known_then(moments: list[tuple[int, int]], split: int) -> None:
    """At any moment and arrival a join finds the events before that moment that had arrived, however they were ingested."""
    events = [acted(f"{key}-{place}", moment, 100 + place) for place, (moment, key) in enumerate(moments)]
    rows = list(feature_rows(ACTIVITY, [], events[:split], []))
    old = sorted(events[:split], key=lambda one: (one["event_timestamp"], one["event_id"]))
    rows += feature_rows(ACTIVITY, old, events[split:], [])
    for moment in range(8):
        for arrival in range(100, 101 + len(events)):
            known = [one for one in events if int(str(one["created_timestamp"])) < arrival * SECOND]
            before = [one for one in known if int(str(one["event_timestamp"])) < moment * SECOND]
            before.sort(key=lambda one: (one["event_timestamp"], one["event_id"]))
            expected = [one["item_id"] for one in before] or None
            assert as_known(rows, moment * SECOND, arrival * SECOND) == expected


@given(moments=EVENTS)
def test_the_newest_row_is_the_last_of_all_rows(moments: list[tuple[int, int]]) -> None:
    """What the server computes from a whole history has the features of the newest row that ingestion wrote."""
    events = [acted(f"{key}-{place}", moment, 100 + place) for place, (moment, key) in enumerate(moments)]
    row = newest_row(ACTIVITY, events, [])
    assert row is not None
    rows = list(feature_rows(ACTIVITY, [], events, []))
    assert row["recent"] == as_known(rows, 10**12, 10**12)
    assert row["event_timestamp"] == max(int(str(one["event_timestamp"])) for one in rows)


def test_other_events_say_nothing_of_a_view() -> None:
    """A view of interactions has no row for user events, a profile none for interactions."""
    assert newest_row(ACTIVITY, [said("s", 1, age=3)], []) is None
    assert newest_row(PROFILE, [acted("a", 1, 1)], []) is None
    assert [row["recent"] for row in feature_rows(ACTIVITY, [], [said("s", 1), acted("a", 2, 2)], [])] == [["a"]]


def test_a_profile_keeps_what_is_not_said_again() -> None:
    """A user event changes the features it names, null takes one away, and unknown names are passed over."""
    events = [said("a", 1, age=30, tags=["x"]), said("b", 2, born=0, shoe=43), said("c", 3, tags=None)]
    rows = list(feature_rows(PROFILE, [], events, []))
    assert [(row["age"], row["born"], row["tags"]) for row in rows] == [(30, None, ["x"]), (30, 0, ["x"]), (30, 0, None)]


def test_an_unusable_value_is_missing_and_reported_once() -> None:
    """A value that does not fit is missing in its row, and reported when its event is new, not whenever it is replayed."""
    bad, unusable = said("bad", 1, age="old", tags=["x"]), list[Unusable]()
    rows = list(feature_rows(PROFILE, [], [bad], unusable))
    assert (rows[0]["age"], rows[0]["tags"]) == (None, ["x"])
    assert unusable == [Unusable("bad", "age", "int64", "'old'")]
    list(feature_rows(PROFILE, [bad], [said("later", 5, age=3), said("late", 0, tags=[])], unusable))
    assert [one.event_id for one in unusable] == ["bad"]


def test_records_carry_times_as_microseconds(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Events of the log become records with integer times, so that arithmetic on them is exact."""
    there = world(tmp_path_factory.mktemp("home"), batch(event("a")))
    (record,) = records(there.log.read(0))
    assert (record["event_id"], record["event_timestamp"], record["created_timestamp"]) == ("a", micros(START), micros(START))
    there.log.close()


def test_whole_numbers_are_rounded_not_cut() -> None:
    """A sum kept as a whole number is the sum, though it is carried as a mean."""
    spent = View("s", "v", "user", "interaction", "/v/*", "event_timestamp", (ViewField("spent", "INT64", "sum(value)"),))
    values = [1.0, 1.0, 5.0, 3.0, 3.0, 1.0, 4.0, 4.0, 2.0, 5.0, 2.0, 1.0, 3.0, 5.0, 5.0, 1.0, 2.0, 2.0, 4.0]
    events = [acted(f"{place:02}", place, place) | {"value": value} for place, value in enumerate(values)]
    totals = [sum(values[: place + 1]) for place in range(len(values))]
    assert [row["spent"] for row in feature_rows(spent, [], events, [])] == totals


GOOD: list[tuple[str, Any, Any]] = [
    ("STRING", "x", "x"),
    ("STRING", "", ""),
    ("BOOL", True, True),
    ("BOOL", False, False),
    ("INT32", 2**31 - 1, 2**31 - 1),
    ("INT32", 3.0, 3),
    ("INT64", 2**53 + 1, 2**53 + 1),
    ("INT64", -7, -7),
    ("FLOAT", 1, 1.0),
    ("FLOAT", 0.5, 0.5),
    ("DOUBLE", 1e300, 1e300),
    ("BYTES", "é", "é".encode()),
    ("UNIX_TIMESTAMP", 0, 0),
    ("UNIX_TIMESTAMP", 1.5, 1_500_000),
    ("UNIX_TIMESTAMP", -86_400, -86_400_000_000),
    ("UNIX_TIMESTAMP", "1970-01-02", 86_400_000_000),
    ("UNIX_TIMESTAMP", "1970-01-01T01:00:00+01:00", 0),
    ("UNIX_TIMESTAMP", "1970-01-01T00:00:00.000001Z", 1),
    ("STRING_LIST", ["x", ""], ["x", ""]),
    ("STRING_LIST", [], []),
    ("INT32_LIST", [1, 2.0], [1, 2]),
    ("FLOAT_LIST", [1, 0.5], [1.0, 0.5]),
    ("UNIX_TIMESTAMP_LIST", ["1970-01-02", 1], [86_400_000_000, 1_000_000]),
]
BAD: list[tuple[str, Any]] = [
    ("STRING", 5),
    ("STRING", ["x"]),
    ("STRING", "\ud800"),
    ("BOOL", 1),
    ("BOOL", "true"),
    ("INT32", 2**31),
    ("INT32", 2.5),
    ("INT32", True),
    ("INT64", "5"),
    ("INT64", 2**63),
    ("INT64", 10**400),
    ("INT64", float("inf")),
    ("FLOAT", "0.5"),
    ("FLOAT", float("nan")),
    ("FLOAT", 1e39),
    ("FLOAT", True),
    ("DOUBLE", float("inf")),
    ("DOUBLE", 10**400),
    ("DOUBLE", {}),
    ("BYTES", 3),
    ("BYTES", "\ud800"),
    ("UNIX_TIMESTAMP", "yesterday"),
    ("UNIX_TIMESTAMP", 1e12),
    ("UNIX_TIMESTAMP", True),
    ("UNIX_TIMESTAMP", []),
    ("UNIX_TIMESTAMP", float("nan")),
    ("STRING_LIST", "x"),
    ("STRING_LIST", ["x", 5]),
    ("STRING_LIST", ["x", None]),
    ("FLOAT_LIST", [0.5, "x"]),
    ("INT64_LIST", {"0": 1}),
]


@pytest.mark.parametrize(("dtype", "value", "stored"), GOOD)
def test_a_fitting_value_is_converted(dtype: str, value: Any, stored: Any) -> None:
    """A JSON value that fits is stored as its feature's type, times as microseconds."""
    converted = convert(value, ViewField("f", dtype))
    assert converted == stored
    assert type(converted) is type(stored)


@pytest.mark.parametrize("dtype", ARROW_TYPES)
def test_nothing_fits_everywhere(dtype: str) -> None:
    """Null is a missing value of every type."""
    assert convert(None, ViewField("f", dtype)) is None


@pytest.mark.parametrize(("dtype", "value"), BAD)
def test_an_unfit_value_is_refused(dtype: str, value: Any) -> None:
    """A value of another type, out of range or that no store can hold is refused by name, type and value."""
    field = ViewField("f", dtype)
    with pytest.raises(DataError, match=r"^features\.f: expected .*, found .*\. Send the type that feature_repo/ declares\.$"):
        convert(value, field)


def test_refusals_say_what_was_expected() -> None:
    """The message names the type, for times the two notations, and shows no more than the head of a long value."""
    for dtype, value, message in (
        ("INT32", "5", "features.f: expected int32, found '5'."),
        ("UNIX_TIMESTAMP", "x", "features.f: expected an ISO 8601 date or seconds since 1970, found 'x'."),
        ("STRING_LIST", "x" * 900, f"features.f: expected string_list, found '{'x' * 79}. "),
    ):
        with pytest.raises(DataError, match=f"^{re.escape(message)}"):
            convert(value, ViewField("f", dtype))


def test_check_takes_what_some_view_has() -> None:
    """Features of user and item views pass when their values fit."""
    check({"age": 3, "price": 2.5, "born": None}, [PROFILE, ITEM, ACTIVITY])


@pytest.mark.parametrize("name", ["shoe", "n", "user_id"])
def test_check_passes_over_what_no_view_has(name: str) -> None:
    """A name that no view is given through events passes with any value, folded features too: a later view may read it."""
    check({name: object()}, [PROFILE, ITEM, ACTIVITY])


def test_check_refuses_an_unfit_value() -> None:
    """A value of another type is refused before it is acknowledged."""
    with pytest.raises(DataError, match=r"^features\.age: expected int64, found 'x'\."):
        check({"age": "x"}, [PROFILE])


events = st.lists(st.tuples(st.sampled_from("uvw"), st.integers(0, 5), st.sampled_from(["interaction", "user"])), max_size=12)


@given(events)
def test_the_newest_rows_of_many_are_those_of_each(told: list[tuple[str, int, str]]) -> None:
    """`newest_rows` has the row that `newest_row` has of each entity with an interaction, whatever order events come in."""
    rows = [
        acted(f"e{place}", moment, place) | {"user_id": user, "kind": kind} for place, (user, moment, kind) in enumerate(told)
    ]
    table = pa.table({field.name: column([row.get(field.name) for row in rows], field.type) for field in LOG_SCHEMA})
    alone = [newest_row(ACTIVITY, [row for row in rows if row["user_id"] == user], []) for user in "uvw"]
    assert records(newest_rows(ACTIVITY, table)) == [row for row in alone if row is not None]
