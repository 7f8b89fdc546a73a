"""What the API answers. A list that an answer does not have is empty; anything else it does not have is None.

Made from the server's OpenAPI document by `python -m ratoon.serving.generating`; do not edit.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Self

from ratoon.client.call import Json


@dataclass(frozen=True, slots=True)
class ServedAnswer:
    """The release that a surface serves."""

    id: str

    surface: str

    sequence: int

    parent: str
    """The release it was published over; empty for the first."""

    scope: str
    """The plan that made it, or `rollback`."""

    watermark: datetime
    """Everything that arrived up to then has been learnt from."""

    offset: int
    """The watermark as a position in the log."""

    dim: int

    metric: str

    published: datetime | None
    """From when on it was served."""

    current: bool
    """Whether it is what the surface serves."""

    items: int
    """How many items can be retrieved now."""

    adopting: bool

    @classmethod
    def read(cls, raw: Mapping[str, Json]) -> Self:
        """From the JSON of the API."""
        return cls(
            id=raw["id"],
            surface=raw["surface"],
            sequence=raw["sequence"],
            parent=raw["parent"],
            scope=raw["scope"],
            watermark=datetime.fromisoformat(raw["watermark"]),
            offset=raw["offset"],
            dim=raw["dim"],
            metric=raw["metric"],
            published=None if raw["published"] is None else datetime.fromisoformat(raw["published"]),
            current=raw["current"],
            items=raw["items"],
            adopting=raw["adopting"],
        )


@dataclass(frozen=True, slots=True)
class ReleaseAnswer:
    """A published release."""

    id: str

    surface: str

    sequence: int

    parent: str
    """The release it was published over; empty for the first."""

    scope: str
    """The plan that made it, or `rollback`."""

    watermark: datetime
    """Everything that arrived up to then has been learnt from."""

    offset: int
    """The watermark as a position in the log."""

    dim: int

    metric: str

    published: datetime | None
    """From when on it was served."""

    current: bool
    """Whether it is what the surface serves."""

    @classmethod
    def read(cls, raw: Mapping[str, Json]) -> Self:
        """From the JSON of the API."""
        return cls(
            id=raw["id"],
            surface=raw["surface"],
            sequence=raw["sequence"],
            parent=raw["parent"],
            scope=raw["scope"],
            watermark=datetime.fromisoformat(raw["watermark"]),
            offset=raw["offset"],
            dim=raw["dim"],
            metric=raw["metric"],
            published=None if raw["published"] is None else datetime.fromisoformat(raw["published"]),
            current=raw["current"],
        )


@dataclass(frozen=True, slots=True)
class ReleasesAnswer:
    """The releases of a surface that are kept, newest first."""

    releases: list[ReleaseAnswer]

    held: str
    """Why refreshing is on hold; empty if it is not."""

    @classmethod
    def read(cls, raw: Mapping[str, Json]) -> Self:
        """From the JSON of the API."""
        return cls(releases=[ReleaseAnswer.read(one) for one in raw["releases"]], held=raw["held"])


@dataclass(frozen=True, slots=True)
class RunAnswer:
    """A run of the ledger, whoever began it; `ratoon runs show ID --json` says the same."""

    id: str

    job: str
    """As ratoon.toml names it; `(asked for)` where somebody asked a server for it."""

    do: str
    """What is done, such as `refresh`, `full` or `backup`."""

    surface: str

    lane: str
    """Runs of one lane never overlap."""

    slot: str
    """What it answers: a time of its schedule, the data that asked for it, or who did."""

    trigger: Literal["schedule", "data", "hand", "backfill", "api"]

    at: datetime
    """When it was due."""

    since: datetime
    """Where the data interval begins that ends at `at`."""

    attempt: int
    """1 for the slot's first."""

    status: Literal["running", "ok", "refused", "blocked", "wrong", "failed", "killed", "timeout", "stopped", "lost"]
    """`refused`: the gate found it worse than what is served; `blocked`: the data are wrong; `wrong`: the configuration
    is; `stopped`: whoever ran it was asked to end; `lost`: nobody heard of it for too long."""

    owner: str
    """Host and process that runs it."""

    lease: datetime
    """A run that nobody has heard of until then is taken for lost."""

    started: datetime

    version: str
    """Of the program, with a digest of its code."""

    ended: datetime | None

    code: int | None
    """Of its process; negative for a signal."""

    verdict: str
    """What came of it: `published`, `refused`, `skipped` (there was nothing to do), `held` (refreshing is on hold after
    a rollback, or while a release is on trial), `tried`, or `ok`; empty where it did not get so far."""

    reason: str
    """Why, for people."""

    release: str
    """What it made or left current."""

    record: int
    """The number that `ratoon report` draws it by; 0 without one."""

    rows: int

    window: list[int]
    """The log's offsets it covered, first exclusive."""

    seconds: float

    cpu_seconds: float

    max_rss: int
    """The most bytes of memory that it had."""

    bytes: int
    """Of what it made."""

    cost: float
    """Of its CPU seconds, by `[costs] cpu_hour` when it ended."""

    parent: str
    """The release that it started from."""

    stderr: str
    """The end of what it complained of."""

    figures: dict[str, float]

    refresh: dict[str, Json] | None
    """What a refresh kept of itself: plan, verdict, losses, seconds and rows per stage."""

    @classmethod
    def read(cls, raw: Mapping[str, Json]) -> Self:
        """From the JSON of the API."""
        return cls(
            id=raw["id"],
            job=raw["job"],
            do=raw["do"],
            surface=raw["surface"],
            lane=raw["lane"],
            slot=raw["slot"],
            trigger=raw["trigger"],
            at=datetime.fromisoformat(raw["at"]),
            since=datetime.fromisoformat(raw["since"]),
            attempt=raw["attempt"],
            status=raw["status"],
            owner=raw["owner"],
            lease=datetime.fromisoformat(raw["lease"]),
            started=datetime.fromisoformat(raw["started"]),
            version=raw["version"],
            ended=None if raw["ended"] is None else datetime.fromisoformat(raw["ended"]),
            code=raw["code"],
            verdict=raw["verdict"],
            reason=raw["reason"],
            release=raw["release"],
            record=raw["record"],
            rows=raw["rows"],
            window=list(raw["window"] or ()),
            seconds=raw["seconds"],
            cpu_seconds=raw["cpu_seconds"],
            max_rss=raw["max_rss"],
            bytes=raw["bytes"],
            cost=raw["cost"],
            parent=raw["parent"],
            stderr=raw["stderr"],
            figures=raw["figures"],
            refresh=raw["refresh"],
        )


