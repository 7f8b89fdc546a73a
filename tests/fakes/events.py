"""Batches of events, built from what a test cares about."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa

from ratoon.domain.event import EVENT_SCHEMA

START = datetime(2026, 3, 1, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def event(event_id: str, **changes: Any) -> dict[str, Any]:
    """An interaction of user `u1` with item `i1` at START, except for `changes`."""
    plain = {"event_id": event_id, "kind": "interaction", "user_id": "u1", "item_id": "i1", "event_timestamp": START}
    return plain | changes


def batch(*events: dict[str, Any]) -> pa.Table:
    return pa.Table.from_pylist(list(events), schema=EVENT_SCHEMA)
