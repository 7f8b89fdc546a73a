"""FAISS `IndexFlatIP`, changed in place (Douze et al. 2024, arXiv:2401.08281).

The FAISS array is kept as dense as the slots: vectors are overwritten through a NumPy view on FAISS's own memory, appended
at its end and cut off at its end. Nothing is ever rebuilt. One lock guards the array and the slots together, for a search
that ran during a change would read vectors and ids of different moments.
"""

from collections.abc import Iterable, Sequence
from threading import RLock

import faiss
import numpy as np
import numpy.typing as npt

from ratoon.domain.embedding import EmbeddingBatch, Vectors
from ratoon.domain.errors import StoreError
from ratoon.domain.release import Metric
from ratoon.index.checks import accepted, queries_accepted
from ratoon.index.exact import Found, best, recall_of
from ratoon.index.slots import Slots
from ratoon.index.snapshots import FIX, ITEMS, part, read_items, restored, write_items
from ratoon.ports import Files

VECTORS = "index.faiss"


class FlatIndex:
    """Inner-product search on the processor by FAISS. Safe for any number of threads, by one lock."""

    def __init__(self, dim: int, metric: Metric) -> None:
        self.dim, self.metric = dim, metric
        self._lock = RLock()
        self._slots = Slots()
        self._faiss = faiss.IndexFlatIP(dim)

    @classmethod
    def load(cls, files: Files) -> "FlatIndex":
        """The index whose `snapshot` is among `files`; StoreError if it is missing or does not fit together."""
        table, metric = read_items(files)
        try:
            stored = faiss.deserialize_index(np.frombuffer(part(files, VECTORS), np.uint8))
        except RuntimeError as error:
            raise StoreError(VECTORS, expected="an index that FAISS can read", found=str(error), fix=FIX) from error
        if not isinstance(stored, faiss.IndexFlatIP):
            raise StoreError(VECTORS, expected="an IndexFlatIP", found=type(stored).__name__, fix=FIX)
        index = cls(stored.d, metric)
        index._slots, index._faiss = restored(table, stored.ntotal, VECTORS), stored
        return index

    def __len__(self) -> int:
        """How many items it holds."""
        with self._lock:
            return len(self._slots)

    def ids(self) -> list[str]:
        """The item ids it holds, sorted."""
        with self._lock:
            return sorted(self._slots.ids)

    def upsert(self, batch: EmbeddingBatch) -> None:
        """Insert the batch's items, or replace them; DataError before anything has changed (see `accepted`)."""
        batch = accepted(batch, self.dim, self.metric)
        with self._lock:
            slots = self._slots.put(batch.ids, batch.columns)
            old = slots < self._faiss.ntotal
            self._memory()[slots[old]] = batch.vectors[old]
            if not old.all():
                self._faiss.add(batch.vectors[~old])

    def remove(self, ids: Iterable[str]) -> int:
        """Take items away; ids it does not hold are passed over. Returns how many were there."""
        with self._lock:
            before = len(self._slots)
            holes, movers = self._slots.remove(ids)
            memory = self._memory()
            memory[holes] = memory[movers]
            self._faiss.remove_ids(faiss.IDSelectorRange(len(self._slots), before))
            return before - len(self._slots)

    def search(self, queries: Vectors, k: int, exclude: Sequence[Iterable[str]] = ()) -> list[Found]:
        """For each query its k best (item id, score), best first, ties by id; see `ports.Index`."""
        queries = queries_accepted(queries, self.dim, k, exclude)
        with self._lock:
            if not exclude:
                return self._top(queries, k, np.empty(0, np.int64))
            gone = [self._slots.find(ids) for ids in exclude]
            return [self._top(query[None, :], k, out)[0] for query, out in zip(queries, gone, strict=True)]

    def _top(self, queries: Vectors, k: int, gone: npt.NDArray[np.int64]) -> list[Found]:
        allowed = self._faiss.ntotal - len(gone)
        if not allowed or not len(queries):
            return [[] for _ in queries]
        depth = min(k + 1, allowed)
        scores, slots = self._faiss_search(queries, depth, gone)
        # FAISS breaks ties by slot, and slots depend on history: look deeper until every tie at rank k is in sight.
        while depth < allowed and (scores[:, k - 1] == scores[:, -1]).any():
            depth = min(depth * 2, allowed)
            scores, slots = self._faiss_search(queries, depth, gone)
        return [best(self._slots.ids, row.tolist(), own.tolist(), k) for row, own in zip(slots, scores, strict=True)]

    def _faiss_search(
        self, queries: Vectors, depth: int, gone: npt.NDArray[np.int64]
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
        if not len(gone):
            return self._faiss.search(queries, depth)
        allowed = faiss.IDSelectorNot(faiss.IDSelectorBatch(gone))
        params = faiss.SearchParameters(sel=allowed)  # type: ignore[call-arg]  # missing in FAISS's stubs
        return self._faiss.search(queries, depth, params=params)

    def columns(self, ids: Sequence[str]) -> list[dict[str, object]]:
        """The display and filter columns of items it holds, in order; KeyError for an id that it does not hold."""
        with self._lock:
            return self._slots.rows(ids)

    def vectors(self, ids: Sequence[str]) -> Vectors:
        """A copy of the vectors of items it holds, in order, shape (n, dim); KeyError for an id that it does not hold."""
        with self._lock:
            return self._memory()[self._slots.of(ids)]

    def recall(self, queries: Vectors, k: int) -> float:
        """The share of the exact top k that `search` returns; ties count whichever is chosen."""
        with self._lock:
            return recall_of(self.search(queries, k), queries, self._memory(), self._slots, k)

    def snapshot(self) -> Files:
        """`index.faiss` and `items.parquet`, both in the order of item ids."""
        with self._lock:
            ordered = faiss.IndexFlatIP(self.dim)
            ordered.add(self._memory()[self._slots.by_id()])
            return {VECTORS: faiss.serialize_index(ordered).tobytes(), ITEMS: write_items(self._slots, self.metric)}

    def _memory(self) -> Vectors:
        """A writable view on FAISS's vectors, shape (n, dim); good until the next `add` or `remove_ids`."""
        count = self._faiss.ntotal
        if not count:
            return np.empty((0, self.dim), np.float32)
        view: Vectors = faiss.rev_swig_ptr(self._faiss.get_xb(), count * self.dim).reshape(count, self.dim)
        return view
