"""How old the data of each view are: the configured clock's now less the newest event time there is, wherever it stopped.

A job that ran a minute ago and found nothing new leaves yesterday's data a day old, and that is what is said.
"""

import glob
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path

import pyarrow.parquet as pq

from ratoon.domain.event import TIME
from ratoon.features.foreign_files import reading
from ratoon.features.online.opening import Place
from ratoon.features.views import View, load

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
PLACE = "online.json"


@dataclass(frozen=True, slots=True)
class Freshness:
    """One view's newest rows.

    Attributes:
        offline, online: the newest event time in the offline files and in the online store; None where there is no row,
            or, for `online`, where the view is not kept online.
        offline_age, online_age: seconds from then to now.
    """

    view: str
    offline: datetime | None
    offline_age: float | None
    online: datetime | None
    online_age: float | None

    @property
    def ages(self) -> tuple[tuple[str, float | None], ...]:
        """Where -> the age there."""
        return ("offline", self.offline_age), ("online", self.online_age)


def freshness(folder: Path, now: datetime) -> list[Freshness]:
    """The newest rows of every view of the applied repository; none before one is applied.

    Args:
        folder: `features/` of the home.
        now: the present by the configured clock.
    """
    return list(_freshness(folder, now)) if (folder / "views.json").exists() else []


def _freshness(folder: Path, now: datetime) -> Iterator[Freshness]:
    online = _online(folder)
    for view in load(folder / "views.json"):
        offline = newest(view)
        held = EPOCH + timedelta(microseconds=online[view.name]) if view.online and view.name in online else None
        yield Freshness(view.name, offline, _age(offline, now), held, _age(held, now))


def newest(view: View) -> datetime | None:
    """The newest event time in a view's files, from their footers."""
    found = [moment for path in local_files(view) if (moment := _in_file(view, path)) is not None]
    return max(found, default=None)


def local_files(view: View) -> list[Path]:
    """The files of a view that lie in this machine's file system, by name; hidden ones are left out."""
    if "://" in view.path:
        return []
    path = Path(view.path)
    pattern = str(path / "**" / "*.parquet") if path.is_dir() else view.path
    return sorted(Path(name) for name in glob.glob(pattern, recursive=True) if Path(name).is_file())  # noqa: PTH207  # Path.glob finds hidden files


def _in_file(view: View, path: Path) -> datetime | None:
    stat = path.stat()
    return _footer(view.name, view.timestamp_field, path, stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=65_536)  # a file keeps its footer as long as its size and time of change stay
def _footer(view: str, column: str, path: Path, size: int, changed: int) -> datetime | None:
    del size, changed
    with reading(view, path), pq.ParquetFile(path) as file:
        place = file.schema_arrow.get_field_index(column)
        groups = [file.metadata.row_group(group) for group in range(file.metadata.num_row_groups)]
        if place < 0 or not groups:
            return None
        statistics = [group.column(place).statistics for group in groups if group.num_rows]
        if all(one is not None and one.has_min_max for one in statistics):
            return max((_utc(one.max) for one in statistics), default=None)
        times = file.read(columns=[column]).column(0).cast(TIME, safe=False)
        return max(times.drop_null().to_pylist(), default=None)


def _utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _online(folder: Path) -> dict[str, int]:
    if not (folder / PLACE).exists():
        return {}
    store = Place.load(folder / PLACE).open()
    try:
        return store.newest()
    finally:
        store.close()


def _age(moment: datetime | None, now: datetime) -> float | None:
    """Seconds, 0 at least: a row is valid a microsecond after the event that may itself be the log's now."""
    return None if moment is None else max(0.0, (now - moment).total_seconds())
