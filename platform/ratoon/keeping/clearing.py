"""What a home no longer needs goes: what may go is decided in `domain.retention`, and each room deletes what is its own.

Safe beside servers, refreshes and rollbacks: the served release, all newer than the oldest kept, and what a trial is compared
with stay; what only a refresh may change is left alone while one is at work. Killed anywhere, the next run goes on.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from ratoon import durable
from ratoon.domain.errors import Conflict
from ratoon.domain.retention import Retention, ends, outlived
from ratoon.registry import FileRegistry
from ratoon.wiring import House


class Shown(Protocol):
    """The log of what was shown."""

    def expire(self, keep: float) -> int:
        """Delete what is by more than so many seconds older than the newest; how many."""


@dataclass(frozen=True, slots=True)
class Cleared:
    """One thing that was deleted, or would be.

    Attributes:
        what: `release`, `left of a crash`, `run`, `checkpoint`, `unfinished file`, `mapped index`, `entries of the stream` or
            `exposures`.
        name: of a release `<surface> <sequence> <id>`, else its path in the home; of exposures and entries how many.
        size: bytes; 0 where nobody knows.
    """

    what: str
    name: str
    size: int


@dataclass(frozen=True, slots=True)
class Clearing:
    """What a clearing did, or would do.

    Attributes:
        skipped: what was left alone, and why.
    """

    dry_run: bool
    cleared: tuple[Cleared, ...]
    skipped: tuple[str, ...]


def clear(house: House, policy: Retention, shown: Shown, now: datetime, *, dry_run: bool = False) -> Clearing:
    """Let go of what the policy no longer keeps.

    Args:
        now: the machine's clock: ages of files are by it. What was shown goes as servers let it go, by `[exposures] keep`; a dry
            run does not count it.

    Raises:
        StoreError: something cannot be read or deleted; what is gone by then is gone.
    """
    cleared, skipped = list[Cleared](), list[str]()
    for surface in house.settings.surfaces:
        registry = house.registry(surface)
        cleared += _releases(registry, policy.releases, dry_run)
        try:
            with registry.lease():
                cleared += _of_refreshes(house, registry, policy, now, dry_run)
        except Conflict as busy:
            skipped.append(f"runs and checkpoint of surface {surface!r}: {busy.found}")
    cleared += _unfinished(house.home, now - policy.unfinished, dry_run)
    cleared += _mapped(house, dry_run)
    if house.settings.events.store == "redis" and policy.stream is not None:
        trimmed, held = _stream(house, now - policy.stream, dry_run)
        cleared, skipped = [*cleared, *trimmed], [*skipped, *held]
    keep = house.settings.exposures.keep
    if keep is not None and not dry_run and (gone := shown.expire(keep)):
        cleared.append(Cleared("exposures", str(gone), 0))
    return Clearing(dry_run, tuple(cleared), tuple(skipped))


def _releases(registry: FileRegistry, kept: int, dry_run: bool) -> Iterator[Cleared]:
    chain = registry.releases()
    begun = registry.trials.begun()
    ending = ends([release.id for release in chain], kept, {begun.parent} if begun else ())
    going = [release for release in reversed(chain) if release.id in ending.gone]
    sizes = {release.id: registry.occupied(release) for release in going}
    durable.fault_point("gc.decided")
    if going and not dry_run:
        registry.forget(going[-1].id)
    for release in going:
        yield Cleared("release", f"{registry.surface} {release.sequence} {release.id[:12]}", sizes[release.id])
    for folder in registry.tidy(dry_run=dry_run):
        yield Cleared("left of a crash", f"{registry.surface}/{folder.name}", 0)


def _of_refreshes(house: House, registry: FileRegistry, policy: Retention, now: datetime, dry_run: bool) -> Iterator[Cleared]:
    """What a refresh writes; its lease is held."""
    for run in registry.runs.trim(policy.runs, dry_run=dry_run):
        yield Cleared("run", run.relative_to(house.home).as_posix(), 0)
    training = house.home / "releases" / registry.surface / "training"
    yield from _old(house.home, training.glob("*.checkpoint"), "checkpoint", now - policy.checkpoints, dry_run)


def _unfinished(home: Path, before: datetime, dry_run: bool) -> Iterator[Cleared]:
    """Files that somebody died writing; whoever lives finishes in far less than the policy's span."""
    # Not rglob, which raises where a folder goes while it is looked through.
    files = (Path(folder, name) for folder, _, names in os.walk(home) for name in names)
    there = (path for path in files if path.match(durable.UNFINISHED))
    yield from _old(home, there, "unfinished file", before, dry_run)


def _old(home: Path, paths: Iterator[Path], what: str, before: datetime, dry_run: bool) -> Iterator[Cleared]:
    found = {path.relative_to(home).as_posix(): stat for path in paths if (stat := _stat(path)) is not None}
    made = {name: datetime.fromtimestamp(stat.st_mtime, UTC) for name, stat in found.items()}
    for name in outlived(made, before):
        if not dry_run:
            (home / name).unlink(missing_ok=True)
        yield Cleared(what, name, found[name].st_size)


def _stat(path: Path) -> os.stat_result | None:
    """None for a file that its writer has just finished."""
    try:
        return path.stat()
    except FileNotFoundError:
        return None


def _stream(house: House, before: datetime, dry_run: bool) -> tuple[list[Cleared], list[str]]:
    """What servers need no longer of the stream they share, and who keeps the rest; each has all events in its own copy."""
    from ratoon.events.streams import StreamEventLog

    assert isinstance(house.log, StreamEventLog)
    done = house.log.trim(before, dry_run=dry_run)
    cleared = [Cleared("entries of the stream", f"{done.entries} up to offset {done.upto}", done.size)] if done.entries else []
    held = [f"newer entries of the stream: copy {done.held[0]} has come to offset {done.held[1]}"] if done.held else []
    return cleared, held


def _mapped(house: House, dry_run: bool) -> Iterator[Cleared]:
    """Files that servers map their indexes from: those that nobody maps, all of them where servers hold their own."""
    folder = house.home / "cache" / "index"
    if not folder.exists():
        return
    from ratoon.index.mapped.files import KEPT, MappedFiles

    files = MappedFiles(folder)
    for path in files.cleared(KEPT if house.settings.index.mapped else 0, dry_run=dry_run):
        yield Cleared("mapped index", path.relative_to(house.home).as_posix(), path.stat().st_size if dry_run else 0)
