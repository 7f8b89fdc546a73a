"""One release's vectors into a view: what differs from before is added, what is gone is ended, nothing is written again."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from ratoon.domain.embedding import Vectors
from ratoon.domain.event import TIME
from ratoon.features.vectors.parts import EPOCH, US, Part, Written, as_of, keys_at, only_one, write, written
from ratoon.features.vectors.view import SPACE, VectorView

CHUNK = 500_000
"""Vectors per chunk of a column."""


@dataclass(frozen=True, slots=True)
class Vectored:
    """What one view has of one release.

    Attributes:
        since: from when on it holds.
        rows: vectors that were written.
        ended: nulls that were written.
        unchanged: vectors that the view had already, bit for bit.
        file: what was written; empty if the release was there already, or nothing was left to retire.
    """

    view: str
    surface: str
    release: str
    space: str
    since: datetime
    rows: int
    ended: int
    unchanged: int
    file: str


@dataclass(frozen=True, slots=True)
class Served:
    """All vectors of one entity in one release.

    Attributes:
        since: from when on the release was served.
        ids: n of them, without duplicates.
        vectors: shape (n, dim).
    """

    surface: str
    release: str
    sequence: int
    space: str
    since: datetime
    ids: Sequence[str]
    vectors: Vectors


def publish(view: VectorView, served: Served, now: datetime) -> Vectored:
    """Write a release's vectors, if they are not there yet.

    Releases may come in any order. For one that was served before others that are there, rows at the next one's moment say
    again what held then wherever that next one, which knew nothing of it, has no row: what was true of a space from then on
    stays true.

    Args:
        now: the present by the configured clock, for created_timestamp.

    Raises:
        DataError: a file of the view is cut short or somebody else's; nothing is written.
    """
    moment = (served.since - EPOCH) // US
    with only_one(view):
        files = written(view, served.surface)
        if any(one.part.release == served.release for one in files):
            return _said(view, served, 0, 0, len(served.ids), "")
        before = as_of(view, files, moment)
        mine = before.filter(pl.col(SPACE) == served.space)
        new = _differs(mine, view.key, served)
        gone = before.join(pl.DataFrame({view.key: served.ids}, schema={view.key: pl.String}), on=view.key, how="anti")
        keys = _chosen(served.ids, new)
        rows = [
            _rows(view, keys, [served.space] * len(keys), _lists(served.vectors[new]), served.release, served.since, now),
            _rows(view, gone[view.key].to_list(), gone[SPACE].to_list(), None, served.release, served.since, now),
        ]
        for space in sorted({served.space, *gone[SPACE]}):
            ended = gone.filter(pl.col(SPACE) == space)[view.key].to_list()
            touched = [*keys, *ended] if space == served.space else ended
            rows += _again(view, files, (space, moment), touched, now)
        part = Part(served.surface, served.space, served.release, moment)
        name = f"{served.surface}-{served.sequence:06d}-{served.release[:12]}.parquet"
        path = write(view, name, pa.concat_tables(rows), part)
    return _said(view, served, int(new.sum()), len(gone), len(served.ids) - int(new.sum()), str(path))


def retire(view: VectorView, surface: str, space: str, now: datetime) -> Vectored:
    """End a space: from now on its vectors are null; what they were before stays.

    DataError like `publish`. Where nothing of the space is left nothing is written.
    """
    with only_one(view):
        files = written(view, surface)
        moment = max([(now - EPOCH) // US, *(one.part.moment for one in files)]) + 1
        live, since = as_of(view, files, moment).filter(pl.col(SPACE) == space), EPOCH + moment * US
        path = ""
        if len(live):
            table = _rows(view, live[view.key].to_list(), [space] * len(live), None, None, since, now)
            path = str(write(view, f"{surface}-retired-{space}-{moment}.parquet", table, Part(surface, space, "", moment)))
    return Vectored(view.name, surface, "", space, since, 0, len(live), 0, path)


def _said(view: VectorView, served: Served, rows: int, ended: int, unchanged: int, file: str) -> Vectored:
    return Vectored(view.name, served.surface, served.release, served.space, served.since, rows, ended, unchanged, file)


def _differs(mine: pl.DataFrame, key: str, served: Served) -> npt.NDArray[np.bool_]:
    """For each vector whether the view has another one, or none; bits are compared, so that -0.0 is not 0.0."""
    dim = served.vectors.shape[1]
    held = mine.filter(pl.col("vector").list.len() == dim)
    place = {one: row for row, one in enumerate(held[key].to_list())}
    at = np.array([place.get(one, -1) for one in served.ids], dtype=np.int64)
    new = at < 0
    stored = np.asarray(held["vector"].to_arrow().flatten().to_numpy(zero_copy_only=False), np.float32).reshape(-1, dim)
    wanted = np.ascontiguousarray(served.vectors[~new], np.float32)
    new[~new] = (stored[at[~new]].view(np.uint32) != wanted.view(np.uint32)).any(axis=1)
    return new


def _again(
    view: VectorView,
    files: Sequence[Written],
    place: tuple[str, int],
    touched: Sequence[str],
    now: datetime,
) -> list[pa.Table]:
    """What a space holds, without a release, at the moment at which the next one of the space took over.

    Args:
        place: the space, and the release's moment.
        touched: the keys for which the release has rows in it.
    """
    space, moment = place
    later = [one.part.moment for one in files if one.part.space == space and one.part.moment > moment]
    if not later:
        return []
    there, held = keys_at(view, files, space, min(later)), as_of(view, files, min(later)).filter(pl.col(SPACE) == space)
    lost = [key for key in touched if key not in there]
    held = pl.DataFrame({view.key: lost}, schema={view.key: pl.String}).join(held, on=view.key, how="left", maintain_order="left")
    vectors = pa.chunked_array([held["vector"].to_arrow().cast(pa.list_(pa.float32()))])
    return [_rows(view, lost, [space] * len(lost), vectors, held["release"].to_list(), EPOCH + min(later) * US, now)]


def _rows(
    view: VectorView,
    keys: Sequence[str],
    spaces: Sequence[str],
    vectors: pa.ChunkedArray | None,
    releases: str | Sequence[str | None] | None,
    since: datetime,
    now: datetime,
) -> pa.Table:
    """Rows by key; one release may stand for all."""
    count = len(keys)
    columns = [
        pa.array(keys, pa.string()),
        pa.array(spaces, pa.string()),
        pa.chunked_array([pa.nulls(count, pa.list_(pa.float32()))]) if vectors is None else vectors,
        pa.array([releases] * count if releases is None or isinstance(releases, str) else releases, pa.string()),
        pa.array([since] * count, TIME),
        pa.array([max(now, since)] * count, TIME),
    ]
    return pa.Table.from_arrays(columns, schema=view.schema)


def _lists(vectors: Vectors) -> pa.ChunkedArray:
    """In chunks, as one list column counts its numbers in 31 bits."""
    blocks = [np.ascontiguousarray(vectors[first : first + CHUNK], np.float32) for first in range(0, len(vectors), CHUNK)]
    ends = [pa.array(np.arange(len(block) + 1, dtype=np.int32) * block.shape[1]) for block in blocks]
    arrays = [pa.ListArray.from_arrays(end, pa.array(block.reshape(-1))) for end, block in zip(ends, blocks, strict=True)]
    return pa.chunked_array(arrays, pa.list_(pa.float32()))


def _chosen(ids: Sequence[str], mask: npt.NDArray[np.bool_]) -> list[str]:
    return [ids[place] for place in np.flatnonzero(mask).tolist()]
