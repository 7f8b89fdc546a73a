"""Releases as folders of files, and one file, CURRENT, that says which is served.

Publishing is compare-and-swap (a release names the one it replaces) under a lock; the sequence that it assigns is the one
fence: whoever holds a lower sequence than CURRENT's is out of date. Readers take no lock, for nothing they read is changed.

    <root>/<surface>/CURRENT                the served release, {"id", "sequence"}
                    /000007-3fa9c1d2e4b5/   a release: manifest.json and its files, some as what differs from the parent's
                    /pinned.json            the window of a refresh that has not finished
                    /refused.jsonl          windows that the gate refused
                    /runs/000012-<digest>.json  what each refresh did, for people
                    /hold.json              why refreshing is on hold; offsets that are left out
                    /trial.json  /trial/    the release on trial, see `trials`
                    /.lease  /.current      locks
"""

import json
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ratoon import durable
from ratoon.domain.errors import Conflict, StoreError, UsageError
from ratoon.domain.release import Release, release_id
from ratoon.domain.report import RefreshReport
from ratoon.domain.schema import TowerSchema
from ratoon.domain.window import Ranges, Window
from ratoon.ports import Files
from ratoon.registry.locks import leased, locked
from ratoon.registry.notes import Notes, Refusal, merged, parsed
from ratoon.registry.runs import Runs
from ratoon.registry.shelf import Shelf
from ratoon.registry.trials import Trials


def _wall() -> datetime:
    return datetime.now(UTC)


