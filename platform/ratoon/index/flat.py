"""FAISS `IndexFlatIP`, changed in place (Douze et al. 2024, arXiv:2401.08281).

The FAISS array is kept as dense as the slots: vectors are overwritten through a NumPy view on FAISS's own memory, appended
at its end and cut off at its end. Nothing is ever rebuilt. One lock guards the array and the slots together, for a search
that ran during a change would read vectors and ids of different moments.
"""

from collections.abc import Iterable, Iterator, Sequence, Set
from threading import RLock

import faiss
import numpy as np
import pyarrow as pa

from ratoon.domain.embedding import EmbeddingBatch, Vectors
from ratoon.domain.errors import StoreError
from ratoon.domain.release import Metric
from ratoon.domain.shift import Shift
from ratoon.index.asked import Asked
from ratoon.index.bests import Best, best_of
from ratoon.index.checks import accepted, queries_accepted
from ratoon.index.exact import Found, best, recall_of
from ratoon.index.ranks import Ranks, ranks_of
from ratoon.index.slots import Rows, Slots
from ratoon.index.snapshots import FIX, ITEMS, part, read_items, restored, write_items
from ratoon.ports import Files

VECTORS = "index.faiss"
LONG = 1_024
"""More exclusions of one query than these: then it is searched for on its own, among what is left."""

# Numbers in a batch of queries from which on FAISS multiplies matrices; it would wait for 128,000, and with eight vectors of 64
# that is twice as fast already.
faiss.cvar.distance_compute_blas_threshold = 512


