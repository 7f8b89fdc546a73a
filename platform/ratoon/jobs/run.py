"""A run of a job as the ledger keeps it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

Status = Literal["running", "ok", "refused", "blocked", "wrong", "failed", "killed", "timeout", "stopped", "lost"]
Trigger = Literal["schedule", "data", "hand", "backfill", "api"]

ASKED = "(asked for)"
"""What stands for the job of a run that somebody asked a server for; no job can have this name."""

BY_CODE: Mapping[int, Status] = {0: "ok", 2: "wrong", 3: "refused", 4: "blocked"}
"""What an exit code of `ratoon` says; any other one is `failed`."""

AGAIN: frozenset[Status] = frozenset(("failed", "killed", "timeout", "stopped", "lost"))
"""What may go well the next time. The other errors stay until somebody changes the data, the policy or the configuration."""

DIED: frozenset[Status] = frozenset(("killed", "timeout", "stopped"))
"""What ended a run in the middle of its work; one that failed may not have begun with any."""

CODES: Mapping[Status, int] = {"ok": 0, "wrong": 2, "refused": 3, "blocked": 4}
"""The exit code of a run by what became of it; any other one is 5."""


@dataclass(frozen=True, slots=True)
class Run:
    """One attempt at one slot.

    Attributes:
        at: when it was due; `since`: where its data interval begins, which ends at `at`.
        attempt: 1 for the slot's first.
        status: `stopped`: its worker was asked to end; `lost`: nobody heard of it while its lease ran out.
        owner: host and process that runs it.
        lease: until when nobody else takes its lane.
        window: the log's offsets it covered, first exclusive, of a refresh that died those that it had begun with; None if none
            are known.
        parent: the id of the release that a refresh started from; empty where there was none.
        release: what it made or left current; empty if it has to do with none.
        record: the number of what the refresh itself kept under the surface's `runs/`; 0 without one.
        bytes: of the files of the release that it published, or of the backup that it made.
        cost: what its CPU seconds cost, by the price of that day; 0 where none is set.
        code: the exit code of its process, negative for a signal; None while it runs and if nobody saw it end.
        version: of the program, see `ratoon.jobs.version`.
    """

    id: int
    job: str
    do: str
    surface: str
    lane: str
    slot: str
    trigger: Trigger
    at: datetime
    since: datetime
    attempt: int
    status: Status
    owner: str
    lease: datetime
    started: datetime
    version: str
    ended: datetime | None = None
    code: int | None = None
    verdict: str = ""
    reason: str = ""
    release: str = ""
    record: int = 0
    rows: int = 0
    window: tuple[int, int] | None = None
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    max_rss: int = 0
    bytes: int = 0
    cost: float = 0.0
    parent: str = ""
    stderr: str = ""
    figures: Mapping[str, float] = field(default_factory=dict)
