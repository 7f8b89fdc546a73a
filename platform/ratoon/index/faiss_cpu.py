"""FAISS on the processor (Douze et al. 2024, arXiv:2401.08281), changed in place while it is searched.

While there are few items every vector is looked at: one list. Then they lie in the lists of their nearest centroids, and a
search looks at the likeliest of these. Ids, slots and columns are Python's; vectors lie in one or two copies of the lists.
"""

from collections.abc import Iterable, Sequence
from threading import Lock, RLock

import numpy as np
import pyarrow as pa

from ratoon.domain.dial import Dial, IndexPolicy, dial_for
from ratoon.domain.embedding import EmbeddingBatch, Vectors
from ratoon.domain.release import Metric
from ratoon.domain.shift import Shift
from ratoon.index.asked import Asked
from ratoon.index.bests import Best, best_of
from ratoon.index.centroids import SAMPLE, shape_for
from ratoon.index.checks import accepted, queries_accepted
from ratoon.index.exact import recall_of
from ratoon.index.found import Found
from ratoon.index.lists import Lists, Shape
from ratoon.index.ranks import Ranks, ranks_of
from ratoon.index.rebuilding import carry, double
from ratoon.index.searching import searched
from ratoon.index.sides import Sides
from ratoon.index.slots import Rows, Slots
from ratoon.index.snapshots import ITEMS
from ratoon.index.stored import Stored, read, write
from ratoon.ports import Files

ALONE = IndexPolicy(copies=1)
"""For one thread."""


