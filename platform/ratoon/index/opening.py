"""Where indexes come from: one class per device."""

from functools import cache
from typing import TYPE_CHECKING

from ratoon.domain.dial import IndexPolicy
from ratoon.domain.release import Metric
from ratoon.index.distributions import refuse_two_faiss
from ratoon.index.exact import ExactIndex
from ratoon.ports import Files, Index

if TYPE_CHECKING:
    from ratoon.index.faiss_cpu import FaissIndex


ALONE = IndexPolicy(copies=1)
"""For a process in which one thread changes an index and nobody else reads it."""


@cache
def _faiss() -> "type[FaissIndex]":
    # Checked once per process, and before the import: while two distributions share its folder, importing FAISS fails in
    # ways that name neither.
    refuse_two_faiss()
    from ratoon.index.faiss_cpu import FaissIndex

    return FaissIndex


class FaissIndexes:
    """Indexes on the processor, by FAISS.

    Args:
        policy: what is asked of them.

    Raises:
        UsageError: more than one FAISS distribution is installed.
        StoreError: none is.
    """

    def __init__(self, policy: IndexPolicy = ALONE) -> None:
        self._kind, self._policy = _faiss(), policy

    def empty(self, dim: int, metric: Metric) -> Index:
        """An index without items, for vectors of length `dim`."""
        return self._kind(dim, metric, self._policy)

    def load(self, files: Files) -> Index:
        """The index whose `snapshot` is among `files`; StoreError if it is missing or does not fit together."""
        return self._kind.load(files, self._policy)


class ExactIndexes:
    """Indexes by brute force in NumPy: slow, and right by construction."""

    def empty(self, dim: int, metric: Metric) -> Index:
        """An index without items, for vectors of length `dim`."""
        return ExactIndex(dim, metric)

    def load(self, files: Files) -> Index:
        """The index whose `snapshot` is among `files`; StoreError if it is missing or does not fit together."""
        return ExactIndex.load(files)
