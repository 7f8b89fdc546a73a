"""What an index refuses, before anything is changed or searched."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ratoon.domain.embedding import NORM, EmbeddingBatch, Vectors
from ratoon.domain.errors import DataError, UsageError
from ratoon.domain.release import Metric

LARGEST = 65_504
"""The largest number of a vector: that of float16."""


def accepted(batch: EmbeddingBatch, dim: int, metric: Metric) -> EmbeddingBatch:
    """The batch with the last of each duplicate id, float32 and C-contiguous.

    Raises:
        DataError: `vectors_accepted` refuses the vectors; `columns.item_id` is not `ids`.
    """
    vectors = vectors_accepted(batch.ids, batch.vectors, dim, metric)
    _same_items(batch)
    last = {item: row for row, item in enumerate(batch.ids)}
    if len(last) == len(batch.ids):
        return replace(batch, vectors=vectors)
    rows = list(last.values())
    return EmbeddingBatch(tuple(last), vectors[rows], batch.columns.take(rows))


def vectors_accepted(ids: Sequence[str], vectors: Vectors, dim: int, metric: Metric) -> Vectors:
    """The vectors, float32 and C-contiguous; shape (n, dim).

    Args:
        ids: n of them.

    Raises:
        DataError: another shape; numbers beyond LARGEST, or none; under `cosine` a vector that is not normalised.
    """
    if vectors.shape != (len(ids), dim):
        raise DataError(
            "EmbeddingBatch.vectors",
            expected=f"shape ({len(ids)}, {dim})",
            found=str(vectors.shape),
            fix="Embed the items with the model that this index belongs to.",
        )
    # Whatever compares with NaN is false.
    far = np.flatnonzero(~(np.abs(vectors) <= LARGEST).all(axis=1))
    if len(far):
        raise DataError(
            "EmbeddingBatch.vectors",
            expected=f"numbers from -{LARGEST:,} to {LARGEST:,}, which float16 can hold",
            found=f"{np.abs(vectors[far[0]]).max():g} for item {ids[far[0]]!r}",
            fix="Look at that item's features, or scale the tower's output.",
        )
    if metric == "cosine":
        _normalised(ids, vectors)
    return np.ascontiguousarray(vectors, dtype=np.float32)


def _same_items(batch: EmbeddingBatch) -> None:
    if "item_id" not in batch.columns.column_names or batch.columns.column("item_id").to_pylist() != list(batch.ids):
        raise DataError(
            "EmbeddingBatch.columns",
            expected="a column item_id with the batch's ids in order",
            found=f"columns {', '.join(batch.columns.column_names)} of other items",
            fix="Describe the items that were embedded, in the same order.",
        )


def _normalised(ids: Sequence[str], vectors: Vectors) -> None:
    norms = np.linalg.norm(vectors, axis=1)
    off = np.flatnonzero(np.abs(norms - 1.0) >= NORM)
    if len(off):
        raise DataError(
            "EmbeddingBatch.vectors",
            expected="vectors of length 1 (metric cosine)",
            found=f"length {norms[off[0]]:.6g} for item {ids[off[0]]!r}",
            fix="Normalise in the tower, or declare the metric dot.",
        )


def refuse_unequal(wanted: Sequence[str], queries: Vectors) -> None:
    """Raise UsageError if there are not as many wanted items as queries."""
    if len(wanted) != len(queries):
        raise UsageError(
            "wanted", expected=f"{len(queries)} item ids", found=str(len(wanted)), fix="Name the item that each query is about."
        )


def queries_accepted(queries: Vectors, dim: int, k: int, exclusions: Sequence[object]) -> Vectors:
    """The queries, float32 and C-contiguous; shape (n, dim).

    Raises:
        DataError: another shape, NaN or infinity.
        UsageError: k below 1; exclusions for another number of queries.
    """
    if queries.ndim != 2 or queries.shape[1] != dim:
        raise DataError(
            "queries",
            expected=f"shape (n, {dim})",
            found=str(queries.shape),
            fix="Use the user tower of the release that this index belongs to.",
        )
    if not np.isfinite(queries).all():
        bad = int(np.flatnonzero(~np.isfinite(queries).all(axis=1))[0])
        raise DataError(
            "queries", expected="finite numbers", found=f"NaN or infinity in query {bad}", fix="Look at that user's features."
        )
    if k < 1:
        raise UsageError("k", expected="1 or more", found=str(k), fix="Ask for at least one candidate.")
    if exclusions and len(exclusions) != len(queries):
        raise UsageError(
            "exclude",
            expected=f"{len(queries)} sets of item ids, or none at all",
            found=f"{len(exclusions)} sets",
            fix="Give every query its own exclusions; they may be empty.",
        )
    return np.ascontiguousarray(queries, dtype=np.float32)


def refuse_mapped(file: Path | None, what: str) -> None:
    """Raise UsageError if what is to be changed lies in a file, where FAISS would be ended by it, and others look."""
    if file is not None:
        raise UsageError(
            "index.mapped",
            expected="a change of items",
            found=f"{what} of an index that is mapped from {file}",
            fix="Refresh: that process lays items out anew, and servers map what it publishes.",
        )
