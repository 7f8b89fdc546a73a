"""The one release of a surface that is on trial: beside the releases, and none of them until it is promoted.

    <root>/<surface>/trial.json     which release is tried, beside which one, and how
                    /trial/000000-<id>/   its manifest and files; without a number, for it may never get one
                    /trials.jsonl   what became of each, for people

A trial is over as soon as another release than its parent is current: then it would replace what it was not compared with.
"""

import json
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from ratoon import durable
from ratoon.domain.errors import Conflict, UsageError
from ratoon.domain.release import Release
from ratoon.domain.trial import Terms, Trial
from ratoon.ports import Files
from ratoon.registry.notes import parsed
from ratoon.registry.shelf import Shelf


@dataclass(frozen=True, slots=True)
class Ended:
    """A trial that is over.

    Attributes:
        how: `promoted`, `fell back` or `ended`.
        at: when, by the machine's clock, UTC.
    """

    trial: Trial
    how: str
    reason: str
    at: datetime


class Trials:
    """One surface's trial, and what became of those before it.

    Args:
        root: the surface's folder.
        current: its current release.
        publish: makes a release current, by compare-and-swap, and takes the lock for that.
        lock: of whoever begins or ends a trial.
        now: the machine's clock.
    """

    def __init__(
        self,
        root: Path,
        current: Callable[[], Release | None],
        publish: Callable[[Release, Files], Release],
        lock: Callable[[], AbstractContextManager[None]],
        now: Callable[[], datetime],
    ) -> None:
        self._written, self._record = root / "trial.json", root / "trials.jsonl"
        self._shelf = Shelf(root / "trial")
        self._current, self._publish, self._lock, self._now = current, publish, lock, now

    def running(self) -> Trial | None:
        """What is tried now; None also if it is over because another release is current."""
        trial = self.begun()
        current = self._current() if trial is not None else None
        return trial if trial is not None and current is not None and current.id == trial.parent else None

    def begun(self) -> Trial | None:
        """What was begun and has not been ended, over or not."""
        return parsed(self._written, Trial.from_json, "Delete it: what was tried is forgotten, and nobody is answered by it.")

    def begin(self, release: Release, files: Files, terms: Terms) -> Trial:
        """Put a release beside the others; it answers as the terms say.

        Raises:
            UsageError: it has no parent to be compared with, or `files` are not those that it lists.
            Conflict: another one is tried, or its parent is not current.
        """
        if not release.parent:
            raise UsageError(
                "--trial", expected="a release to compare with", found="none published", fix="Publish the first without a trial."
            )
        with self._lock():
            if (other := self.running()) is not None:
                raise _busy(other)
            self._refuse_late(release.parent)
            if (over := self.begun()) is not None:
                self._end(over, "ended", "another release was published meanwhile")
            self._clear()
            trial = Trial(release.surface, release.id, release.parent, self._now(), terms)
            self._shelf.add(release, files)
            durable.fault_point("trials.shelved")
            durable.write(self._written, trial.to_json().encode())
            return trial

    def settled(self) -> Trial | None:
        """What is tried now, as `running`; a trial that is over is ended, and why is kept."""
        if (trial := self.begun()) is None or self.running() == trial:
            return trial
        current = self._current()
        promoted = current is not None and current.id == trial.release
        how, reason = ("promoted", "published") if promoted else ("ended", "another release was published meanwhile")
        self.end(reason, of=trial, how=how)
        return None

    def release(self, trial: Trial) -> Release:
        """The manifest of what is tried, with sequence 0; StoreError if it cannot be read."""
        return self._shelf.manifest(0, trial.release)

    def load(self, release: Release) -> Files:
        """Its files, every hash checked; StoreError if they are not what was made."""
        return self._shelf.read(release)

    def promote(self) -> Release:
        """Publish what is tried, and return it with its sequence. Killed in between, it may be run again.

        Raises:
            UsageError: nothing is tried.
            Conflict: another release than its parent is current.
            StoreError: its files are damaged; nothing has been published.
        """
        trial = self._known()
        made = self.release(trial)
        published = self._publish(made, self.load(made))
        durable.fault_point("trials.promoted")
        with self._lock():
            if self.begun() == trial:
                self._end(trial, "promoted", f"number {published.sequence}")
        return published

    def end(self, reason: str, *, of: Trial | None = None, how: str = "ended") -> Trial:
        """Forget what is tried, and keep why.

        Args:
            of: the trial that is meant; if another one is begun by now, nothing is done.

        Raises:
            UsageError: nothing is tried, and no trial is named.
        """
        with self._lock():
            trial = of or self._known()
            if self.begun() == trial:
                self._end(trial, how, reason)
            return trial

    def ended(self) -> list[Ended]:
        """What became of every trial, oldest first."""
        return parsed(self._record, _ended, "Move it away: it is a record for people.") or []

    def _known(self) -> Trial:
        if (trial := self.begun()) is None:
            raise UsageError(
                "trial", expected="a release on trial", found="none", fix="`ratoon refresh --trial shadow` begins one."
            )
        return trial

    def _refuse_late(self, parent: str) -> None:
        current = self._current()
        if current is None or current.id != parent:
            raise Conflict(
                "CURRENT",
                expected=f"release {parent[:12]}",
                found=f"release {current.id[:12] if current else '(none)'}",
                fix="Something else was published first; run it again, and it starts from there.",
            )

    def _end(self, trial: Trial, how: str, reason: str) -> None:
        """Write the reason down first: a crash in between ends it once more, and says so once."""
        before = self.ended()
        if not before or before[-1].trial != trial:
            line = {"trial": json.loads(trial.to_json()), "how": how, "reason": reason, "at": self._now().isoformat()}
            old = self._record.read_bytes() if self._record.exists() else b""
            durable.write(self._record, old + json.dumps(line, sort_keys=True).encode() + b"\n")
        durable.fault_point("trials.recorded")
        self._written.unlink(missing_ok=True)
        durable.sync_folder(self._written.parent)
        self._clear()

    def _clear(self) -> None:
        # Whoever is opening these files fails, and finds that there is no trial at its next look.
        if self._shelf.root.exists():
            shutil.rmtree(self._shelf.root)


def _busy(trial: Trial) -> Conflict:
    return Conflict(
        "trial",
        expected="none on trial",
        found=f"release {trial.release[:12]}",
        fix="`ratoon trial promote` publishes it, `ratoon trial end` forgets it.",
    )


def _ended(text: str) -> list[Ended]:
    rows = [json.loads(line) for line in text.splitlines()]
    return [
        Ended(Trial.from_json(json.dumps(row["trial"])), row["how"], row["reason"], datetime.fromisoformat(row["at"]))
        for row in rows
    ]
