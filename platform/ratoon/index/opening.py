"""Where indexes come from: one class per device."""

from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

from ratoon.domain.dial import IndexPolicy
from ratoon.domain.release import Metric
from ratoon.index.distributions import refuse_two_faiss
from ratoon.index.exact import ExactIndex
from ratoon.ports import Files, Index

if TYPE_CHECKING:
    from ratoon.index.faiss_cpu import FaissIndex


@cache
def _faiss() -> "type[FaissIndex]":
    # Checked once per process, and before the import: while two distributions share its folder, importing FAISS fails in
    # ways that name neither.
    refuse_two_faiss()
    from ratoon.index.faiss_cpu import FaissIndex

    return FaissIndex


class FaissIndexes:
    """Indexes on the processor, by FAISS, in one copy: for a process in which nobody reads while another changes them.

    Args:
        policy: what is asked of them.

    Raises:
        UsageError: more than one FAISS distribution is installed.
        StoreError: none is.
    """

    def __init__(self, policy: IndexPolicy | None = None) -> None:
        self._kind, self._wanted = _faiss(), policy or IndexPolicy()
        self._policy = replace(self._wanted, copies=1)

    def shared(self) -> "FaissIndexes":
        """The same, in as many copies as the policy says: for readers who do not wait."""
        made = FaissIndexes(self._wanted)
        made._policy = self._wanted
        return made

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
