"""What enters the system: one event, and the Arrow shape in which many of them travel."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

import pyarrow as pa

Kind = Literal["interaction", "user", "item", "remove"]
KINDS: tuple[Kind, ...] = ("interaction", "user", "item", "remove")

TIME = pa.timestamp("us", "UTC")

EVENT_SCHEMA = pa.schema(
    [
        pa.field("event_id", pa.string(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),
        pa.field("surface", pa.string()),
        pa.field("user_id", pa.string()),
        pa.field("item_id", pa.string()),
        pa.field("type", pa.string()),
        pa.field("value", pa.float64()),
        pa.field("event_timestamp", TIME, nullable=False),
        pa.field("features", pa.string()),
        pa.field("request_id", pa.string()),
    ]
)
"""Events before the log has them; `features` is a JSON object of feature name -> value."""

LOG_SCHEMA = EVENT_SCHEMA.append(pa.field("created_timestamp", TIME, nullable=False)).append(
    pa.field("offset", pa.int64(), nullable=False)
)
"""Acknowledged events: the log adds the arrival time (strictly increasing) and a dense offset from 1."""


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened, as a caller reports it.

    Attributes:
        event_id: the caller's key; a second event with the same id is a duplicate and changes nothing.
        kind: `interaction` (user with item), `user` or `item` (features), `remove` (an item is gone).
        event_timestamp: when it happened, UTC.
        type: the sort of interaction (`rating`, `click`, ...).
        value: its strength (stars, seconds, price), if it has one.
        features: feature name -> value, for `user` and `item` events.
        request_id: the answer that led to it, if one did.
    """

    event_id: str
    kind: Kind
    event_timestamp: datetime
    user_id: str | None = None
    item_id: str | None = None
    type: str | None = None
    value: float | None = None
    features: Mapping[str, object] = field(default_factory=dict)
    surface: str | None = None
    request_id: str | None = None
