"""Offline -> online, by Feast's own materialisation, over exactly the rows that are not there yet."""

import warnings
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ratoon import durable
from ratoon.domain.event import TIME
from ratoon.features import online
from ratoon.features.repository import FeastRepository
from ratoon.features.views import View


@dataclass(frozen=True, slots=True)
class Materialized:
    """One view's share of a materialisation: the interval of event times that was read, both ends included."""

    view: str
    start: datetime
    end: datetime
    rows: int


def materialize(repository: FeastRepository) -> list[Materialized]:
    """Bring the online store up to the offline one; views that have nothing new are passed over.

    The interval starts at the oldest row that arrived since last time, so a late row is not lost, and ends at the newest
    row there is, so no future end can hide later ones.
    """
    done = []
    for view in repository.views:
        if not view.online:
            continue
        reached = _applied(repository, view)
        files, end = _new_files(view, reached)
        times = _times(view, files)
        if len(times):
            span = Materialized(view.name, *_span(times), rows=len(times))
            _run(repository, span)
            durable.fault_point("materialize.view")
            done.append(span)
        if end > reached:
            with online.connect(repository.folder / "online.db") as connection:
                online.mark_applied(connection, view, end)
            connection.close()
    return done


def _applied(repository: FeastRepository, view: View) -> int:
    with online.connect(repository.folder / "online.db") as connection:
        reached = online.applied(connection, view)
    connection.close()
    return reached


def _new_files(view: View, reached: int) -> tuple[list[Path], int]:
    files = sorted(view.folder.glob(Path(view.path).name))
    if view.origin == "foreign":  # Its files carry no offsets: the number of bytes there says whether anything changed.
        size = sum(file.stat().st_size for file in files)
        return (files, size) if size != reached else ([], reached)
    ends = {file: int(file.stem.rpartition("-")[2]) for file in files}
    # The position comes from this listing: an ingestion beside us may already have added the next file.
    return [file for file, end in ends.items() if end > reached], max(ends.values(), default=0)


def _times(view: View, files: Sequence[Path]) -> pa.ChunkedArray:
    columns = [pq.read_table(file, columns=[view.timestamp_field]).column(0).cast(TIME) for file in files]
    return pa.chunked_array([chunk for column in columns for chunk in column.chunks], TIME)


def _span(times: pa.ChunkedArray) -> tuple[datetime, datetime]:
    oldest, newest = pc.min_max(times).as_py().values()
    return oldest.astimezone(UTC), newest.astimezone(UTC) + timedelta(microseconds=1)


def _run(repository: FeastRepository, span: Materialized) -> None:
    quiet = StringIO()  # Feast prints a line and a bar per view; what was done is returned instead.
    with warnings.catch_warnings(), redirect_stdout(quiet), redirect_stderr(quiet):
        warnings.simplefilter("ignore")
        repository.store.materialize(start_date=span.start, end_date=span.end, feature_views=[span.view])