class FileRegistry:
    """One surface's registry in a folder of the local file system.

    Args:
        now: the machine's clock, which says when a refresh finished and nothing else.
        present: the configured clock, which says from when on a release is served; without it releases do not say.
    """

    def __init__(
        self, root: Path, surface: str, now: Callable[[], datetime] = _wall, present: Callable[[], datetime] | None = None
    ) -> None:
        self.surface = surface
        self._root, self._present = root / surface, present
        self._shelf = Shelf(self._root)
        self._notes = Notes(self._root)
        self.runs = Runs(self._root / "runs", now)
        self.trials = Trials(self._root, self.current, self.publish, lambda: locked(self._root / ".current"), now)

    def lease(self) -> AbstractContextManager[None]:
        """Be the only refresh of this surface on this machine, or raise Conflict; ends with the process at the latest."""
        return leased(self._root / ".lease")

    def current(self) -> Release | None:
        """The release that is served, or None before the first.

        Raises:
            StoreError: CURRENT or its manifest cannot be read; CURRENT is missing although releases were published.
        """
        fix = "Write it anew as JSON with the id and the sequence of the newest release that is whole."
        head = parsed(self._root / "CURRENT", _head, fix)
        if head is not None:
            return self._shelf.manifest(*head)
        # One folder without CURRENT is a first publication that crashed; a later one cannot be.
        if (last := self._shelf.last()) > 1:
            raise StoreError(str(self._root / "CURRENT"), expected="a file", found=f"none, but {last} releases", fix=fix)
        return None

    def releases(self) -> list[Release]:
        """The current release and those before it, newest first, as far back as they are kept."""
        history: list[Release] = []
        release = self.current()
        while release is not None:
            history.append(release)
            before = (release.sequence - 1, release.parent)
            release = self._shelf.manifest(*before) if release.parent and self._shelf.holds(*before) else None
        return history

    def get(self, id_prefix: str | None) -> Release:
        """The published release whose id starts with `id_prefix`, for None the current one.

        UsageError if there is none, or more than one.
        """
        kept = self.releases()
        found = kept[:1] if id_prefix is None else [release for release in kept if release.id.startswith(id_prefix)]
        if len(found) != 1:
            raise UsageError(
                "release",
                expected="the id of one published release, or its beginning",
                found="none published" if id_prefix is None else f"{id_prefix!r}, which fits {len(found)}",
                fix="`ratoon releases` lists them.",
            )
        return found[0]

    def load(self, release: Release) -> Files:
        """A release's files, every hash checked; StoreError naming the file that does not have the published bytes."""
        return self._shelf.read(release)

    def schema(self, release: Release) -> TowerSchema:
        """What a release's towers are fed, its hash checked."""
        return TowerSchema.from_json(self._shelf.file(release, "schema.json").decode())

    def forget(self, id_prefix: str) -> list[Release]:
        """Delete a release and all before it, and return them, oldest first; none can be rolled back to any more.

        What the next release has stored as what differs from the last of them is written whole first.

        Raises:
            UsageError: there is no such release, or it is the one that is served.
            StoreError: the next release cannot be put together, or the served one is damaged; nothing has been deleted.
        """
        with locked(self._root / ".current"):
            history, last = self.releases(), self.get(id_prefix)
            if history[0] == last:
                raise UsageError(
                    "release",
                    expected="one that is not served",
                    found=f"{last.id[:12]}, the current one",
                    fix="`ratoon releases` lists those before it.",
                )
            old = [release for release in reversed(history) if release.sequence <= last.sequence]
            self._shelf.fold(history[-len(old) - 1])
            self.load(history[0])  # what is served may be damaged: then those before it are what is left to go back to
            self._shelf.forget(last.sequence)
            return old

    def tidy(self, *, dry_run: bool = False) -> list[Path]:
        """Delete what crashes left: folders that no release leads to any more, and half-written ones; which they were."""
        with locked(self._root / ".current"):
            history = self.releases()
            left = self._shelf.left(history[-1].sequence if history else 0)
            if left and not dry_run:
                if history:
                    self._shelf.fold(history[-1])
                self._shelf.forget(history[-1].sequence - 1 if history else 0)
                self._shelf.sweep()
            return left

    def occupied(self, release: Release) -> int:
        """Bytes on the shelf that are this release's own: its manifest, and each file whole or as what differs."""
        return sum(self._shelf.sizes(release).values())

    def pin(self, window: Window) -> Window:
        """Write the window down before work starts; the one pinned by a refresh that died wins, so that it is run again.

        A pin that does not start where the current release ends, or is the current release's own, is stale.
        """
        pinned, current = self._notes.pinned(), self.current()
        stale = current is not None and pinned is not None and (pinned.start != current.window.end or pinned == current.window)
        if pinned is not None and not stale:
            return pinned
        self._notes.pin(window)
        durable.fault_point("registry.pinned")
        return window

    def pinned(self) -> Window | None:
        """The window of a refresh that is at work, or died at it."""
        return self._notes.pinned()

    def publish(self, release: Release, files: Files) -> Release:
        """Make `release` current, if `release.parent` still is; return it with its sequence.

        A release that is current already is returned as it is, so that a crash at the last moment can be run again.

        Raises:
            Conflict: another release is current.
            UsageError: the release is another surface's, or `files` are not those that it lists.
        """
        if release.surface != self.surface:
            raise UsageError(
                "release.surface",
                expected=repr(self.surface),
                found=repr(release.surface),
                fix="Open the registry of that surface.",
            )
        with locked(self._root / ".current"):
            current = self.current()
            if current is None or current.id != release.id:
                current = self._swap(current, release, files)
            self._notes.unpin()
            return current

    def _swap(self, current: Release | None, release: Release, files: Files) -> Release:
        if (current.id if current else "") != release.parent:
            raise _outrun(release.parent, current)
        release = replace(release, sequence=(current.sequence if current else 0) + 1, published=self._served(current, release))
        self._shelf.add(release, files)
        durable.fault_point("registry.renamed")
        head = json.dumps({"id": release.id, "sequence": release.sequence})
        durable.write(self._root / "CURRENT", head.encode())
        durable.fault_point("registry.published")
        return release

    def _served(self, current: Release | None, release: Release) -> datetime | None:
        """From when on `release` is served: strictly after all that it has seen, and after the one before it."""
        if self._present is None:
            return None
        before = current.published if current and current.published else release.window.as_of
        return max(self._present(), release.window.as_of, before) + timedelta(microseconds=1)

    def unpin(self) -> None:
        """Forget the pinned window: there was nothing to do in it."""
        self._notes.unpin()

    def refuse(self, window: Window, reasons: Sequence[str]) -> None:
        """Remember that a window was refused and why, and forget its pin."""
        self._notes.refuse(window, reasons)
        self._notes.unpin()

    def record(self, report: RefreshReport) -> None:
        """Keep what a refresh did, for people; see `runs`."""
        published = report.outcome == "published"
        made = self._shelf.manifest(report.sequence, report.release) if published else None
        self.runs.keep(report, made.parent if made else report.release, self._shelf.sizes(made) if made else {})

    def refused(self) -> list[Refusal]:
        """Every refusal of this surface, oldest first."""
        return self._notes.refused()

    def rollback(self, to: str | None, reason: str, *, of: str | None = None) -> Release:
        """Publish a new release with the content of an earlier one, and put refreshing on hold.

        Args:
            to: the id of the release to go back to, or its beginning; None for the one before what is served, so that
                going back twice goes back two steps and not forth again.
            reason: why refreshing is on hold from now on.
            of: the id of the release that is to go; None for whatever is served.

        Raises:
            Conflict: another release than `of` is served.
            UsageError: there is no such release, or its content is served already.
            StoreError: a file of the release is damaged; nothing has been changed.
        """
        current = self.current()
        if of is not None and (current is None or current.id != of):
            raise _outrun(of, current)
        target = self.get(to) if to is not None else self._before()
        if current is None or target is None or target.files == current.files:
            raise UsageError(
                "rollback",
                expected="an earlier release with other content than the current one",
                found=f"release {target.id[:12]}, which is served" if target else "none",
                fix="`ratoon releases` lists them.",
            )
        files = self._shelf.read(target)
        # First the hold: a crash in between must not let the next refresh learn the poison again.
        self.hold(reason)
        again = replace(target, parent=current.id, scope="rollback")
        new = release_id(parent=again.parent, window=again.window, scope=again.scope, seed=again.seed, files=again.files)
        return self.publish(replace(again, id=new), files)

    def _before(self) -> Release | None:
        history = self.releases()
        if history and history[0].scope == "rollback":
            origin = (at for at, past in enumerate(history) if past.scope != "rollback" and past.files == history[0].files)
            history = history[next(origin, len(history)) :]
        return history[1] if len(history) > 1 else None

    def hold(self, reason: str) -> None:
        """Put refreshing on hold until `resume`; a reason is needed, for whoever finds it held."""
        if not reason.strip():
            raise UsageError("reason", expected="a few words", found="nothing", fix="Say why, for whoever finds it held.")
        self._notes.set_hold(reason, self.left_out())

    def held(self) -> str:
        """Why refreshing is on hold; empty if it is not."""
        return self._notes.hold()[0]

    def resume(self, left_out: Ranges = ()) -> None:
        """End the hold, and from now on leave these ranges of offsets (both ends included) out of learning too."""
        self._notes.set_hold("", merged((*self.left_out(), *left_out)))
        # A window pinned before does not know what is to be left out.
        self._notes.unpin()

    def left_out(self) -> Ranges:
        """The ranges of offsets that must not be learnt from."""
        return self._notes.hold()[1]


def _outrun(expected: str, current: Release | None) -> Conflict:
    return Conflict(
        "CURRENT",
        expected=f"release {expected[:12] or '(none)'}",
        found=f"release {current.id[:12] if current else '(none)'}",
        fix="Something else was published first; run it again, and it starts from there.",
    )


def _head(text: str) -> tuple[int, str]:
    raw = json.loads(text)
    return int(raw["sequence"]), str(raw["id"])
