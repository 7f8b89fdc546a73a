"""What the API answers. A list that an answer does not have is empty; anything else it does not have is None.

Made from the server's OpenAPI document by `python -m ratoon.serving.generating`; do not edit.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Self

from ratoon.client.call import Json


@dataclass(frozen=True, slots=True)
class EventsAnswer:
    """The events are on disk."""

    accepted: int
    """How many were new."""

    duplicates: int
    """How many had an `event_id` that was known."""

    offset: int
    """The log's position at which all of them are in it."""

    applied: bool
    """Whether the users' features are up to date too. If not, the events are safe and count from the next refresh on, or
    from when they are sent again."""

    @classmethod
    def read(cls, raw: Mapping[str, Json]) -> Self:
        """From the JSON of the API."""
        return cls(accepted=raw["accepted"], duplicates=raw["duplicates"], offset=raw["offset"], applied=raw["applied"])


@dataclass(frozen=True, slots=True)
class ItemAnswer:
    """The item is on disk, or all that came in one body are."""

    item_id: str
    """The item; of several the last."""

    offset: int
    """The log's position at which all of them are in it."""

    retrievable: Literal["now", "after the next refresh"]
    """`now`: in the answers of every surface, a new item by its features (`source` of the candidate), a known one with
    its new columns; what the towers learn of new features is there from the next refresh on."""

    accepted: int
    """How many were new."""

    duplicates: int
    """How many had come before under the same idempotency key."""

    @classmethod
    def read(cls, raw: Mapping[str, Json]) -> Self:
        """From the JSON of the API."""
        return cls(
            item_id=raw["item_id"],
            offset=raw["offset"],
            retrievable=raw["retrievable"],
            accepted=raw["accepted"],
            duplicates=raw["duplicates"],
        )


@dataclass(frozen=True, slots=True)
class RemovalAnswer:
    """The item is gone from every answer after this one."""

    item_id: str

    offset: int
    """The removal's position in the log."""

    @classmethod
    def read(cls, raw: Mapping[str, Json]) -> Self:
        """From the JSON of the API."""
        return cls(item_id=raw["item_id"], offset=raw["offset"])


@dataclass(frozen=True, slots=True)
class ItemState:
    """An item as it is served."""

    item_id: str

    item: dict[str, Json]
    """Its display and filter columns."""

    source: Literal["index", "features"]

    @classmethod
    def read(cls, raw: Mapping[str, Json]) -> Self:
        """From the JSON of the API."""
        return cls(item_id=raw["item_id"], item=raw["item"], source=raw["source"])


@dataclass(frozen=True, slots=True)
class UserView:
    """One feature view of a user in the online store."""

    event_timestamp: datetime | None
    """When its newest event happened; none: its values have expired."""

    age_s: float | None
    """Seconds since then."""

    features: dict[str, Json]

    @classmethod
    def read(cls, raw: Mapping[str, Json]) -> Self:
        """From the JSON of the API."""
        return cls(
            event_timestamp=None if raw["event_timestamp"] is None else datetime.fromisoformat(raw["event_timestamp"]),
            age_s=raw["age_s"],
            features=raw["features"],
        )


@dataclass(frozen=True, slots=True)
class UserAnswer:
    """What is known of a user right now."""

    user_id: str

    views: dict[str, UserView]
    """By feature view."""

    seen: int
    """How many items the user has had on this surface."""

    @classmethod
    def read(cls, raw: Mapping[str, Json]) -> Self:
        """From the JSON of the API."""
        return cls(
            user_id=raw["user_id"], views={name: UserView.read(one) for name, one in raw["views"].items()}, seen=raw["seen"]
        )
