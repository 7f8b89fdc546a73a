"""The files of a view of vectors: one per published release or retired space, each saying in its footer what it is."""

import fcntl
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from ratoon import durable
from ratoon.domain.errors import DataError
from ratoon.features.foreign_files import reading
from ratoon.features.vectors.view import SPACE, VectorView

ABOUT = b"ratoon.vectors"
"""The entry of a footer that holds `Part` as JSON."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
US = timedelta(microseconds=1)
ROW = "ratoon.row"


@dataclass(frozen=True, slots=True)
class Part:
    """What a file is.

    Attributes:
        release: the id of the release that it was written for; empty where a space was retired.
        moment: from when on its rows hold, in microseconds since 1970.
    """

    surface: str
    space: str
    release: str
    moment: int


@dataclass(frozen=True, slots=True)
class Written:
    """One file there is."""

    path: Path
    part: Part


@contextmanager
def only_one(view: VectorView) -> Iterator[None]:
    """Wait until no other process writes to a view, and keep them out during the body."""
    view.folder.mkdir(parents=True, exist_ok=True)
    with (view.folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def written(view: VectorView, surface: str) -> list[Written]:
    """The files of one surface, oldest moment first.

    Raises:
        DataError: naming the file, if one is cut short or was not written here.
    """
    found = []
    for path in view.folder.glob("*.parquet"):
        with reading(view.name, path):
            about = (pq.read_schema(path).metadata or {}).get(ABOUT)
        if about is None:
            raise DataError(
                f"file {path} of view {view.name!r}",
                expected="one that `ratoon publish-embeddings` wrote",
                found=f"a footer without {ABOUT.decode()}",
                fix="Take it out of the folder; vectors from elsewhere belong into a view of their own.",
            )
        found.append(Written(path, Part(**json.loads(about))))
    return sorted((one for one in found if one.part.surface == surface), key=lambda one: (one.part.moment, one.path.name))


def write(view: VectorView, name: str, table: pa.Table, part: Part) -> Path:
    """Add a file, whole or not at all."""
    path = view.folder / name
    marked = table.cast(view.schema).replace_schema_metadata({ABOUT: json.dumps(asdict(part)).encode()})
    with durable.writing(path) as file:
        pq.write_table(marked, file, compression="zstd")
        durable.fault_point("vectors.staged")
    durable.fault_point("vectors.written")
    return path


def as_of(view: VectorView, files: Sequence[Written], moment: int) -> pl.DataFrame:
    """The newest row of each key and space with an event_timestamp of at most `moment` that is no null: what held then.

    Keys and times are read of all files, vectors only of the rows that are left.
    """
    if not files:
        return pl.DataFrame(pl.from_arrow(view.schema.empty_table()))
    rows = pl.scan_parquet([one.path for one in files], glob=False, hive_partitioning=False, row_index_name=ROW)
    known = rows.select(ROW, view.key, SPACE, "event_timestamp", "created_timestamp").filter(
        at(pl.col("event_timestamp")) <= moment
    )
    newest = known.sort("event_timestamp", "created_timestamp", ROW).unique([view.key, SPACE], keep="last", maintain_order=True)
    held = rows.join(newest.select(ROW).collect().lazy(), on=ROW, how="semi")
    return held.filter(pl.col("vector").is_not_null()).drop(ROW).collect(engine="streaming")


def keys_at(view: VectorView, files: Sequence[Written], space: str, moment: int) -> set[str]:
    """The keys of a space that have a row of exactly this moment."""
    rows = pl.scan_parquet([one.path for one in files], glob=False, hive_partitioning=False)
    there = rows.filter(at(pl.col("event_timestamp")) == moment, pl.col(SPACE) == space)
    return set(there.select(view.key).collect().to_series().to_list())


def at(times: pl.Expr) -> pl.Expr:
    """Times as microseconds since 1970."""
    return times.dt.timestamp("us")
