"""What callers send."""

from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, JsonValue, StrictBool, Tag, WithJsonSchema, model_validator

from ratoon.domain.event import Kind
from ratoon.serving.bodies.fields import (
    Body,
    Count,
    Dimensions,
    Features,
    Id,
    Milliseconds,
    Moment,
    Reason,
    Said,
    Strength,
    Unsaid,
)

MOST_EVENTS = 5_000
MOST_REQUESTS = 64
"""In one batch."""
ONE, MANY = "{one}", "{many}"
"""Tags of the two bodies, for one thing and for many; in braces so that a path to a wrong field can leave them out."""

USERS = frozenset({"user_id", "user_features"})
WHOM = USERS | {"item_ids", "vector"}
"""Of these a request names exactly one."""

FOR_A_USER = frozenset({"context", "events"})
"""What goes only with the former."""

FILTER = {"$ref": "#/components/schemas/Filter"}


def _chosen() -> dict[str, Any]:
    """The JSON Schema of `WHOM`."""
    return {"oneOf": [{"required": [name], "properties": _without(name)} for name in sorted(WHOM)]}


def _without(name: str) -> dict[str, Any]:
    apart = WHOM - {name} if name in USERS else WHOM - {name} | FOR_A_USER
    return {other: {"not": {}} for other in sorted(apart)}


class SessionEvent(Body):
    """Something the user has just done, which the log does not have yet."""

    item_id: Id
    type: Id = Field("view", description="The sort of interaction.")
    value: Strength | None = Field(None, description="Its strength: stars, seconds, a price.")
    event_timestamp: Moment | None = Field(None, description="When it happened; now if absent.")


class RetrieveRequest(Body, json_schema_extra=_chosen()):
    """Who should see what: for a user, for a user who is not stored, more like some items, or for a vector."""

    user_id: Annotated[Id | Unsaid, Said] = Field(None, description="An unknown user gets an answer too, see `source`.")
    user_features: Annotated[Features | Unsaid, Said] = Field(
        None, description="Inputs of the user tower, by feature name, instead of a stored user's."
    )
    item_ids: Annotated[Annotated[list[Id], Field(min_length=1, max_length=100)] | Unsaid, Said] = Field(
        None, description="Candidates shall be like these; they are not among them."
    )
    vector: Annotated[Dimensions | Unsaid, Said] = Field(None, description="A vector of the release's own user tower.")
    k: Count | None = Field(None, description="How many candidates, 1 to 1000; 50 unless the surface is set otherwise.")
    filter: Annotated[JsonValue | None, WithJsonSchema({"anyOf": [FILTER, {"type": "null"}]})] = Field(
        None, description="What must be true of every candidate, over columns with the role `filter`."
    )
    exclude_ids: list[Id] = Field(default_factory=list, max_length=1_000, description="Items that must not be in the answer.")
    exclude_seen: StrictBool | None = Field(
        None, description="Leave out items the user has interacted with; by default as the surface's policy says."
    )
    source: Literal["popular"] | None = Field(None, description="`popular`: answer by live popularity, whoever asks.")
    context: Annotated[Features | Unsaid, Said] = Field(
        None, description="Inputs of the user tower that hold for this request alone, such as a device or a place."
    )
    events: Annotated[Annotated[list[SessionEvent], Field(max_length=100)] | Unsaid, Said] = Field(
        None,
        description="What the user has just done, oldest first: it counts for this answer and is not stored.",
    )
    include: list[Literal["features", "vectors", "explain"]] = Field(
        default_factory=list,
        max_length=3,
        description="`features`: the inputs the vector was made of; `vectors`: what was asked with, and each candidate's; "
        "`explain`: what each score is made of, and how the search went.",
    )
    release: Id | None = Field(None, description="Answer from this release (its id, or its beginning) or not at all.")
    format: Literal["rows", "columns"] = Field("rows", description="`columns`: lists of ids and scores instead of candidates.")
    timeout_ms: Milliseconds | None = Field(None, description="After which an answer is of no use any more.")
    surface: Id | None = Field(None, description="The product surface that asks: `default`, or the one in the path.")

    @model_validator(mode="after")
    def _one_of(self) -> Self:
        said = self.model_fields_set
        if len(said & WHOM) != 1:
            found = " and ".join(sorted(said & WHOM)) or "none"
            raise ValueError(f"exactly one of {', '.join(sorted(WHOM))} is asked, found {found}")
        if said & FOR_A_USER and not said & USERS:
            raise ValueError(f"{min(said & FOR_A_USER)} goes with {' or '.join(sorted(USERS))}, found {min(said & WHOM)}")
        return self


class BatchRequest(Body):
    """Several questions, answered in order."""

    requests: list[RetrieveRequest] = Field(min_length=1, max_length=MOST_REQUESTS)


def _needs(kind: Kind, *fields: str) -> dict[str, Any]:
    """The JSON Schema of an event of a kind."""
    stated: dict[str, Any] = {"properties": {"kind": {"const": kind}} | {name: {"type": "string"} for name in fields}}
    return stated | {"required": [*fields, *(["kind"] if kind != "interaction" else [])]}


_KINDS = [
    _needs("interaction", "user_id", "item_id"),
    _needs("user", "user_id"),
    _needs("item", "item_id"),
    _needs("remove", "item_id"),
]


class EventBody(Body, json_schema_extra={"oneOf": _KINDS}):
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

    @model_validator(mode="after")
    def _complete(self) -> Self:
        needed = {"interaction": ("user_id", "item_id"), "user": ("user_id",)}.get(self.kind, ("item_id",))
        missing = [name for name in needed if getattr(self, name) is None]
        if missing:
            raise ValueError(f"{missing[0]} is needed for an event of kind {self.kind}")
        return self


class EventsBody(Body):
    """Several events, taken all or none."""

    events: list[EventBody] = Field(min_length=1, max_length=MOST_EVENTS)


def _form(body: object) -> str:
    return MANY if (isinstance(body, dict) and "events" in body) or isinstance(body, EventsBody) else ONE


EventsRequest = Annotated[Annotated[EventBody, Tag(ONE)] | Annotated[EventsBody, Tag(MANY)], Discriminator(_form)]


class ItemPatch(Body):
    """What has changed about an item."""

    features: Features = Field(description="Feature name to value, at most 64 kB as JSON; what is not named stays.")
    event_timestamp: Moment | None = Field(None, description="Since when this is so; now if absent.")


class ItemRequest(Body):
    """An item that is new or has changed."""

    item_id: Id
    features: Features = Field({}, description="Feature name to value, at most 64 kB as JSON.")
    event_timestamp: Moment | None = Field(None, description="Since when this is so; now if absent.")


class ItemsBody(Body):
    """Several items, taken all or none."""

    items: list[ItemRequest] = Field(min_length=1, max_length=MOST_EVENTS)


def _item_form(body: object) -> str:
    return MANY if (isinstance(body, dict) and "items" in body) or isinstance(body, ItemsBody) else ONE


ItemsRequest = Annotated[Annotated[ItemRequest, Tag(ONE)] | Annotated[ItemsBody, Tag(MANY)], Discriminator(_item_form)]


class ActivateRequest(Body):
    """Why an earlier release is to be served again."""

    reason: Reason = Field(description="For whoever finds refreshing on hold: it is, until `ratoon resume`.")


class EndTrialRequest(Body):
    """Why a release is no longer tried."""

    reason: Reason = Field(description="Kept with what became of earlier trials.")


class RefreshRequest(Body):
    """What to refresh."""

    scope: Literal["auto", "rows", "dense", "full"] = Field("auto", description="`auto`: the plan decides.")
