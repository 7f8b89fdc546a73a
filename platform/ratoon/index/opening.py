"""Where indexes come from: one class per device."""

from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from ratoon.domain.dial import IndexPolicy
from ratoon.domain.release import Metric
from ratoon.index.distributions import refuse_two_faiss
from ratoon.index.exact import ExactIndex
from ratoon.ports import Files, Index

if TYPE_CHECKING:
    from ratoon.index.faiss_cpu import FaissIndex
    from ratoon.index.gpu.place import Place


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
        mapped: the folder of the files that `shared` ones are mapped from; without it they are held in memory.

    Raises:
        UsageError: more than one FAISS distribution is installed.
        StoreError: none is.
    """

    def __init__(self, policy: IndexPolicy | None = None, mapped: Path | None = None) -> None:
        self._kind, self._wanted, self._mapped = _faiss(), policy or IndexPolicy(), mapped
        self._policy = replace(self._wanted, copies=1)

    def shared(self) -> "FaissIndexes | MappedIndexes":
        """The same, in as many copies as the policy says: for readers who do not wait."""
        if self._mapped is not None:
            return MappedIndexes(self._wanted, self._mapped)
        made = FaissIndexes(self._wanted)
        made._policy = self._wanted
        return made

    def empty(self, dim: int, metric: Metric) -> Index:
        """An index without items, for vectors of length `dim`."""
        return self._kind(dim, metric, self._policy)

    def load(self, files: Files) -> Index:
        """The index whose `snapshot` is among `files`; StoreError if it is missing or does not fit together."""
        return self._kind.load(files, self._policy)


class MappedIndexes:
    """Indexes of which most is in a file that all servers of a machine map, and what each changed since in its own memory.

    Args:
        policy: what is asked of them; as many copies are kept of what was changed.
        folder: where the files are made, once per snapshot.

    Raises:
        UsageError: more than one FAISS distribution is installed.
        StoreError: none is.
    """

    def __init__(self, policy: IndexPolicy, folder: Path) -> None:
        self._kind, self._policy = _faiss(), policy
        from ratoon.index.mapped.files import MappedFiles
        from ratoon.index.stored import read

        self._reader = partial(read, laid=MappedFiles(folder).laid)

    def empty(self, dim: int, metric: Metric) -> Index:
        """An index without items, for vectors of length `dim`."""
        return self.load(self._kind(dim, metric).snapshot())

    def load(self, files: Files) -> Index:
        """The index whose `snapshot` is among `files`; StoreError if it is missing or does not fit together."""
        index = self._kind.load(files, self._policy, self._reader)
        # What Arrow took to read the items and would keep is more than half of what a copy of a million vectors takes.
        pa.default_memory_pool().release_unused()
        return index


class TensorIndexes:
    """Indexes on one device, by torch, which is imported when the first of them is opened.

    Args:
        policy: what is asked of them.
        device: as torch calls it.
    """

    def __init__(self, policy: IndexPolicy | None = None, device: str = "cuda") -> None:
        self._policy, self._device = policy or IndexPolicy(), device

    def _place(self) -> "Place":
        from ratoon.index.gpu.place import Place

        return Place.of(self._device)

    def empty(self, dim: int, metric: Metric) -> Index:
        """An index without items, for vectors of length `dim`; StoreError if the device has no room."""
        from ratoon.index.gpu.tensor import TensorIndex

        return TensorIndex(dim, metric, self._policy, self._place())

    def load(self, files: Files) -> Index:
        """The index whose `snapshot` is among `files`; StoreError if it is missing, or does not fit together or on the device."""
        from ratoon.index.gpu.tensor import TensorIndex

        return TensorIndex.load(files, self._policy, self._place())


class ExactIndexes:
    """Indexes by brute force in NumPy: slow, and right by construction."""

    def empty(self, dim: int, metric: Metric) -> Index:
        """An index without items, for vectors of length `dim`."""
        return ExactIndex(dim, metric)

    def load(self, files: Files) -> Index:
        """The index whose `snapshot` is among `files`; StoreError if it is missing or does not fit together."""
        return ExactIndex.load(files)