class FlatIndex:
    """Inner-product search on the processor by FAISS. Safe for any number of threads, by one lock."""

    def __init__(self, dim: int, metric: Metric) -> None:
        self.dim, self.metric = dim, metric
        self._lock = RLock()
        self._slots = Slots()
        self._faiss = faiss.IndexFlatIP(dim)
        self._items: tuple[int, bytes] | None = None

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
        if index._in_order():
            index._items = (index._slots.edits, files[ITEMS])
        return index

    def copy(self) -> "FlatIndex":
        """The same items, changed apart from this one from now on."""
        with self._lock:
            other = FlatIndex(self.dim, self.metric)
            other._slots, other._items = self._slots.copy(), self._items
            other._faiss.add(self._memory())
            return other

    def __len__(self) -> int:
        """How many items it holds."""
        with self._lock:
            return len(self._slots)

    def __contains__(self, item_id: object) -> bool:
        """Whether it holds this item."""
        with self._lock:
            return item_id in self._slots

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

    def overwrite(self, ids: Sequence[str], vectors: Vectors) -> None:
        """Other vectors for items it holds; DataError for vectors that are refused, KeyError for an id that it does not hold."""
        batch = accepted(EmbeddingBatch(tuple(ids), vectors, pa.table({"item_id": list(ids)})), self.dim, self.metric)
        with self._lock:
            self._memory()[self._slots.of(batch.ids)] = batch.vectors

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
            gone = [self._slots.find(ids) for ids in exclude] or [np.empty(0, np.int64)] * len(queries)
            found: list[Found] = [[] for _ in queries]
            for spare, rows in _alike(gone).items():
                if spare > LONG:
                    for row in rows:
                        found[row] = self._without(queries[row : row + 1], k, gone[row])
                else:
                    for row, pairs in self._beyond(queries, rows, k, spare, gone):
                        found[row] = pairs
            return found

    def _beyond(self, queries: Vectors, rows: list[int], k: int, spare: int, gone: Sequence[Rows]) -> Iterator[tuple[int, Found]]:
        """Search for as many more as may be excluded, at most `spare`, and leave those out; rows in any order."""
        depth, count = k + 1 + spare, self._faiss.ntotal
        while rows and count:
            depth, deeper = min(depth, count), []
            scores, slots = self._faiss.search(queries[rows], depth)
            for row, own, near in zip(rows, scores.tolist(), slots.tolist(), strict=True):
                pairs = _first(own, near, k, set(gone[row].tolist()))
                # FAISS breaks ties by slot, and slots depend on history: look deeper until every tie at rank k is in sight.
                if len(pairs) >= k and pairs[-1][1] == own[-1] and depth < count:
                    deeper.append(row)
                else:
                    yield row, best(self._slots.ids, pairs, k)
            rows, depth = deeper, depth * 2

    def _without(self, query: Vectors, k: int, gone: Rows) -> Found:
        """Search among the others alone; for one query, and many to leave out."""
        allowed = self._faiss.ntotal - len(gone)
        others = faiss.IDSelectorNot(faiss.IDSelectorBatch(gone))
        params = faiss.SearchParameters(sel=others)  # type: ignore[call-arg]  # missing in FAISS's stubs
        depth = min(k + 1, allowed)
        while depth:
            scores, slots = self._faiss.search(query, depth, params=params)
            if depth == allowed or scores[0, k - 1] != scores[0, -1]:
                return best(self._slots.ids, list(zip(slots[0].tolist(), scores[0].tolist(), strict=True)), k)
            depth = min(depth * 2, allowed)
        return []

    def ranks(
        self, queries: Vectors, wanted: Sequence[str], k: int, exclude: Sequence[Iterable[str]] = (), moved: Shift | None = None
    ) -> Ranks:
        """For each query the place of its item among the k best; see `ports.Index`."""
        with self._lock:
            return ranks_of(self._asked(queries, k, exclude, moved), self._slots, wanted, k)

    def best(self, queries: Vectors, k: int, exclude: Sequence[Iterable[str]] = (), moved: Shift | None = None) -> Best:
        """For each query the ids of its k best, best first; see `ports.Index`."""
        with self._lock:
            return best_of(self._asked(queries, k, exclude, moved), k)

    def _asked(self, queries: Vectors, k: int, exclude: Sequence[Iterable[str]], moved: Shift | None) -> Asked:
        accepted = queries_accepted(queries, self.dim, k, exclude)
        return Asked.of(accepted, self._memory(), self._slots, exclude, moved)

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
            ordered = self._faiss
            if not self._in_order():
                ordered = faiss.IndexFlatIP(self.dim)
                ordered.add(self._memory()[self._slots.by_id()])
            # Vectors move at every refresh, what is told of the items seldom: then the bytes that were loaded still say it.
            if self._items is None or self._items[0] != self._slots.edits:
                self._items = (self._slots.edits, write_items(self._slots, self.metric))
            return {VECTORS: faiss.serialize_index(ordered).tobytes(), ITEMS: self._items[1]}

    def _in_order(self) -> bool:
        return self._slots.ids == sorted(self._slots.ids)

    def _memory(self) -> Vectors:
        """A writable view on FAISS's vectors, shape (n, dim); good until the next `add` or `remove_ids`."""
        count = self._faiss.ntotal
        if not count:
            return np.empty((0, self.dim), np.float32)
        view: Vectors = faiss.rev_swig_ptr(self._faiss.get_xb(), count * self.dim).reshape(count, self.dim)
        return view


def _alike(gone: Sequence[Rows]) -> dict[int, list[int]]:
    """How many are excluded, rounded up to a power of two, and the queries for which it is as many."""
    rows: dict[int, list[int]] = {}
    for row, out in enumerate(gone):
        rows.setdefault(1 << max(4, (len(out) - 1).bit_length()) if len(out) else 0, []).append(row)
    return rows


def _first(scores: Sequence[float], slots: Sequence[int], k: int, gone: Set[int]) -> list[tuple[int, float]]:
    """Of pairs with falling scores the first k that are not gone, and all that tie with the last of them."""
    found: list[tuple[int, float]] = []
    for slot, score in zip(slots, scores, strict=True):
        if len(found) >= k and score < found[-1][1]:
            break
        if slot not in gone:
            found.append((slot, score))
    return found
