"""What callers get."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field, JsonValue

from ratoon.domain.query import Known, Source


class Explained(BaseModel):
    """What a candidate's score is made of."""

    taste: float = Field(description="The learned part: the inner product of the two towers' vectors.")
    popularity: float = Field(description="What the item's popularity when the release was made, and since, is worth.")


class RetrievedItem(BaseModel):
    """One candidate."""

    rank: int = Field(description="1 for the best.")
    score: float = Field(description="Inner product with the vector, or how many recent interactions the item had.")
    item_id: str
    item: dict[str, JsonValue] = Field(description="The item's display and filter columns.")
    source: Known = Field(
        description="`index`: the release has learnt its vector; `features`: it was posted since, and is placed by its features."
    )
    vector: list[float] | None = Field(None, description="Where asked for.")
    explain: Explained | None = Field(None, description="Where asked for, and the candidate was searched for.")


class Took(BaseModel):
    """Milliseconds per stage."""

    features: float = Field(description="Reading what the user has had, and the user's features.")
    embed: float = Field(description="The user tower.")
    search: float = Field(description="The index, filters and exclusions included.")
    render: float = Field(description="Writing the answer down.")
    total: float = Field(description="From the request's first byte in the application to its answer's.")


class RetrieveAnswer(BaseModel):
    """Candidates, best first, all from one release."""

    request_id: str = Field(description="Send it back with the events that this answer leads to.")
    user_id: str | None = Field(None, description="As asked for.")
    source: Source = Field(
        description="`tower`: for this user; `cold`: the user is unknown; `popular`, `items`, `vector`: as asked for; `cached`: "
        "the online store does not answer, and the user's features are those read last; `fallback`: popular, for the same reason."
    )
    release: str = Field(description="The release that answered.")
    sequence: int = Field(description="Its number; a later release has a larger one. 0: it has none yet, it is on trial.")
    trial: Literal[True] | None = Field(None, description="The release that answered is on trial, for some users.")
    watermark: datetime = Field(description="Everything that arrived up to then has been learnt from.")
    staleness_s: float = Field(description="Seconds since the watermark.")
    adopting: bool = Field(description="Some candidates may be those of the release before (`index.copies = 1`).")
    took_ms: Took
    features: dict[str, JsonValue] | None = Field(None, description="The user tower's inputs, where asked for.")
    vector: list[float] | None = Field(None, description="What was searched by, where asked for.")
    candidates: list[RetrievedItem] | None = Field(None, description="With `format` `rows`.")
    item_ids: list[str] | None = Field(None, description="With `format` `columns`, as are `scores`.")
    scores: list[float] | None = None


class BatchAnswer(BaseModel):
    """One result per question, in order."""

    results: list[JsonValue] = Field(
        description="What `/v1/retrieve` would have answered: an answer, or a problem with its `status`."
    )


class EventsAnswer(BaseModel):
    """The events are on disk."""

    accepted: int = Field(description="How many were new.")
    duplicates: int = Field(description="How many had an `event_id` that was known.")
    offset: int = Field(description="The log's position at which all of them are in it.")
    applied: bool = Field(
        description="Whether the users' features are up to date too. If not, the events are safe and "
        "count from the next refresh on, or from when they are sent again."
    )


class ItemAnswer(BaseModel):
    """The item is on disk, or all that came in one body are."""

    item_id: str = Field(description="The item; of several the last.")
    offset: int = Field(description="The log's position at which all of them are in it.")
    retrievable: Literal["now", "after the next refresh"] = Field(
        description="`now`: in the answers of every surface, a new item by its features (`source` of the candidate), a known one "
        "with its new columns; what the towers learn of new features is there from the next refresh on."
    )
    accepted: int = Field(description="How many were new.")
    duplicates: int = Field(description="How many had come before under the same idempotency key.")


class ItemState(BaseModel):
    """An item as it is served."""

    item_id: str
    item: dict[str, JsonValue] = Field(description="Its display and filter columns.")
    source: Known


class RemovalAnswer(BaseModel):
    """The item is gone from every answer after this one."""

    item_id: str
    offset: int = Field(description="The removal's position in the log.")


class UserView(BaseModel):
    """One feature view of a user in the online store."""

    event_timestamp: datetime | None = Field(description="When its newest event happened; none: its values have expired.")
    age_s: float | None = Field(description="Seconds since then.")
    features: dict[str, JsonValue]


class UserAnswer(BaseModel):
    """What is known of a user right now."""

    user_id: str
    views: dict[str, UserView] = Field(description="By feature view.")
    seen: int = Field(description="How many items the user has had on this surface.")


