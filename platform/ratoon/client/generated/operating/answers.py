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
