"""What each refresh of a surface did, for people: `runs/<number>-<digest>.json`.

Deleting them changes no behaviour, but that a plan's budget takes nothing for spent then.
Beside each lies a folder of the same name with its figures for TensorBoard: `tensorboard --logdir var/releases/<surface>/runs`.
The digest is of all that the run found and did, without the clocks: the same work done again is the same run.
"""

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from datetime import datetime
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from ratoon import durable
from ratoon.domain.errors import UsageError
from ratoon.domain.report import RefreshReport, Run
from ratoon.registry.notes import parsed
from ratoon.registry.scalars import EVENTS, events

KEPT = 200
"""The newest runs that are kept. Of a few kilobytes each: a week of hourly refreshes, in about one megabyte."""

NAMED = 5
"""Runs that an error names."""


class Runs:
    """One surface's runs. Whoever adds holds the surface's lease."""

    def __init__(self, folder: Path, now: Callable[[], datetime]) -> None:
        self._folder, self._now = folder, now

    def keep(self, report: RefreshReport, parent: str, files: Mapping[str, int]) -> Run:
        """Add a run, in the place of the newest one if that did the same; see Run for the arguments."""
        run = Run(0, self._now(), parent, files, report.brief())
        number, digest = self._newest(), _digest(run)
        if not self._path(number, digest).exists():
            number += 1
        run = replace(run, number=number)
        path = self._path(number, digest)
        durable.write(path.with_suffix("") / EVENTS, events(run))
        durable.write(path, _json(run).encode())
        self.trim(KEPT)
        return run

    def trim(self, kept: int, *, dry_run: bool = False) -> list[Path]:
        """Let go of all but the newest `kept`; which they were. Whoever calls holds the surface's lease."""
        gone = self._paths()[:-kept]
        for old in () if dry_run else gone:
            if (figures := old.with_suffix("")).exists():
                shutil.rmtree(figures)
            old.unlink()
        return gone

    def all(self) -> list[Run]:
        """Every run that is kept, newest first; StoreError naming the file that cannot be read."""
        found = [_read(path) for path in reversed(self._paths())]
        return [run for run in found if run is not None]

    def get(self, name: str) -> Run:
        """A run by its number; the newest without one.

        Raises:
            UsageError: there is none like that.
            StoreError: it cannot be read.
        """
        paths = {str(_number(path)): path for path in self._paths()}
        path = paths.get(name or str(self._newest()))
        run = _read(path) if path else None
        if run is None:
            newest = list(reversed(paths))
            more = f" or {len(newest) - NAMED} older" if len(newest) > NAMED else ""
            raise UsageError(
                "run",
                expected=f"{', '.join(newest[:NAMED])}{more}" if newest else "a run that was kept",
                found=repr(name) if name else "none",
                fix="`ratoon report --list` lists them." if newest else "`ratoon refresh` leaves one.",
            )
        return run

    def _newest(self) -> int:
        return max(map(_number, self._paths()), default=0)

    def _path(self, number: int, digest: str) -> Path:
        return self._folder / f"{number:06d}-{digest}.json"

    def _paths(self) -> list[Path]:
        return sorted(self._folder.glob("[0-9]*-*.json"), key=_number)


def _number(path: Path) -> int:
    return int(path.name.partition("-")[0])


def _digest(run: Run) -> str:
    stages = tuple(replace(stage, seconds=0.0, cpu_seconds=0.0) for stage in run.report.stages)
    verdict = replace(run.report.verdict, pace=None) if run.report.verdict else None
    upkeep = run.report.upkeep.timeless() if run.report.upkeep else None
    timeless = {
        **asdict(replace(run, report=replace(run.report, stages=stages, verdict=verdict, upkeep=upkeep))),
        "finished": None,
    }
    return durable.sha256(json.dumps(timeless, sort_keys=True, default=datetime.isoformat).encode())[:12]


def _json(run: Run) -> str:
    return json.dumps(asdict(run), sort_keys=True, indent=1, default=datetime.isoformat)


def _read(path: Path) -> Run | None:
    """The run in a file; None if a refresh has just let go of it."""
    return parsed(path, _run, "Delete it: it is a record for people.")


def _run(text: str) -> Run:
    try:
        return TypeAdapter(Run).validate_json(text)
    except ValidationError as error:
        wrong = [f"{'.'.join(map(str, one['loc'])) or 'run'}: {one['msg']}" for one in error.errors()]
        raise ValueError("; ".join(wrong)) from error
