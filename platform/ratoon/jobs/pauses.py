"""Which jobs rest, and why: outside of the ledger, which may be deleted."""

from pathlib import Path

from ratoon import durable


class Pauses:
    """The files `jobs/NAME.paused` of a home."""

    def __init__(self, home: Path) -> None:
        self._folder = home / "jobs"

    def why(self, name: str) -> str:
        """Why a job rests; empty if it does not."""
        path = self._path(name)
        return path.read_text(encoding="utf-8") if path.exists() else ""

    def pause(self, name: str, reason: str) -> None:
        """Let a job rest until `resume`."""
        durable.write(self._path(name), reason.encode())

    def resume(self, name: str) -> None:
        """Let it run again."""
        if (path := self._path(name)).exists():
            path.unlink()
            durable.sync_folder(self._folder)

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.paused"
