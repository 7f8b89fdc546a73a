"""What is published."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from ratoon.domain.release import Release
from ratoon.domain.report import RefreshReport
from ratoon.domain.window import Window

Files = Mapping[str, bytes]
"""File name -> bytes: how a model, a schema or an index travels between the room that makes it and the registry."""


class Registry(Protocol):
    """What is published, per surface; the only writer of CURRENT."""

    def lease(self) -> AbstractContextManager[None]:
        """Be the only refresh of this surface on this machine, or raise Conflict."""

    def current(self) -> Release | None:
        """The release that is served."""

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
