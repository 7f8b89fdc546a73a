"""One person leaves a home: every file format by its own way, in an order that lets nothing come back.

The log goes after all that only its events' ids tell apart, so that a run that died is completed by running it again; then what
a server could make anew from it. Refreshes are kept out from beginning to end, ingestion while files are written anew, and
answers go on.
"""

import csv
import io
import json
import re
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from ratoon import durable
from ratoon.domain.duration import duration
from ratoon.domain.errors import UsageError
from ratoon.domain.fusion import TEXT, named
from ratoon.domain.texts import ABOUT
from ratoon.events import forgetting as log
from ratoon.features import forgetting as features
from ratoon.keeping.erasing import erase, holds
from ratoon.keeping.still import still
from ratoon.ports import Files
from ratoon.wiring import House

OWN = next(iter(named(TEXT, {ABOUT: b""})))
"""The file of a release that says whose texts tell anybody from another."""


class Shown(Protocol):
    """The log of what was shown."""

    def forget(self, user_id: str) -> int:
        """Delete everything that was shown to one user; how many."""


class Told(Protocol):
    """The history of runs, which keeps what those that went wrong complained of."""

    def forget(self, name: str) -> int:
        """Take complaints out that name somebody; of how many runs."""


@dataclass(frozen=True, slots=True)
class Left:
    """Where something of the person still is.

    Attributes:
        until: what takes it away, in words.
    """

    where: str
    until: str


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What was deleted, or would be.

    Attributes:
        done: format -> how many rows, lines or files.
        left: what this does not reach.
    """

    user_id: str
    dry_run: bool
    done: dict[str, int | None]
    left: tuple[Left, ...]


def forget(house: House, user_id: str, shown: Shown, told: Told, now: datetime, *, dry_run: bool = False) -> Forgotten:
    """Delete what a home holds of a user.

    Raises:
        UsageError: the log is shared with other servers.
        Conflict: a refresh is at work, which would write what it has read.
        StoreError: a store cannot be written; run again, it is completed.
    """
    if house.settings.events.store != "sqlite":
        raise UsageError(
            "events.store",
            expected="sqlite: of a log that servers share, a person cannot be taken out yet",
            found=house.settings.events.store,
            fix="Trim the stream yourself, and forget them in each server's home with the store set to sqlite.",
        )
    home, folder = house.home, house.home / "features"
    events, needle = home / "events.sqlite", user_id.encode()
    done: dict[str, int | None] = {}
    with ExitStack() as stack:
        for surface in house.settings.surfaces:
            stack.enter_context(house.registry(surface).lease())
        stack.enter_context(still(folder))
        theirs = log.events_of(events, user_id)
        done["quarantine"] = features.quarantined(folder / "quarantine", user_id, theirs, dry_run=dry_run)
        done["offline rows"] = features.offline(folder, user_id, dry_run=dry_run)
        done["rows remembered of files"] = features.remembered(folder, user_id, dry_run=dry_run)
        done["states"] = features.folded(folder, user_id, [event_id for _, event_id in theirs], dry_run=dry_run)
        done["training examples"] = features.joined(folder, user_id, dry_run=dry_run)
        durable.fault_point("forget.files")
        done["events"] = len(theirs) if dry_run else log.forget(events, user_id, now)
        durable.fault_point("forget.log")
        done["online rows"] = features.online(folder, user_id, dry_run=dry_run)
        done["refused rows of imports"] = sum(_imported(path, user_id, dry_run) for path in home.glob("quarantine/*.csv"))
        done["unfinished work"] = sum(_unfinished(house, surface, dry_run) for surface in house.settings.surfaces)
        done["refused events"] = house.refused.forget(user_id, dry_run=dry_run)
    done["exposures"] = None if dry_run else shown.forget(user_id)
    done["complaints of runs"] = None if dry_run else told.forget(user_id)
    if not dry_run:
        for path in filter(None, (events, features.database(folder), home / "refused.sqlite", home / "jobs.sqlite")):
            erase(path, needle)
    return Forgotten(user_id, dry_run, done, tuple(_left(house, user_id)))


def _imported(path: Path, user_id: str, dry_run: bool) -> int:
    """Lines of a CSV file in which the user's id stands as a word: they are about rows that were never taken in."""
    word = re.compile(rf"(?<!\w){re.escape(user_id)}(?!\w)")
    rows = list(csv.reader(io.StringIO(path.read_text(), newline="")))
    rest = [row for row in rows if not any(map(word.search, row))]
    if len(rest) < len(rows) and not dry_run:
        text = io.StringIO(newline="")
        csv.writer(text).writerows(rest)
        durable.write(path, text.getvalue().encode())
    return len(rows) - len(rest)


