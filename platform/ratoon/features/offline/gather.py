"""Feature values by row number, read after it is known which rows are needed, and never more of a table than fits."""

from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np
import polars as pl
import pyarrow as pa

from ratoon.domain.errors import DataError
from ratoon.features.offline import sources
from ratoon.features.offline.index import require
from ratoon.features.offline.keys import plain
from ratoon.features.offline.sources import Part
from ratoon.features.offline.spec import ViewSide

READ = 256 * 2**20
"""Bytes of feature columns that are read at a time, roughly."""


def types(side: ViewSide, parts: Sequence[Part]) -> dict[str, pa.DataType]:
    """The type of each source column that is a feature, over all files.

    A file older than a feature lacks its column, which then is null in its rows.

    Raises:
        DataError: naming view and column, if no file has it or two files disagree.
    """
    found: dict[str, pa.DataType] = {}
    for column, _ in side.features:
        having = [part for part in parts if column in part.schema.names]
        if not having:
            require(column, parts[0], side)
        kinds = [pa.schema([pa.field(column, plain(part.schema.field(column).type))]) for part in having]
        try:
            found[column] = pa.unify_schemas(dict.fromkeys(kinds), promote_options="permissive").field(column).type
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            odd = next(part for part, kind in zip(having, kinds, strict=True) if kind != kinds[0])
            raise DataError(
                f"column {column!r} of {side.where}",
                expected=f"{kinds[0].field(0).type}, as in {having[0].path}",
                found=f"{odd.schema.field(column).type} in {odd.path}",
                fix="Write one of the files again.",
            ) from error
    return found


def gather(side: ViewSide, parts: Sequence[Part], kinds: dict[str, pa.DataType], rids: np.ndarray) -> list[pa.Array]:
    """One array per feature, in the order of `rids` (int64[n], -1 for null)."""
    columns = list(dict.fromkeys(column for column, _ in side.features))
    valid = np.flatnonzero(rids >= 0)
    if not len(valid) or not columns:
        return [pa.nulls(len(rids), kinds[column]) for column, _ in side.features]
    pieces = list(_chunks(parts, columns))
    if len(pieces) == 1:
        frame = _taken(_read(side, pieces[0], columns, kinds), rids)
    else:
        order = valid[np.argsort(rids[valid], kind="stable")]
        place = np.full(len(rids), -1)
        place[order] = np.arange(len(order))
        frame = _taken(_stitched(side, pieces, columns, kinds, rids[order]), place)
    arrays = {column: settle(frame[column], kinds[column]) for column in columns}
    return [arrays[column] for column, _ in side.features]


Piece = list[tuple[Part, int, int]]
"""(part, first row, rows) of neighbouring rows."""


def _chunks(parts: Sequence[Part], columns: Sequence[str]) -> Iterator[Piece]:
    piece: Piece = []
    room = float(READ)
    for part in parts:
        width, start = part.bytes_per_row(columns), 0
        while start < part.rows:
            if room < width and piece:
                yield piece
                piece, room = [], float(READ)
            rows = min(part.rows - start, max(int(room // width), 1))
            piece.append((part, start, rows))
            start, room = start + rows, room - rows * width
    if piece:
        yield piece


def _stitched(
    side: ViewSide, pieces: Sequence[Piece], columns: list[str], kinds: dict[str, pa.DataType], rids: np.ndarray
) -> pl.DataFrame:
    """The rows `rids` (ascending, repeats included), read piece by piece."""
    found = []
    for piece in pieces:
        first = piece[0][0].first + piece[0][1]
        beyond = piece[-1][0].first + piece[-1][1] + piece[-1][2]
        low, high = np.searchsorted(rids, [first, beyond])
        if low < high:
            found.append(_taken(_read(side, piece, columns, kinds), rids[low:high] - first))
    return pl.concat(found)


def _read(side: ViewSide, piece: Piece, columns: list[str], kinds: dict[str, pa.DataType]) -> pl.DataFrame:
    whole, left = [part for part, _, _ in piece], iter(piece)
    frames = []
    for run in sources.groups(whole, columns):
        chosen = list(islice(left, len(run)))
        lazy = sources.scan(run, side.source)
        start, rows = chosen[0][1], sum(rows for _, _, rows in chosen)
        lazy = lazy if rows == sum(part.rows for part in run) else lazy.slice(start, rows)
        has = [pl.col(name) if name in run[0].schema.names else lacking(name, kinds[name]) for name in columns]
        frames.append(lazy.select(*has))
    lazy = pl.concat(frames, how="vertical_relaxed") if len(frames) > 1 else frames[0]
    return sources.collect(lazy, whole, side.source, side.where)


def lacking(name: str, kind: pa.DataType) -> pl.Expr:
    """A feature in a file that is older than it."""
    return pl.lit(None, dtype=pl.Series(pl.from_arrow(pa.array([], kind))).dtype).alias(name)


def _taken(frame: pl.DataFrame, places: np.ndarray) -> pl.DataFrame:
    """Rows by place, nulls for -1: those are taken from a row of nulls at the end, which is faster than masking."""
    ended = pl.concat([frame, frame.clear(1)]).rechunk()
    return ended.select(pl.all().gather(pl.Series(np.where(places < 0, frame.height, places), dtype=pl.get_index_type())))


def settle(values: pl.Series, kind: pa.DataType) -> pa.Array:
    """A column as one Arrow array of the type its file has it in."""
    found = values.rechunk().to_arrow()
    if found.type == kind or found.nbytes > _LARGEST:
        return found
    return found.cast(kind)


_LARGEST = 2**31 - 1
"""Beyond this many bytes, text stays in the large type: one array of the small one could not hold it."""
