"""What is published."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from ratoon.domain.release import Release
from ratoon.domain.report import RefreshReport
from ratoon.domain.trial import Terms, Trial
from ratoon.domain.window import Window

Files = Mapping[str, bytes]
"""File name -> bytes: how a model, a schema or an index travels between the room that makes it and the registry."""


class TrialRegistry(Protocol):
    """The one release of a surface that is tried beside the current one, which must be its parent."""

    def running(self) -> Trial | None:
        """What is tried now."""

    def settled(self) -> Trial | None:
        """The same; a trial whose parent is no longer current is ended."""

    def begin(self, release: Release, files: Files, terms: Terms) -> Trial:
        """Try a release, or raise Conflict: another is tried, or its parent is not current."""

    def release(self, trial: Trial) -> Release:
        """The manifest of what is tried; it has no number."""

    def load(self, release: Release) -> Files:
        """Its files, every hash checked."""

    def promote(self) -> Release:
        """Publish what is tried by compare-and-swap."""

    def end(self, reason: str, *, of: Trial | None = None, how: str = "ended") -> Trial:
        """Forget what is tried (or `of`, if that still is), and keep why."""


class Registry(Protocol):
    """What is published, per surface; the only writer of CURRENT."""

    @property
    def trials(self) -> TrialRegistry:
        """What is tried before it is published."""

    def lease(self) -> AbstractContextManager[None]:
        """Be the only refresh of this surface on this machine, or raise Conflict."""

    def current(self) -> Release | None:
        """The release that is served."""

    def releases(self) -> Sequence[Release]:
        """The current release and those before it that are kept, newest first."""

    def get(self, id_prefix: str | None) -> Release:
        """The published release whose id starts so, the current one for None; UsageError if there is none, or more than one."""

    def rollback(self, to: str | None, reason: str, *, of: str | None = None) -> Release:
        """Publish the content of an earlier release as a new one, and put refreshing on hold.

        UsageError if there is no such release, or its content is served; Conflict if another than `of` is served.
        """

    def load(self, release: Release) -> Files:
        """A release's files, every hash checked."""

    def pin(self, window: Window) -> Window:
        """Write the window down before work starts; a window pinned earlier and not finished wins."""

    def publish(self, release: Release, files: Files) -> Release:
        """Make `release` current, if `release.parent` still is; return it with its sequence."""

    def unpin(self) -> None:
        """Forget the pinned window: there was nothing to do in it."""

    def refuse(self, window: Window, reasons: Sequence[str]) -> None:
        """Forget the pinned window and remember why it was refused."""

    def record(self, report: RefreshReport) -> None:
        """Keep what a refresh did, for people."""

    def held(self) -> str:
        """Why refreshing is on hold; empty if it is not."""

    def left_out(self) -> tuple[tuple[int, int], ...]:
        """The ranges of offsets that must not be learnt from."""