@dataclass(frozen=True, slots=True)
class Seen:
    """What a release on trial has shown in the process that tells; means of nothing are null."""

    answers: int
    """It was asked for so many, shown or in shadow."""

    errors: int
    """So many of them failed; the current release answered instead."""

    latency_ratio: float | None
    """Time of its stages over the current release's, by geometric means."""

    overlap: float | None
    """In shadow: share of candidates that both would show."""

    rank_correlation: float | None
    """In shadow: Spearman's, of candidates that both would show."""

    missing_score: float | None
    """In shadow: share of the shown candidates' scores that it would not show."""

    dropped: int
    """In shadow: comparisons for which there was no time."""

    trial_users: int

    control_users: int

    trial_rate: float | None
    """In a canary: share of its answers that an interaction named."""

    control_rate: float | None
    """In a canary: the same of the current release's."""

    @classmethod
    def read(cls, raw: Mapping[str, Json]) -> Self:
        """From the JSON of the API."""
        return cls(
            answers=raw["answers"],
            errors=raw["errors"],
            latency_ratio=raw["latency_ratio"],
            overlap=raw["overlap"],
            rank_correlation=raw["rank_correlation"],
            missing_score=raw["missing_score"],
            dropped=raw["dropped"],
            trial_users=raw["trial_users"],
            control_users=raw["control_users"],
            trial_rate=raw["trial_rate"],
            control_rate=raw["control_rate"],
        )


@dataclass(frozen=True, slots=True)
class TrialAnswer:
    """The release that a surface tries."""

    surface: str

    release: str

    parent: str
    """The current release, with which it is compared."""

    mode: Literal["shadow", "canary"]

    percent: float
    """In a canary: of users."""

    begun: datetime

    answering: bool
    """Whether it is open in the process that tells."""

    call: Literal["go on", "fall back", "ready"]
    """`ready`: it may be promoted; that is never done by itself."""

    reasons: list[str]

    seen: Seen

    @classmethod
    def read(cls, raw: Mapping[str, Json]) -> Self:
        """From the JSON of the API."""
        return cls(
            surface=raw["surface"],
            release=raw["release"],
            parent=raw["parent"],
            mode=raw["mode"],
            percent=raw["percent"],
            begun=datetime.fromisoformat(raw["begun"]),
            answering=raw["answering"],
            call=raw["call"],
            reasons=list(raw["reasons"]),
            seen=Seen.read(raw["seen"]),
        )