def _unfinished(house: House, surface: str, dry_run: bool) -> int:
    """What a refresh that died left of its model; how many files and folders. The next one starts from the log as it is then."""
    checkpoints = sorted((house.home / "releases" / surface / "training").glob("*.checkpoint*"))
    for path in () if dry_run else checkpoints:
        path.unlink()
    return len(checkpoints) + len(house.registry(surface).tidy(dry_run=dry_run))


def _left(house: House, user_id: str) -> Iterable[Left]:
    learnt, policy = "until a full refresh is published (`ratoon refresh --scope full`), then ", house.settings.retention
    for surface in house.settings.surfaces:
        registry = house.registry(surface)
        if (trial := registry.trials.begun()) and _named(registry.trials.load(registry.trials.release(trial)), user_id):
            gone = "until `ratoon trial end`; once it is published, as any release"
            yield Left(f"the release on trial of surface {surface!r}: a row of its user table", gone)
        for number, release in enumerate(registry.releases()):
            files = registry.load(release)
            name, gone = f"release {release.sequence} of surface {surface!r}", "until `ratoon gc` lets go of it"
            if _named(files, user_id):
                kept = f"{gone}: it keeps the newest {policy.releases}"
                yield Left(f"{name}: a row of its user table", kept if number else learnt + kept)
            if _said(files):
                anew = "until another `ratoon upkeep text` or a full refresh is published, then "
                yield Left(f"{name}: a hash and a vector of what each user said of themselves", gone if number else anew + gone)
    for view in features.named_by_items(house.home / "features"):
        yield Left(
            f"view {view}: lists of users in rows of items", "until the view's fields change, and its rows are derived anew"
        )
    audit = house.home / "audit.jsonl"
    if audit.exists() and holds(audit, user_id.encode()):
        yield Left("audit.jsonl: who did what", "until whoever keeps that record takes it out; nothing here changes it")
    yield from _beside(house)
    yield Left("what shared layers learnt from their events", "until a full refresh, which learns from the log as it is now")
    yield Left("backups made before", f"until {policy.backups} newer ones are made in the same folder")
    yield Left("what servers, workers and cron have logged outside of the home", "until whoever keeps those logs lets go of them")


def _beside(house: House) -> Iterable[Left]:
    """Files that are packed in ways of their own, or half: what was downloaded, and what somebody died writing."""
    if any(path.name != "index" for path in (house.home / "cache").glob("*")):
        yield Left("cache/: data sets that were downloaded", "until the folder is deleted, which nothing misses")
    if any(house.home.rglob(durable.UNFINISHED)):
        kept = house.settings.retention.unfinished
        yield Left(
            "files that were never finished",
            f"until `ratoon gc`, which deletes those older than {duration(kept.total_seconds())}",
        )


def _said(files: Files) -> bool:
    """Whether a release tells users by texts of their own."""
    return OWN in files and bool(json.loads(files[OWN])["user_field"])


def _named(files: Files, user_id: str) -> bool:
    """Whether a release knows somebody by name."""
    written = json.dumps(user_id).encode(), json.dumps(user_id, ensure_ascii=False).encode()
    return any(text in data for data in files.values() for text in written)
