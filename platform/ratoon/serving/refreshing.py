"""Refreshes that are asked for over the API: each is a process of its own, so that no answer waits for it."""

import asyncio
import json
import logging
import os
import re
import sys
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from ratoon import durable
from ratoon.domain.errors import Conflict, StoreError

Status = Literal["running", "published", "refused", "skipped", "held", "failed"]

KEPT = 200
"""Runs that are remembered."""
NICE = 19
"""So that searches keep the processor."""
LONGEST = 2_000
"""Characters of what a run said that are kept."""

_ID = re.compile("[0-9a-f]{32}")

logger = logging.getLogger("ratoon.serving")


@dataclass(frozen=True, slots=True)
class RefreshRun:
    """One refresh; `report` is what `ratoon refresh --json` printed."""

    id: str
    surface: str
    scope: str
    status: Status
    started: datetime
    ended: datetime | None = None
    detail: str = ""
    report: dict[str, Any] | None = None


class Refreshes:
    """Starts refreshes, at most one of a surface at a time, and remembers them in a folder, for every process of a server."""

    def __init__(self, folder: Path, now: Callable[[], datetime], command: Callable[[str, str], list[str]] | None = None) -> None:
        """Args: folder: where runs are remembered; now: the machine's clock; command: what runs for a surface and a scope."""
        self._folder, self._now = folder, now
        self._command = command or _command
        self._running: dict[str, asyncio.Task[None]] = {}

    async def start(self, surface: str, scope: str) -> RefreshRun:
        """Begin one, and return without waiting for it; Conflict while one of the surface runs that was begun here."""
        if surface in self._running:
            raise Conflict(
                f"surface {surface!r}",
                expected="no refresh under way",
                found="one",
                fix="Wait for it: `/v1/runs/{id}` says how it goes.",
            )
        run = RefreshRun(uuid.uuid4().hex, surface, scope, "running", self._now())
        self._keep(run)
        process = await asyncio.create_subprocess_exec(
            *self._command(surface, scope),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            preexec_fn=lambda: os.nice(NICE),
        )
        self._running[surface] = asyncio.create_task(self._ended(run, process))
        return run

    def get(self, run_id: str) -> RefreshRun | None:
        """A run by its id; StoreError if what is remembered of it cannot be read."""
        path = self._folder / f"{run_id}.json"
        if not _ID.fullmatch(run_id) or not path.exists():
            return None
        try:
            raw = json.loads(path.read_bytes())
            moments = {name: raw[name] and datetime.fromisoformat(raw[name]) for name in ("started", "ended")}
            return RefreshRun(**raw | moments)
        except (ValueError, TypeError, KeyError) as error:
            raise StoreError(
                str(path), expected="a run", found=str(error), fix="Delete it: it is a record for people."
            ) from error

    async def _ended(self, run: RefreshRun, process: asyncio.subprocess.Process) -> None:
        said, complaint = await process.communicate()
        del self._running[run.surface]
        status, report = _outcome(process.returncode, said)
        detail = _held_for(report) if status == "held" and report else complaint.decode(errors="replace").strip()[-LONGEST:]
        self._keep(replace(run, status=status, ended=self._now(), detail=detail, report=report))
        if status == "failed":
            logger.error("surface %s: refresh %s failed with code %s: %s", run.surface, run.id, process.returncode, detail)

    def _keep(self, run: RefreshRun) -> None:
        durable.write(self._folder / f"{run.id}.json", json.dumps(asdict(run), default=datetime.isoformat).encode())
        for old in sorted(self._folder.glob("*.json"), key=lambda path: path.stat().st_mtime_ns)[:-KEPT]:
            old.unlink(missing_ok=True)


def _command(surface: str, scope: str) -> list[str]:
    return [sys.executable, "-m", "ratoon", "refresh", "--surface", surface, "--scope", scope, "--json"]


def _outcome(code: int | None, said: bytes) -> tuple[Status, dict[str, Any] | None]:
    try:
        report = json.loads(said)
    except ValueError:
        return "failed", None
    if not isinstance(report, dict):
        return "failed", None
    outcome = report.get("outcome")
    return (outcome if outcome in ("published", "refused", "skipped", "held") and code in (0, 3) else "failed"), report


def _held_for(report: dict[str, Any]) -> str:
    plan = report.get("plan")
    return str(plan.get("reason", "")) if isinstance(plan, dict) else ""
