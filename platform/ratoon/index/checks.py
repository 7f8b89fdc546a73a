"""What an index refuses, before anything is changed or searched."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ratoon.domain.embedding import NORM, EmbeddingBatch, Vectors
from ratoon.domain.errors import DataError, UsageError
from ratoon.domain.release import Metric

LARGEST = 65_504
"""The largest number of a vector: that of float16."""


def accepted(batch: EmbeddingBatch, dim: int, metric: Metric) -> EmbeddingBatch:
    """The batch with the last of each duplicate id, float32 and C-contiguous.

    Raises:
        DataError: vectors of another length than `dim`, or with numbers beyond LARGEST; under `cosine` one that is not
            normalised; `columns.item_id` is not `ids`.
    """
    if batch.vectors.ndim != 2 or batch.vectors.shape[1] != dim:
        raise DataError(
            "EmbeddingBatch.vectors",
            expected=f"shape (n, {dim})",
            found=str(batch.vectors.shape),
            fix="Embed the items with the model that this index belongs to.",
        )
    _bounded(batch)
    _same_items(batch)
    last = {item: row for row, item in enumerate(batch.ids)}
    if len(last) < len(batch.ids):
        rows = list(last.values())
        batch = EmbeddingBatch(tuple(last), batch.vectors[rows], batch.columns.take(rows))
    if metric == "cosine":
        _normalised(batch)
    return replace(batch, vectors=np.ascontiguousarray(batch.vectors, dtype=np.float32))


def _bounded(batch: EmbeddingBatch) -> None:
    far = np.flatnonzero((np.abs(batch.vectors) > LARGEST).any(axis=1))
    if len(far):
        raise DataError(
            "EmbeddingBatch.vectors",
            expected=f"numbers from -{LARGEST:,} to {LARGEST:,}, which float16 can hold",
            found=f"{np.abs(batch.vectors[far[0]]).max():g} for item {batch.ids[far[0]]!r}",
            fix="Look at that item's features, or scale the tower's output.",
        )


def _same_items(batch: EmbeddingBatch) -> None:
    if "item_id" not in batch.columns.column_names or batch.columns.column("item_id").to_pylist() != list(batch.ids):
        raise DataError(
            "EmbeddingBatch.columns",
            expected="a column item_id with the batch's ids in order",
            found=f"columns {', '.join(batch.columns.column_names)} of other items",
            fix="Describe the items that were embedded, in the same order.",
        )


def _normalised(batch: EmbeddingBatch) -> None:
    norms = np.linalg.norm(batch.vectors, axis=1)
    off = np.flatnonzero(np.abs(norms - 1.0) >= NORM)
    if len(off):
        raise DataError(
            "EmbeddingBatch.vectors",
            expected="vectors of length 1 (metric cosine)",
            found=f"length {norms[off[0]]:.6g} for item {batch.ids[off[0]]!r}",
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
