"""Brute force in NumPy: the oracle that every other index is measured by."""

import io
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from threading import RLock

import numpy as np
import numpy.typing as npt

from ratoon.domain.dial import Dial
from ratoon.domain.embedding import EmbeddingBatch, Vectors
from ratoon.domain.errors import StoreError
from ratoon.domain.predicate import Predicate
from ratoon.domain.release import Metric
from ratoon.domain.shift import Shift
from ratoon.index.answers.found import Found, best
from ratoon.index.answers.held import Held
from ratoon.index.answers.scores import exact_scores, recall_of
from ratoon.index.checks import accepted, queries_accepted, refuse_unequal, vectors_accepted
from ratoon.index.filters.current import Filters
from ratoon.index.items.slots import Rows, Slots
from ratoon.index.shown import Shown, T
from ratoon.index.snapshots import FIX, ITEMS, part, placed, read_items, write_items
from ratoon.ports import Files

VECTORS = "vectors.npy"
Ranks = npt.NDArray[np.int64]


class ExactIndex(Shown):
    """Inner-product search that looks at every vector. Safe for any number of threads, by one lock."""

    def __init__(self, dim: int, metric: Metric) -> None:
        self.dim, self.metric = dim, metric
        self._lock = RLock()
        self._open(Slots(), np.empty((0, dim), np.float32))

    def _open(self, slots: Slots, vectors: Vectors) -> None:
        self._slots, self._vectors, self._filters = slots, vectors, Filters(slots)

    @classmethod
    def load(cls, files: Files) -> "ExactIndex":
        """The index whose `snapshot` is among `files`; StoreError if it is missing or does not fit together."""
        table, metric = read_items(files)
        try:
            vectors = np.load(io.BytesIO(part(files, VECTORS)), allow_pickle=False)
        except (ValueError, EOFError) as error:
            raise StoreError(VECTORS, expected="a NumPy array", found=str(error), fix=FIX) from error
        if vectors.ndim != 2 or vectors.dtype != np.float32:
            raise StoreError(
                VECTORS, expected="float32, two dimensions", found=f"{vectors.dtype}, {vectors.ndim} dimensions", fix=FIX
            )
        places = placed(table, len(vectors), VECTORS)
        index = cls(vectors.shape[1], metric)
        index._open(Slots.told(places, table), vectors)
        return index

    def copy(self) -> "ExactIndex":
        """The same items, changed apart from this one from now on."""
        with self._lock:
            other = ExactIndex(self.dim, self.metric)
            other._open(self._slots.copy(), self._vectors.copy())
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
            return sorted(self._slots)

    def upsert(self, batch: EmbeddingBatch) -> None:
        """Insert the batch's items, or replace them; DataError before anything has changed (see `accepted`)."""
        batch = accepted(batch, self.dim, self.metric)
        with self._lock:
            slots = self._slots.put(batch.ids, batch.columns)
            grown = np.zeros((len(self._slots.ids), self.dim), np.float32)
            grown[: len(self._vectors)] = self._vectors[: len(grown)]
            grown[slots] = batch.vectors
            self._vectors = grown

    def overwrite(self, ids: Sequence[str], vectors: Vectors) -> None:
        """Other vectors for items it holds; DataError for vectors that are refused, KeyError for an id that it does not hold."""
        vectors = vectors_accepted(ids, vectors, self.dim, self.metric)
        with self._lock:
            self._vectors[self._slots.of(ids)] = vectors

    def remove(self, ids: Iterable[str]) -> int:
        """Take items away; ids it does not hold are passed over. Returns how many were there."""
        with self._lock:
            there = [item for item in dict.fromkeys(ids) if item in self._slots]
            self._slots.reuse(self._slots.free(there))
            return len(there)

    def search(
        self, queries: Vectors, k: int, exclude: Sequence[Iterable[str]] = (), only: Predicate | None = None
    ) -> list[Found]:
        """For each query its k best (item id, score), best first, ties by id; see `ports.Index`."""
        queries = queries_accepted(queries, self.dim, k, exclude)
        with self._lock:
            held = self._slots.taken() if only is None else self._filters.matches(only).all
            gone = [self._slots.find(ids) for ids in exclude] or [np.empty(0, np.int64)] * len(queries)
            return [self._search(query, k, np.setdiff1d(held, out)) for query, out in zip(queries, gone, strict=True)]

    def _search(self, query: Vectors, k: int, allowed: Rows) -> Found:
        scores = exact_scores(query[None, :], self._vectors[allowed])[0]
        if k < len(scores):
            near = scores >= np.partition(scores, -k)[-k]
            allowed, scores = allowed[near], scores[near]
        return best(self._slots.ids, zip(allowed.tolist(), scores.tolist(), strict=True), k)

    def ranks(
        self, queries: Vectors, wanted: Sequence[str], k: int, exclude: Sequence[Iterable[str]] = (), moved: Shift | None = None
    ) -> Ranks:
        """For each query the place of its item among the k best; see `ports.Index`."""
        refuse_unequal(wanted, queries)
        found = self.best(queries, k, exclude, moved)
        return np.array([own.index(item) if item in own else k for own, item in zip(found, wanted, strict=True)], np.int64)

    def best(
        self, queries: Vectors, k: int, exclude: Sequence[Iterable[str]] = (), moved: Shift | None = None
    ) -> list[tuple[str, ...]]:
        """For each query the ids of its k best, best first; see `ports.Index`."""
        queries = queries_accepted(queries, self.dim, k, exclude)
        found = []
        with self._lock:
            for row, query in enumerate(queries):
                scores = exact_scores(query[None, :], self._vectors)[0]
                if moved:
                    scores[self._slots.of(moved.items)] += moved.amounts[min(row, len(moved.amounts) - 1)]
                gone = self._slots.find(exclude[row] if exclude else ())
                allowed = np.setdiff1d(self._slots.taken(), gone)
                pairs = best(self._slots.ids, zip(allowed.tolist(), scores[allowed].tolist(), strict=True), k)
                found.append(tuple(item for item, _ in pairs))
        return found

    @property
    def dial(self) -> Dial:
        """One list, always."""
        return Dial(recall=1.0)

    def settle(self, _: Callable[[], Vectors], before: Dial | None = None) -> Dial:  # noqa: ARG002  # it has one layout
        """Nothing is to be done."""
        return self.dial

    def follow(self, _: Files, *__: object) -> "ExactIndex | None":
        """It is loaded anew."""
        return None

    def finish(self) -> None:
        """Nothing is left to do."""

    def probe(self) -> float | None:
        """All of the exact answers."""
        return 1.0

    def stats(self) -> dict[str, int | float | str | None]:
        """How many items it holds."""
        return {"items": len(self)}

    def _reading(self) -> AbstractContextManager[object]:
        return self._lock

    def _changing(self, change: Callable[[], T]) -> T:
        with self._lock:
            return change()

    def vectors(self, ids: Sequence[str]) -> Vectors:
        """A copy of the vectors of items it holds, in order, shape (n, dim); KeyError for an id that it does not hold."""
        with self._lock:
            return self._vectors[self._slots.of(ids)]

    def recall(self, queries: Vectors, k: int) -> float:
        """The share of the exact top k that `search` returns: 1.0, unless `search` is broken."""
        with self._lock:
            taken = self._slots.taken()
            return recall_of(self.search(queries, k), queries, Held(self._vectors[taken], taken), self._slots, k)

    def snapshot(self) -> Files:
        """`vectors.npy` and `items.parquet`, both in the order of item ids."""
        sink = io.BytesIO()
        with self._lock:
            order = self._slots.by_id()
            np.save(sink, self._vectors[order], allow_pickle=False)
            return {VECTORS: sink.getvalue(), ITEMS: write_items(self._slots, order, self.metric)}
