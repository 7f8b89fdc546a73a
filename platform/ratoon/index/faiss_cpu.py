"""FAISS on the processor (Douze et al. 2024, arXiv:2401.08281), changed in place while it is searched.

While there are few items every vector is looked at: one list. Then they lie in the lists of their nearest centroids, and a
search looks at the likeliest of these. Ids, slots and columns are Python's; vectors lie in one or two copies of the lists.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict
from threading import RLock

import numpy as np

from ratoon.domain.dial import Dial, IndexPolicy, dial_for, due
from ratoon.domain.embedding import EmbeddingBatch, Vectors
from ratoon.domain.predicate import Predicate
from ratoon.domain.release import Metric
from ratoon.domain.shift import Shift
from ratoon.index.answers.asked import Asked
from ratoon.index.answers.bests import Best, best_of
from ratoon.index.answers.found import Found
from ratoon.index.answers.ranks import Ranks, ranks_of
from ratoon.index.answers.scores import recall_of
from ratoon.index.checks import accepted, queries_accepted, vectors_accepted
from ratoon.index.filters.block import Block
from ratoon.index.filters.current import Filters
from ratoon.index.filters.kept import Kept
from ratoon.index.filters.matches import Matches
from ratoon.index.filters.narrowing import side_by_side
from ratoon.index.following import Handover, become
from ratoon.index.items.slots import Slots
from ratoon.index.ivf.centroids import shape_for
from ratoon.index.ivf.fours import lists_of
from ratoon.index.ivf.layout import Layout
from ratoon.index.ivf.lists import Lists
from ratoon.index.ivf.tuning import DEPTHS
from ratoon.index.sampling import LEAST, Sample
from ratoon.index.searching import searched
from ratoon.index.shown import Shown, T
from ratoon.index.snapshots import ITEMS
from ratoon.index.stored import Stored, read, unpacked, write
from ratoon.ports import Files

ALONE = IndexPolicy(copies=1)
"""For one thread."""


class FaissIndex(Shown):
    """Inner-product search on the processor. Any number of threads may search and change it.

    Changes wait for each other. With two copies a search waits for nothing; with one, for the change that is being written.

    Attributes:
        policy: what is asked of it.
    """

    def __init__(self, dim: int, metric: Metric, policy: IndexPolicy = ALONE) -> None:
        self.dim, self.metric, self.policy = dim, metric, policy
        self._writing = RLock()
        self._slots = Slots()
        self._handover: Handover | None = None
        self._open(lists_of(shape_for(Dial(), np.empty((0, dim), np.float32))), Dial())

    def _open(self, lists: Lists, dial: Dial, *, paired: bool = True) -> None:
        self._layout = Layout(lists, dial, self.policy, self._writing, paired=paired)
        self._filters = Filters(self._slots)
        self._kept = Kept(self.policy.filter_mib << 20, self._layout)
        self._items: tuple[int, bytes] | None = None
        self._asked_lately = Sample(self.dim)

    @property
    def dial(self) -> Dial:
        """How it is laid out."""
        return self._layout.dial

    @classmethod
    def load(cls, files: Files, policy: IndexPolicy = ALONE, reader: Callable[[Files], Stored] = read) -> "FaissIndex":
        """The index whose `snapshot` is among `files`; StoreError if it is missing or does not fit together.

        Args:
            reader: says where the vectors come to lie. Where that is a file that others map, items are changed as ever, and
                how they are laid out stays: `rebuild`, `upkeep` and `settle` raise UsageError.
        """
        stored = reader(files)
        index = cls(stored.lists.dim, stored.metric, policy)
        index._slots = stored.slots
        index._open(stored.lists, stored.dial)
        index._items = (index._slots.edits, files[ITEMS])
        return index

    def copy(self) -> "FaissIndex":
        """The same items, changed apart from this one from now on."""
        with self._writing:
            self._layout.settle()  # now all slots of what was taken away are free
            other = FaissIndex(self.dim, self.metric, self.policy)
            other._slots = self._slots.copy()
            other._open(self._layout.live.copy(), self.dial)
            other._items = self._items
            return other

    def follow(
        self, files: Files, showing: Callable[[], None], without: Callable[[], Iterable[str]] = tuple
    ) -> "FaissIndex | None":
        """What a snapshot says, by what differs from what is here; see `ports.Index`.

        With two copies the one that nobody reads becomes the other index, and goes on alone until `finish`.
        """
        snapshot, lists = unpacked(files), self._layout.live
        if snapshot.metric != self.metric or not self._slots.has_columns(snapshot.table):
            return None
        if lists.mapped is not None or not lists.shape.alike(snapshot.written.shape):
            return None
        if self.policy.copies == 1:
            showing()
            become(self._slots, self._layout, self._writing, snapshot, without)
            return self
        other = FaissIndex(self.dim, self.metric, self.policy)
        with self._layout.lending() as (lent, touched):
            live, other._slots = self._layout.live, self._slots.copy()
        other._open(lent, self.dial, paired=False)
        become(other._slots, other._layout, other._writing, snapshot, without)
        other._filters.warm(self._filters)
        with other._layout.reading() as lists:
            other._kept.fill(self._kept.asked(), other._filters.matches, lists)
        other._handover = Handover(self, live, touched)
        return other

    def finish(self) -> None:
        """Have as many copies as the policy says: the second is that of the index this one followed, when nobody holds it."""
        if self._handover is None:
            self._layout.restore()
        elif self._handover.over(self._layout):
            self._handover = None

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
            new = [item for item in batch.ids if item not in self._slots]
            slots = self._slots.put(batch.ids, batch.columns)
            try:
                self._layout.put(slots, batch.vectors)
            except BaseException:
                # An id without a vector could be neither searched nor written down, nor may a rebuild put one there.
                self._layout.drop(self._slots.of(new), self._slots.reuse)
                self._slots.free(new)
                raise

    def overwrite(self, ids: Sequence[str], vectors: Vectors) -> None:
        """Other vectors for items it holds; DataError for vectors that are refused, KeyError for an id that it does not hold."""
        vectors = vectors_accepted(ids, vectors, self.dim, self.metric)
        with self._writing:
            self._layout.put(self._slots.of(ids), vectors)

    def remove(self, ids: Iterable[str]) -> int:
        """Take items away; ids it does not hold are passed over. Returns how many were there."""
        with self._writing:
            there = [item for item in dict.fromkeys(ids) if item in self._slots]
            self._layout.drop(self._slots.of(there), self._slots.reuse)
            self._slots.free(there)
            return len(there)

    def search(
        self, queries: Vectors, k: int, exclude: Sequence[Iterable[str]] = (), only: Predicate | None = None
    ) -> list[Found]:
        """For each query its k best (item id, score), best first, ties by id; see `ports.Index`."""
        queries = queries_accepted(queries, self.dim, k, exclude)
        self._asked_lately.add(queries, exclude)
        with self._layout.reading() as lists:
            # Asked in here: no slot in these lists is given to another item until we have left them.
            matches = None if only is None else self._filters.matches(only)
            block = None if only is None or matches is None else self._block(only, matches, lists)
            return searched(lists, self._slots, queries, k, self._layout.probes(lists), exclude, matches, block)

    def _block(self, only: Predicate, matches: Matches, lists: Lists) -> Block | None:
        """The vectors that match, if it pays to keep them."""
        pays = side_by_side(lists, matches, self._layout.probes(lists))
        return self._kept.block(only, matches, lists) if pays else None

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
        return Asked.of(queries, self._layout.held(), self._slots, exclude, moved)

    def _reading(self) -> AbstractContextManager[object]:
        return self._layout.reading()

    def _changing(self, change: Callable[[], T]) -> T:
        with self._writing:
            return change()

    def vectors(self, ids: Sequence[str]) -> Vectors:
        """A copy of the vectors of items it holds, in order, shape (n, dim); KeyError for an id that it does not hold."""
        with self._writing:
            return self._layout.live.vectors(self._slots.of(ids))

    def recall(self, queries: Vectors, k: int) -> float:
        """The share of the exact top k that `search` returns; ties count whichever is chosen."""
        with self._writing:
            return recall_of(self.search(queries, k), queries, self._layout.held(), self._slots, k)

    def rebuild(self, dial: Dial | None = None, queries: Vectors | None = None) -> Dial:
        """Lay the vectors out anew, as suits their number or as `dial` says, while they are searched and changed.

        The second copy gives way to the new lists and is made again afterwards: there are never more than two, or, if the
        policy has one, that one and the new one beside it until it is taken. One rebuild at a time.

        Args:
            queries: such as will be asked, shape (n, dim): what tells which dimensions matter and how many lists to look at.
        """
        dial = dial or dial_for(len(self._slots), self.policy)
        if queries is not None:
            queries = queries_accepted(queries, self.dim, self.policy.k, ())
        self._layout.rebuild(dial, queries)
        return self.dial

    def tune(self, queries: Vectors) -> Dial:
        """Look at as few lists as return the policy's share of the exact answers to such queries.

        Args:
            queries: shape (n, dim); without any, some of the items stand for them.
        """
        self._layout.tune(queries_accepted(queries, self.dim, self.policy.k, ()))
        return self.dial

    def probe(self) -> float | None:
        """The share of the exact answers that some of the newest searches found; None if too few have asked lately.

        What they excluded is no answer here either. Every vector is scored for each, a few lists at a time, in the thread that
        calls. If the policy asks for more than was certainly found, searches look into more lists from now on.
        """
        queries, excluded = self._asked_lately.asked()
        return self._layout.probe(queries, [self._slots.find(ids) for ids in excluded]) if len(queries) >= LEAST else None

    def upkeep(self) -> int:
        """Mend the lists that are most in want of it, in place and in little time; how many got another centroid."""
        return self._layout.upkeep()

    def settle(self, queries: Callable[[], Vectors], before: Dial | None = None) -> Dial:
        """Bring the layout up to what was written: made anew if there are far more items, or far fewer, mended otherwise.

        Args:
            queries: gives some such as will be asked, shape (n, dim); called only if a search may miss something.
            before: see `ports.Index`.
        """
        if due(self.dial, len(self._slots), self.policy, before):
            wanted = dial_for(len(self._slots), self.policy, before or self.dial)
            return self.rebuild(wanted, queries() if wanted.misses else None)
        for _ in range(self.dial.lists):
            if not self.upkeep():
                break
        dial = self.tune(asked := queries()) if self.dial.misses else self.dial
        # Levels were learnt from vectors of long ago: where even many times as many do not hold the best, they are learnt again.
        return self.rebuild(dial, asked) if dial.deep == DEPTHS[-1] else dial

    def stats(self) -> dict[str, int | float | str | None]:
        """How many items it holds, in how many copies, the dial's fields, and the largest list's size over the mean.

        If vectors are mapped from a file, which one, how many items lie over it, and how many of it are gone.
        """
        with self._writing:
            sizes = self._layout.live.sizes()
            largest = float(sizes.max() * len(sizes) / max(sizes.sum(), 1))
            said = {"items": len(self), "copies": self._layout.copies, **asdict(self.dial), "largest": largest}
            return {**said, **self._layout.live.told()}

    def snapshot(self) -> Files:
        """`index.safetensors` and `items.parquet`; items stay in their rows."""
        with self._writing:
            # Vectors move at every refresh, what is told of the items seldom: then the bytes that were loaded still say it.
            known = self._items[1] if self._items and self._items[0] == self._slots.edits else None
            files = write(Stored(self._slots, self._layout.live, self.metric, self.dial), known)
            self._items = (self._slots.edits, files[ITEMS])
            return files
