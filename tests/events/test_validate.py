"""What the log refuses."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest

from ratoon.domain.errors import DataError
from ratoon.domain.event import EVENT_SCHEMA
from ratoon.events.validate import LONGEST_FEATURES, SKEW, validated
from tests.fakes.events import START, batch, event

LOOSE = pa.schema([field.with_nullable(True) for field in EVENT_SCHEMA])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"event_id": None}, r"\[1\]\.event_id: expected a value, found nothing"),
        ({"kind": None}, r"\[1\]\.kind: expected a value, found nothing"),
        ({"event_timestamp": None}, r"\[1\]\.event_timestamp: expected a value, found nothing"),
        ({"kind": "click"}, r"\[1\]\.kind: expected one of interaction, user, item, remove, found 'click'"),
        ({"user_id": None}, r"\[1\]\.user_id: expected a value, as the kind is interaction or user, found nothing"),
        ({"kind": "user", "user_id": None}, r"\[1\]\.user_id: expected a value"),
        ({"item_id": None}, r"\[1\]\.item_id: expected a value, as the kind is interaction or item or remove"),
        ({"kind": "item", "item_id": None}, r"\[1\]\.item_id: expected a value"),
        ({"kind": "remove", "item_id": None}, r"\[1\]\.item_id: expected a value"),
        ({"event_id": ""}, r"\[1\]\.event_id: expected 1 to 256 characters, found ''"),
        ({"user_id": ""}, r"\[1\]\.user_id: expected 1 to 256 characters"),
        ({"item_id": "é" * 257}, r"\[1\]\.item_id: expected 1 to 256 characters, found 'éé.*… \(259 characters\)"),
        ({"request_id": "r" * 257}, r"\[1\]\.request_id: expected 1 to 256 characters"),
        ({"surface": ""}, r"\[1\]\.surface: expected 1 to 256 characters"),
        ({"type": "t" * 257}, r"\[1\]\.type: expected 1 to 256 characters"),
        ({"value": float("nan")}, r"\[1\]\.value: expected a finite number or nothing, found nan"),
        ({"value": float("-inf")}, r"\[1\]\.value: expected a finite number or nothing, found -inf"),
        ({"event_timestamp": datetime(1969, 12, 31, tzinfo=UTC)}, r"expected a time between 1970 and 2100, found 1969-12-31"),
        ({"event_timestamp": datetime(2100, 1, 1, tzinfo=UTC)}, r"expected a time between 1970 and 2100, found 2100-01-01"),
        ({"event_timestamp": START + SKEW + timedelta(microseconds=1)}, r"at most 300 s after now .*: clock skew, .* found"),
        ({"features": "[]"}, r"\[1\]\.features: expected a JSON object, found '\[\]'"),
        ({"features": "{"}, r"\[1\]\.features: expected a JSON object"),
        ({"features": '{"a": "\\ud800"}'}, r"\[1\]\.features: expected a JSON object"),
        ({"features": '{"a": NaN}'}, r"\[1\]\.features: expected a JSON object"),
        ({"features": '{"a": ' + "[" * 30_000}, r"\[1\]\.features: expected a JSON object"),
        ({"features": f'{{"a": "{"x" * LONGEST_FEATURES}"}}'}, r"\[1\]\.features: expected at most 64 kB of JSON"),
    ],
)
def test_a_wrong_event_is_named(changes: dict[str, Any], message: str) -> None:
    """An event that breaks a rule is refused with its place, its field, what was expected and what was found."""
    table = pa.Table.from_pylist([event("a"), event("b") | changes, event("c") | changes], schema=LOOSE)
    with pytest.raises(DataError, match=message):
        validated(table, START)


def test_the_first_wrong_event_is_the_one_named() -> None:
    """Of several wrong events the earliest is named, whichever rules they break."""
    with pytest.raises(DataError, match=r"events\[1\]\.features"):
        validated(batch(event("a"), event("b", features="1"), event("c", value=float("inf")), event("", kind="x")), START)


def test_the_edges_are_allowed() -> None:
    """The longest id, the earliest and latest time, and every kind with only what it needs are accepted."""
    fine = [
        event("x" * 256, event_timestamp=datetime(1970, 1, 1, tzinfo=UTC)),
        event("b", event_timestamp=START + SKEW, value=None, features="{}"),
        event("c", kind="user", item_id=None),
        event("d", kind="item", user_id=None, features='{"a": "\\ud83d\\ude00"}'),
        event("e", kind="remove", user_id=None),
    ]
    assert validated(batch(*fine), START).to_pylist() == batch(*fine).to_pylist()


def test_without_a_wall_clock_there_is_no_skew() -> None:
    """Where event times make the clock, an event may lie anywhere before 2100."""
    last = datetime(2099, 12, 31, tzinfo=UTC)
    assert validated(batch(event("a", event_timestamp=last)), None).num_rows == 1


def test_columns_are_matched_by_name() -> None:
    """Columns in another order and of narrower types are put right; others are ignored."""
    seconds = batch(event("a")).column("event_timestamp").cast(pa.timestamp("s", "UTC"))
    mixed = (
        batch(event("a"))
        .drop(["event_timestamp"])
        .append_column("extra", pa.array([1]))
        .append_column("event_timestamp", seconds)
    )
    assert validated(mixed, START).schema.types == EVENT_SCHEMA.types


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (batch(event("a")).drop(["type"]), r"events\.type: expected a column of type string, found no such column"),
        (batch(event("a")).set_column(6, "value", pa.array(["much"])), r"events\.value: .* double, found string"),
    ],
)
def test_a_wrong_table_is_named(table: pa.Table, message: str) -> None:
    """A batch without one of the columns, or with one of another type, is refused by the column's name."""
    with pytest.raises(DataError, match=message):
        validated(table, START)


def test_the_bound_of_skew_can_be_another() -> None:
    """An event may be dated as far ahead of now as is said, and no further."""
    ahead = batch(event("a", event_timestamp=START + timedelta(seconds=30)))
    assert validated(ahead, START, timedelta(seconds=30)).num_rows == 1
    with pytest.raises(DataError, match=r"at most 29 s after now .*: clock skew, \[events\] skew_s"):
        validated(ahead, START, timedelta(seconds=29))