class FaissIndex:
    """Inner-product search on the processor. Any number of threads may search and change it.

    Changes wait for each other. With two copies a search waits for nothing; with one, for the change that is being written.

    Attributes:
        policy: what is asked of it.
        dial: how it is laid out.
    """

    def __init__(self, dim: int, metric: Metric, policy: IndexPolicy = ALONE) -> None:
        self.dim, self.metric, self.policy = dim, metric, policy
        self.dial = Dial()
        self._slots = Slots()
        self._open(Lists(Shape(np.zeros((1, dim), np.float32), "flat", np.empty(0, np.float32))))

    def _open(self, lists: Lists) -> None:
        self._sides = Sides(lists, lists.copy() if self.policy.copies == 2 else None)
        self._writing, self._rebuilding = RLock(), Lock()
        self._missed: list[tuple[Rows, Vectors | None]] | None = None
        self._items: tuple[int, bytes] | None = None

    @classmethod
    def load(cls, files: Files, policy: IndexPolicy = ALONE) -> "FaissIndex":
        """The index whose `snapshot` is among `files`; StoreError if it is missing or does not fit together."""
        stored = read(files)
        index = cls(stored.lists.dim, stored.metric, policy)
        index._slots, index.dial = stored.slots, stored.dial
        index._open(stored.lists)
        index._items = (index._slots.edits, files[ITEMS])
        return index

    def copy(self) -> "FaissIndex":
        """The same items, changed apart from this one from now on."""
        with self._writing:
            other = FaissIndex(self.dim, self.metric, self.policy)
            other._slots, other.dial = self._slots.copy(), self.dial
            other._open(self._sides.live.copy())
            other._items = self._items
            return other

    def __len__(self) -> int:
        """How many items it holds."""
        return len(self._slots)

    def __contains__(self, item_id: object) -> bool:
        """Whether it holds this item."""
        return item_id in self._slots

    def ids(self) -> list[str]:
        """The item ids it holds, sorted."""
        with self._writing:
            return sorted(self._slots)

    def upsert(self, batch: EmbeddingBatch) -> None:
        """Insert the batch's items, or replace them; DataError before anything has changed (see `accepted`)."""
        batch = accepted(batch, self.dim, self.metric)
        with self._writing:
            self._put(self._slots.put(batch.ids, batch.columns), batch.vectors)

    def overwrite(self, ids: Sequence[str], vectors: Vectors) -> None:
        """Other vectors for items it holds; DataError for vectors that are refused, KeyError for an id that it does not hold."""
        batch = accepted(EmbeddingBatch(tuple(ids), vectors, pa.table({"item_id": list(ids)})), self.dim, self.metric)
        with self._writing:
            self._put(self._slots.of(batch.ids), batch.vectors)

    def _put(self, slots: Rows, vectors: Vectors) -> None:
        live = self._sides.live
        lists, codes = live.assigned(vectors), live.encoded(vectors)
        self._sides.change(lambda side: side.put(slots, lists, codes))
        if self._missed is not None:
            self._missed.append((slots, vectors))

    def remove(self, ids: Iterable[str]) -> int:
        """Take items away; ids it does not hold are passed over. Returns how many were there."""
        with self._writing:
            there = [item for item in dict.fromkeys(ids) if item in self._slots]
            slots = self._slots.of(there)
            self._sides.change(lambda side: side.drop(slots))
            self._slots.free(there)  # no reader is left who could find another item under one of these slots
            if self._missed is not None:
                self._missed.append((slots, None))
            return len(there)

    def search(self, queries: Vectors, k: int, exclude: Sequence[Iterable[str]] = ()) -> list[Found]:
        """For each query its k best (item id, score), best first, ties by id; see `ports.Index`."""
        queries = queries_accepted(queries, self.dim, k, exclude)
        with self._sides.reading() as lists:
            return searched(lists, self._slots, queries, k, min(self.dial.nprobe, lists.nlist), exclude)

    def ranks(
        self, queries: Vectors, wanted: Sequence[str], k: int, exclude: Sequence[Iterable[str]] = (), moved: Shift | None = None
    ) -> Ranks:
        """For each query the place of its item among the k best; see `ports.Index`."""
        with self._writing:
            return ranks_of(self._asked(queries, k, exclude, moved), wanted, k)

    def best(self, queries: Vectors, k: int, exclude: Sequence[Iterable[str]] = (), moved: Shift | None = None) -> Best:
        """For each query the ids of its k best, best first; see `ports.Index`."""
        with self._writing:
            return best_of(self._asked(queries, k, exclude, moved), k)

    def _asked(self, queries: Vectors, k: int, exclude: Sequence[Iterable[str]], moved: Shift | None) -> Asked:
        queries = queries_accepted(queries, self.dim, k, exclude)
        return Asked.of(queries, self._sides.live.held(), self._slots, exclude, moved)

    def columns(self, ids: Sequence[str]) -> list[dict[str, object]]:
        """The display and filter columns of items it holds, in order; KeyError for an id that it does not hold."""
        return self._slots.rows(ids)

    def vectors(self, ids: Sequence[str]) -> Vectors:
        """A copy of the vectors of items it holds, in order, shape (n, dim); KeyError for an id that it does not hold."""
        with self._writing:
            return self._sides.live.vectors(self._slots.of(ids))

    def recall(self, queries: Vectors, k: int) -> float:
        """The share of the exact top k that `search` returns; ties count whichever is chosen."""
        with self._writing:
            return recall_of(self.search(queries, k), queries, self._sides.live.held(), self._slots, k)

    def rebuild(self, dial: Dial | None = None) -> None:
        """Lay the vectors out anew, as suits their number or as `dial` says, while they are searched and changed.

        The second copy gives way to the new lists and is made again afterwards: there are never more than two, or, if the
        policy has one, one and the new one beside it until it is taken.
        """
        with self._rebuilding:
            with self._writing:
                self._sides.drop_spare()
                self._missed = []
                dial = dial or dial_for(len(self._slots), self.policy)
                taken = self._slots.taken()
                rows = np.random.default_rng(len(taken)).permutation(len(taken))[: SAMPLE * dial.lists]
                sample = self._sides.live.vectors(taken[np.sort(rows)])
            fresh = Lists(shape_for(dial, sample))
            carry(self._sides, fresh, len(self._slots.ids))
            with self._writing:
                self._catch_up(fresh)
                self._sides.replace(fresh)
                self.dial = dial
            if self.policy.copies == 2:
                spare = Lists(fresh.shape)
                double(self._sides, spare)
                with self._writing:
                    self._catch_up(spare)
                    self._sides.pair_with(spare)
            with self._writing:
                self._missed = None

    def _catch_up(self, lists: Lists) -> None:
        """Do again in a new copy what was changed since it was begun."""
        for slots, vectors in self._missed or ():
            if vectors is None:
                lists.drop(slots)
            else:
                lists.put(slots, lists.assigned(vectors), lists.encoded(vectors))
        self._missed = []

    def snapshot(self) -> Files:
        """`index.safetensors` and `items.parquet`, both in the order of item ids."""
        with self._writing:
            # Vectors move at every refresh, what is told of the items seldom: then the bytes that were loaded still say it.
            known = self._items[1] if self._items and self._items[0] == self._slots.edits else None
            files = write(Stored(self._slots, self._sides.live, self.metric, self.dial), known)
            self._items = (self._slots.edits, files[ITEMS])
            return files