class ReleaseAnswer(BaseModel):
    """A published release."""

    id: str
    surface: str
    sequence: int
    parent: str = Field(description="The release it was published over; empty for the first.")
    scope: str = Field(description="The plan that made it, or `rollback`.")
    watermark: datetime = Field(description="Everything that arrived up to then has been learnt from.")
    offset: int = Field(description="The watermark as a position in the log.")
    dim: int
    metric: str
    published: datetime | None = Field(description="From when on it was served.")
    current: bool = Field(description="Whether it is what the surface serves.")


class ServedAnswer(ReleaseAnswer):
    """The release that a surface serves."""

    items: int = Field(description="How many items can be retrieved now.")
    adopting: bool


class ReleasesAnswer(BaseModel):
    """The releases of a surface that are kept, newest first."""

    releases: list[ReleaseAnswer]
    held: str = Field(description="Why refreshing is on hold; empty if it is not.")


class RunAnswer(BaseModel):
    """A run of the ledger, whoever began it; `ratoon runs show ID --json` says the same."""

    id: str
    job: str = Field(description="As ratoon.toml names it; `(asked for)` where somebody asked a server for it.")
    do: str = Field(description="What is done, such as `refresh`, `full` or `backup`.")
    surface: str
    lane: str = Field(description="Runs of one lane never overlap.")
    slot: str = Field(description="What it answers: a time of its schedule, the data that asked for it, or who did.")
    trigger: Literal["schedule", "data", "hand", "backfill", "api"]
    at: datetime = Field(description="When it was due.")
    since: datetime = Field(description="Where the data interval begins that ends at `at`.")
    attempt: int = Field(description="1 for the slot's first.")
    status: Literal["running", "ok", "refused", "blocked", "wrong", "failed", "killed", "timeout", "stopped", "lost"] = Field(
        description="`refused`: the gate found it worse than what is served; `blocked`: the data are wrong; `wrong`: the "
        "configuration is; `stopped`: whoever ran it was asked to end; `lost`: nobody heard of it for too long."
    )
    owner: str = Field(description="Host and process that runs it.")
    lease: datetime = Field(description="A run that nobody has heard of until then is taken for lost.")
    started: datetime
    version: str = Field(description="Of the program, with a digest of its code.")
    ended: datetime | None
    code: int | None = Field(description="Of its process; negative for a signal.")
    verdict: str = Field(
        description="What came of it: `published`, `refused`, `skipped` (there was nothing to do), `held` (refreshing is on hold "
        "after a rollback, or while a release is on trial), `tried`, or `ok`; empty where it did not get so far."
    )
    reason: str = Field(description="Why, for people.")
    release: str = Field(description="What it made or left current.")
    record: int = Field(description="The number that `ratoon report` draws it by; 0 without one.")
    rows: int
    window: list[int] | None = Field(description="The log's offsets it covered, first exclusive.")
    seconds: float
    cpu_seconds: float
    max_rss: int = Field(description="The most bytes of memory that it had.")
    bytes: int = Field(description="Of what it made.")
    cost: float = Field(description="Of its CPU seconds, by `[costs] cpu_hour` when it ended.")
    parent: str = Field(description="The release that it started from.")
    stderr: str = Field(description="The end of what it complained of.")
    figures: dict[str, float]
    refresh: dict[str, JsonValue] | None = Field(
        description="What a refresh kept of itself: plan, verdict, losses, seconds and rows per stage."
    )


class Seen(BaseModel):
    """What a release on trial has shown in the process that tells; means of nothing are null."""

    answers: int = Field(description="It was asked for so many, shown or in shadow.")
    errors: int = Field(description="So many of them failed; the current release answered instead.")
    latency_ratio: float | None = Field(description="Time of its stages over the current release's, by geometric means.")
    overlap: float | None = Field(description="In shadow: share of candidates that both would show.")
    rank_correlation: float | None = Field(description="In shadow: Spearman's, of candidates that both would show.")
    missing_score: float | None = Field(description="In shadow: share of the shown candidates' scores that it would not show.")
    dropped: int = Field(description="In shadow: comparisons for which there was no time.")
    trial_users: int
    control_users: int
    trial_rate: float | None = Field(description="In a canary: share of its answers that an interaction named.")
    control_rate: float | None = Field(description="In a canary: the same of the current release's.")


class TrialAnswer(BaseModel):
    """The release that a surface tries."""

    surface: str
    release: str
    parent: str = Field(description="The current release, with which it is compared.")
    mode: Literal["shadow", "canary"]
    percent: float = Field(description="In a canary: of users.")
    begun: datetime
    answering: bool = Field(description="Whether it is open in the process that tells.")
    call: Literal["go on", "fall back", "ready"] = Field(description="`ready`: it may be promoted; that is never done by itself.")
    reasons: list[str]
    seen: Seen
