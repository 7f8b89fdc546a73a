"""The bodies of requests and answers, as callers see them. Field names are the API: they are only ever added to."""

import re
from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    JsonValue,
    StrictBool,
    Tag,
    WithJsonSchema,
)

from ratoon.domain.event import Kind
from ratoon.domain.query import Known, Source

MOST_EVENTS = 5_000
ONE, MANY = "{one}", "{many}"
"""Tags of the two bodies of `POST /v1/events`; in braces so that a path to a wrong field can leave them out."""


def _number(value: object) -> object:
    # JSON has one number type, so 50.0 is a fine integer; a string or a boolean is not a number at all.
    if isinstance(value, str | bool):
        raise ValueError("must be a number")
    return value


def _in_utc(moment: datetime) -> datetime:
    """The same moment in UTC: with some libraries loaded, PyArrow drops the offset of any other zone."""
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:  # the last hours of the year 9999, and the first of year 1
        raise ValueError("must be a time between 1970 and 2100") from error


def _moment(value: object) -> object:
    # Pydantic would also read numbers, and digits in a string, as seconds or milliseconds since 1970: a guess.
    if isinstance(value, datetime) or (isinstance(value, str) and re.match(r"\d{4}-\d\d-\d\d[Tt ]", value)):
        return value
    raise ValueError("must be a time like 2026-03-01T12:00:00Z (RFC 3339)")


Id = Annotated[str, Field(min_length=1, max_length=256)]
_MOMENT = {"type": "string", "format": "date-time", "pattern": r"^(19[7-9]|20)\d"}
Moment = Annotated[AwareDatetime, BeforeValidator(_moment), AfterValidator(_in_utc), WithJsonSchema(_MOMENT)]
_Count = Annotated[int, Field(ge=1, le=1_000)]
Count = Annotated[_Count, BeforeValidator(_number, json_schema_input_type=_Count)]
Strength = Annotated[float, BeforeValidator(_number, json_schema_input_type=float), Field(allow_inf_nan=False)]
Features = dict[Annotated[str, Field(min_length=1, max_length=256)], JsonValue]


class Body(BaseModel):
    """A body that refuses fields it does not know: a misspelt option must not pass for a default."""

    model_config = ConfigDict(extra="forbid")


class RetrieveRequest(Body):
    """Who should see what."""

    user_id: Id = Field(description="Whom the candidates are for. An unknown user gets an answer too, see `source`.")
    k: Count | None = Field(None, description="How many candidates, 1 to 1000; 50 unless the surface is set otherwise.")
    exclude_ids: list[Id] = Field([], max_length=1_000, description="Items that must not be in the answer.")
    exclude_seen: StrictBool | None = Field(
        None, description="Leave out items the user has interacted with; by default as the surface's policy says."
    )
    surface: Id = Field("default", description="The product surface that asks.")
    source: Literal["popular"] | None = Field(None, description="`popular`: answer by live popularity, whoever asks.")
    filter: dict[str, JsonValue] | None = Field(
        None,
        description="What must be true of every candidate, over columns with the role `filter`. `all`, `any` (lists) and `not` "
        "(one) hold conditions; a condition names a `column` and says `eq`, `in` (a list), `ge` and `le` (one or both) or `has` "
        "(a list has this entry). Times are RFC 3339. Of an item whose column says nothing, no condition on it is true, negated "
        "or not.",
        examples=[{"all": [{"column": "genres", "has": "Drama"}, {"column": "release_date", "ge": "1990-01-01T00:00:00Z"}]}],
    )


class RetrievedItem(BaseModel):
    """One candidate."""

    item_id: str
    score: float = Field(description="Inner product with the user's vector, or how many recent interactions the item had.")
    rank: int = Field(description="1 for the best.")
    item: dict[str, JsonValue] = Field(description="The item's display and filter columns.")
    source: Known = Field(
        description="`index`: the release has learnt its vector; `features`: it was posted since, and is placed by its features."
    )


class RetrieveAnswer(BaseModel):
    """Candidates, best first, all from one release."""

    request_id: str = Field(description="Send it back with the events that this answer leads to.")
    user_id: str
    source: Source = Field(description="`tower`: for this user; `cold`: the user is unknown; `popular`: as asked for.")
    release: str = Field(description="The release that answered.")
    sequence: int = Field(description="Its number; a later release has a larger one.")
    watermark: datetime = Field(description="Everything that arrived up to then has been learnt from.")
    adopting: bool = Field(description="Some candidates may be those of the release before (`index.copies = 1`).")
    candidates: list[RetrievedItem]


class EventBody(Body):
    """One thing that happened."""

    event_id: Id | None = Field(None, description="Your key: sent twice, it counts once. Made up if absent.")
    kind: Kind = Field("interaction", description="A user with an item; features of a user or an item; or an item is gone.")
    user_id: Id | None = Field(None, description="Needed for `interaction` and `user`.")
    item_id: Id | None = Field(None, description="Needed for `interaction`, `item` and `remove`.")
    type: Id | None = Field("view", description="The sort of interaction.")
    value: Strength | None = Field(None, description="Its strength: stars, seconds, a price.")
    event_timestamp: Moment | None = Field(None, description="When it happened, with a time zone; now if absent.")
    features: Features | None = Field(None, description="Feature name to value, at most 64 kB as JSON.")
    request_id: Id | None = Field(None, description="The answer that led to it.")
    surface: Id | None = Field(None, description="The surface on which it happened.")


class EventsBody(Body):
    """Several events, taken all or none."""

    events: list[EventBody] = Field(min_length=1, max_length=MOST_EVENTS)


def _form(body: object) -> str:
    return MANY if (isinstance(body, dict) and "events" in body) or isinstance(body, EventsBody) else ONE


EventsRequest = Annotated[Annotated[EventBody, Tag(ONE)] | Annotated[EventsBody, Tag(MANY)], Discriminator(_form)]


class EventsAnswer(BaseModel):
    """The events are on disk."""

    accepted: int = Field(description="How many were new.")
    duplicates: int = Field(description="How many had an `event_id` that was known.")
    offset: int = Field(description="The log's position at which all of them are in it.")
    applied: bool = Field(
        description="Whether the users' features are up to date too. If not, the events are safe and "
        "count from the next refresh on, or from when they are sent again."
    )


class ItemRequest(Body):
    """An item that is new or has changed."""

    item_id: Id
    features: Features = Field({}, description="Feature name to value, at most 64 kB as JSON.")
    event_timestamp: Moment | None = Field(None, description="Since when this is so; now if absent.")


class ItemAnswer(BaseModel):
    """The item is on disk."""

    item_id: str
    offset: int = Field(description="Its position in the log.")
    retrievable: Literal["now", "after the next refresh"] = Field(
        description="`now`: in the answers of every surface, a new item by its features (`source` of the candidate); what is "
        "known already is told apart by new features from the next refresh on."
    )


class RemovalAnswer(BaseModel):
    """The item is gone from every answer after this one."""

    item_id: str
    offset: int = Field(description="The removal's position in the log.")


class ReleaseAnswer(BaseModel):
    """What a surface serves."""

    id: str
    surface: str
    sequence: int
    parent: str = Field(description="The release it was published over; empty for the first.")
    scope: str = Field(description="The plan that made it, or `rollback`.")
    watermark: datetime = Field(description="Everything that arrived up to then has been learnt from.")
    offset: int = Field(description="The watermark as a position in the log.")
    dim: int
    metric: str
    items: int = Field(description="How many items can be retrieved now.")
