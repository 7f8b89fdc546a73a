"""The shape of events, which files and tables outlive the code in."""

from datetime import UTC, datetime
from typing import get_args

import pyarrow as pa

from ratoon.domain.event import EVENT_SCHEMA, KINDS, LOG_SCHEMA, Event, Kind


def test_columns() -> None:
    """A log's rows are the events' columns followed by arrival and offset; times are microseconds in UTC."""
    assert LOG_SCHEMA.names == [*EVENT_SCHEMA.names, "created_timestamp", "offset"]
    for name in ("event_timestamp", "created_timestamp"):
        assert LOG_SCHEMA.field(name).type == pa.timestamp("us", "UTC")
    required = [field.name for field in LOG_SCHEMA if not field.nullable]
    assert required == ["event_id", "kind", "event_timestamp", "created_timestamp", "offset"]


def test_an_event_has_the_columns_of_the_schema() -> None:
    """Each field of an event is a column, and the kinds listed are the kinds typed."""
    event = Event("e1", "interaction", datetime(2020, 1, 1, tzinfo=UTC))
    assert set(Event.__dataclass_fields__) == set(EVENT_SCHEMA.names)
    assert get_args(Kind) == KINDS
    assert event.features == {}
    assert event.features is not Event("e2", "user", event.event_timestamp).features
