"""What the API answers. A list that an answer does not have is empty; anything else it does not have is None.

Made from the server's OpenAPI document by `python -m ratoon.serving.generating`; do not edit.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Self

from ratoon.client.call import Json


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
