"""Which rows of many files of examples a refresh reads."""

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa

from ratoon.domain.delta import Split
from ratoon.domain.replay import Draw, Floats, Ints
from ratoon.domain.window import Window
from ratoon.features.examples.files import ExampleFile, Rows, ints


def replayed(files: Sequence[ExampleFile], window: Window, draw: Draw) -> list[pa.Table]:
    """A sample of the train rows before `window` that may be learnt from.

    Of the rows that are not drawn, offsets are read, event times if they count, and those that share a row group.
    """
    found = [_candidates(file, window, draw) for file in files]
    if not found:
        return []
    keys, offsets, rows = (np.concatenate(columns) for columns in zip(*found, strict=True))
    owners = np.repeat(np.arange(len(files)), [len(one[0]) for one in found])
    best = draw.first(keys, offsets)
    return [files[owner].rows_of("train", rows[best][owners[best] == owner]) for owner in np.unique(owners[best])]


ERAS = 8
"""Stretches of the past that `older` takes rows of."""


def newest(files: Sequence[ExampleFile], window: Window, split: Split, count: int) -> Iterator[pa.Table]:
    """The newest `count` rows before `window` of a part other than train that may be learnt from, if there are as many."""
    for file in reversed(files):
        for table in file.newest(split):
            if count <= 0:
                return
            kept = table.filter(pa.array(_before(window, ints(table, "offset"))))
            yield kept.slice(max(0, kept.num_rows - count))
            count -= kept.num_rows


def older(files: Sequence[ExampleFile], window: Window, split: Split, before: int, count: int) -> list[pa.Table]:
    """Up to `count` rows of a part other than train with offsets below `before` that may be learnt from.

    They are ERAS stretches of rows that follow each other, evenly spread from the first to the last: of the others, offsets
    alone are read, and those that share a row group.
    """
    found = [_below(file, window, split, before) for file in files]
    rows = np.concatenate([np.empty(0, np.intp), *found])
    owners = np.repeat(np.arange(len(files)), [len(one) for one in found])
    if len(rows) > count:
        size = -(-count // ERAS)
        starts = np.linspace(0, len(rows) - size, ERAS).astype(np.intp)
        chosen = np.unique(starts[:, None] + np.arange(size))[:count]
        rows, owners = rows[chosen], owners[chosen]
    return [files[owner].rows_of(split, rows[owners == owner]) for owner in np.unique(owners)]


def _below(file: ExampleFile, window: Window, split: Split, before: int) -> Rows:
    (offsets,) = file.ints_of(split, "offset")
    return np.flatnonzero(_before(window, offsets) & (offsets < before))


def _candidates(file: ExampleFile, window: Window, draw: Draw) -> tuple[Floats, Ints, Rows]:
    """What one file could add to the sample: keys, offsets, and positions among the file's train rows."""
    offsets, *others = file.ints_of("train", "offset", *(["event_timestamp"] if draw.half_life is not None else []))
    rows = np.flatnonzero(_before(window, offsets))
    keys = draw.keys(offsets[rows], (others or [offsets])[0][rows])
    best = draw.first(keys, offsets[rows])
    return keys[best], offsets[rows][best], rows[best]


def _before(window: Window, offsets: Ints) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    return window.learnt(offsets) & (offsets <= window.start)
