"""What is sent, where it is more than arguments.

Made from the server's OpenAPI document by `python -m ratoon.serving.generating`; do not edit.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Literal, Required, TypedDict

from ratoon.client.call import Json

Filter = Mapping[str, Json]
"""What must be true of every candidate: the JSON of the API, or what `where` makes."""


class EventBody(TypedDict, total=False):
    """One thing that happened."""

    event_id: str | None
    """Your key: sent twice, it counts once. Made up if absent."""

    kind: Literal["interaction", "user", "item", "remove"]
    """A user with an item; features of a user or an item; or an item is gone."""

    user_id: str | None
    """Needed for `interaction` and `user`."""

    item_id: str | None
    """Needed for `interaction`, `item` and `remove`."""

    type: str | None
    """The sort of interaction."""

    value: float | None
    """Its strength: stars, seconds, a price."""

    event_timestamp: datetime | str | None
    """When it happened, with a time zone; now if absent."""

    features: Mapping[str, Json] | None
    """Feature name to value, at most 64 kB as JSON."""

    request_id: str | None
    """The answer that led to it."""

    surface: str | None
    """The surface on which it happened."""


class ItemRequest(TypedDict, total=False):
    """An item that is new or has changed."""

    item_id: Required[str]

    features: Mapping[str, Json]
    """Feature name to value, at most 64 kB as JSON."""

    event_timestamp: datetime | str | None
    """Since when this is so; now if absent."""


class SessionEvent(TypedDict, total=False):
    """Something the user has just done, which the log does not have yet."""

    item_id: Required[str]

    type: str
    """The sort of interaction."""

    value: float | None
    """Its strength: stars, seconds, a price."""

    event_timestamp: datetime | str | None
    """When it happened; now if absent."""


class RetrieveRequest(TypedDict, total=False):
    """Who should see what: for a user, for a user who is not stored, more like some items, or for a vector."""

    user_id: str
    """An unknown user gets an answer too, see `source`."""

    user_features: Mapping[str, Json]
    """Inputs of the user tower, by feature name, instead of a stored user's."""

    item_ids: Sequence[str]
    """Candidates shall be like these; they are not among them."""

    vector: Sequence[float]
    """A vector of the release's own user tower."""

    k: int | None
    """How many candidates, 1 to 1000; 50 unless the surface is set otherwise."""

    filter: Filter | None
    """What must be true of every candidate, over columns with the role `filter`."""

    exclude_ids: Sequence[str]
    """Items that must not be in the answer."""

    exclude_seen: bool | None
    """Leave out items the user has interacted with; by default as the surface's policy says."""

    source: Literal["popular"] | None
    """`popular`: answer by live popularity, whoever asks."""

    context: Mapping[str, Json]
    """Inputs of the user tower that hold for this request alone, such as a device or a place."""

    events: Sequence[SessionEvent]
    """What the user has just done, oldest first: it counts for this answer and is not stored."""

    include: Sequence[Literal["features", "vectors", "explain"]]
    """`features`: the inputs the vector was made of; `vectors`: what was asked with, and each candidate's; `explain`:
    what each score is made of, and how the search went."""

    release: str | None
    """Answer from this release (its id, or its beginning) or not at all."""

    format: Literal["rows", "columns"]
    """`columns`: lists of ids and scores instead of candidates."""

    timeout_ms: int | None
    """After which an answer is of no use any more."""

    surface: str | None
    """The product surface that asks: `default`, or the one in the path."""
