"""Exact search of one tensor on a device, changed in place: the index for servers that have a GPU.

A GPU reads its whole memory in less time than a processor takes to look into a few lists, so nothing has to be laid out, and an
answer is exact over the vectors that are kept. All that touches the device is done by one thread; see `owner`.
"""

import weakref
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict

import numpy as np

from ratoon.domain.dial import Dial, IndexPolicy
from ratoon.domain.embedding import EmbeddingBatch, Vectors
from ratoon.domain.errors import RatoonError
from ratoon.domain.predicate import Predicate
from ratoon.domain.release import Metric
from ratoon.domain.shift import Shift
from ratoon.index.answers.asked import Asked
from ratoon.index.answers.bests import Best, best_of
from ratoon.index.answers.found import Found
from ratoon.index.answers.held import Held
from ratoon.index.answers.ranks import Ranks, ranks_of
from ratoon.index.answers.scores import recall_of
from ratoon.index.checks import accepted, queries_accepted, vectors_accepted
from ratoon.index.filters.current import Filters
from ratoon.index.gpu.answering import Search, answered
from ratoon.index.gpu.carried import kept_as, read, write
from ratoon.index.gpu.matrix import Matrix
from ratoon.index.gpu.owner import Owner
from ratoon.index.gpu.place import Place
from ratoon.index.items.slots import Slots
from ratoon.index.shown import Shown, T
from ratoon.index.snapshots import ITEMS
from ratoon.ports import Files

Asking = tuple[Vectors, int, Sequence[Iterable[str]], Predicate | None]
"""Queries, how many items each wants, what each may not be answered with, and what must be true of an answer."""


class TensorIndex(Shown):
    """Inner-product search on a device. Any number of threads may search and change it.

    What is asked is done in the order in which it is asked: a search sees every change that returned before it.

    Attributes:
        policy: what is asked of it: up to `exact` items are kept in float32, more of them by `codec`, float16 in place of `sq8`.
    """

    waits = True

    def __init__(self, dim: int, metric: Metric, policy: IndexPolicy, place: Place) -> None:
        self._open(Slots(), Matrix(place, dim, "flat"), metric, policy)

    def _open(self, slots: Slots, matrix: Matrix, metric: Metric, policy: IndexPolicy) -> None:
        self.dim, self.metric, self.policy = matrix.dim, metric, policy
        self._slots, self._matrix, self._filters = slots, matrix, Filters(slots)
        self._items: tuple[int, bytes] | None = None
        self._held: Held | None = None
        self._owner = Owner()
        weakref.finalize(self, self._owner.close)

    @classmethod
    def load(cls, files: Files, policy: IndexPolicy, place: Place) -> "TensorIndex":
        """The index whose `snapshot` is among `files`; StoreError if that is missing, or does not fit together or the device."""
        slots, matrix, metric = read(files, place)
        index = cls.__new__(cls)
        index._open(slots, matrix, metric, policy)
        index._items = (slots.edits, files[ITEMS])
        return index

    def copy(self) -> "TensorIndex":
        """The same items, changed apart from this one from now on."""
        return self._owner.alone(self._copied)

    def _copied(self) -> "TensorIndex":
        other = type(self).__new__(type(self))
        other._open(self._slots.copy(), self._matrix.copy(), self.metric, self.policy)
        other._items = self._items
        return other

    @property
    def dial(self) -> Dial:
        """One list, whatever it was loaded from, and how vectors are kept."""
        return Dial(codec=self._matrix.codec)

    def __len__(self) -> int:
        """How many items it holds."""
        return len(self._slots)

    def __contains__(self, item_id: object) -> bool:
        """Whether it holds this item."""
        return item_id in self._slots

    def ids(self) -> list[str]:
        """The item ids it holds, sorted."""
        return sorted(self._slots)

    def upsert(self, batch: EmbeddingBatch) -> None:
        """Insert the batch's items, or replace them; DataError (see `accepted`) or StoreError before anything has changed."""
        batch = accepted(batch, self.dim, self.metric)
        self._owner.alone(lambda: self._put(batch))

    def _put(self, batch: EmbeddingBatch) -> None:
        new = sum(item not in self._slots for item in batch.ids)
        self._matrix.make_room(max(len(self._slots.ids), len(self._slots) + new))  # freed slots are filled first
        slots = self._slots.put(batch.ids, batch.columns)
        self._held = None
        self._matrix.put(slots, batch.vectors)

    def overwrite(self, ids: Sequence[str], vectors: Vectors) -> None:
        """Other vectors for items it holds; DataError for vectors that are refused, KeyError for an id that it does not hold."""
        vectors = vectors_accepted(ids, vectors, self.dim, self.metric)
        self._owner.alone(lambda: self._overwrite(ids, vectors))

    def _overwrite(self, ids: Sequence[str], vectors: Vectors) -> None:
        slots = self._slots.of(ids)
        self._held = None
        self._matrix.put(slots, vectors)

    def remove(self, ids: Iterable[str]) -> int:
        """Take items away; ids it does not hold are passed over. Returns how many were there."""
        asked = list(ids)
        return self._owner.alone(lambda: self._remove(asked))

    def _remove(self, ids: Sequence[str]) -> int:
        slots = self._slots.free([item for item in dict.fromkeys(ids) if item in self._slots])
        self._held = None
        self._matrix.drop(slots)
        self._slots.reuse(slots)  # whoever could look them up would be this thread
        return len(slots)

    def search(
        self, queries: Vectors, k: int, exclude: Sequence[Iterable[str]] = (), only: Predicate | None = None
    ) -> list[Found]:
        """For each query its k best (item id, score), best first, ties by id; see `ports.Index`."""
        queries = queries_accepted(queries, self.dim, k, exclude)
        asking: Asking = (queries, k, [list(ids) for ids in exclude], only)
        return self._owner.together(self._answer, asking)

    def _answer(self, asked: list[Asking]) -> list[list[Found] | Exception]:
        """An answer, or what is wrong with the question, for each."""
        found: list[Search | Exception] = []
        for queries, k, exclude, only in asked:
            try:
                matches = None if only is None else self._filters.matches(only)
            except RatoonError as refused:
                found.append(refused)
                continue
            gone = [self._slots.find(ids) for ids in exclude] or [np.empty(0, np.int64)] * len(queries)
            found.append(Search(queries, k, gone, matches))
        answers = iter(answered(self._matrix, self._slots.ids, [one for one in found if isinstance(one, Search)]))
        return [next(answers) if isinstance(one, Search) else one for one in found]

    def matching(self, ids: Iterable[str], only: Predicate) -> list[str]:
        """Those of these items that it holds and of which `only` is true, in order; see `ports.Index`."""
        asked = list(ids)
        return self._owner.alone(lambda: self._filters.matching(asked, only))

    def ranks(
        self, queries: Vectors, wanted: Sequence[str], k: int, exclude: Sequence[Iterable[str]] = (), moved: Shift | None = None
    ) -> Ranks:
        """For each query the place of its item among the k best, on the processor; see `ports.Index`."""
        return self._owner.alone(lambda: ranks_of(self._asked(queries, k, exclude, moved), wanted, k))

    def best(self, queries: Vectors, k: int, exclude: Sequence[Iterable[str]] = (), moved: Shift | None = None) -> Best:
        """For each query the ids of its k best, best first, on the processor; see `ports.Index`."""
        return self._owner.alone(lambda: best_of(self._asked(queries, k, exclude, moved), k))

    def _asked(self, queries: Vectors, k: int, exclude: Sequence[Iterable[str]], moved: Shift | None) -> Asked:
        queries = queries_accepted(queries, self.dim, k, exclude)
        return Asked.of(queries, self._all(), self._slots, exclude, moved)

    def _all(self) -> Held:
        if self._held is None:
            taken = self._slots.taken()
            self._held = Held(self._matrix.vectors(taken), taken)
        return self._held

    def _reading(self) -> AbstractContextManager[object]:
        return nullcontext()

    def _changing(self, change: Callable[[], T]) -> T:
        return self._owner.alone(change)

    def vectors(self, ids: Sequence[str]) -> Vectors:
        """A copy of the vectors of items it holds, in order, shape (n, dim); KeyError for an id that it does not hold."""
        return self._owner.alone(lambda: self._matrix.vectors(self._slots.of(ids)))

    def recall(self, queries: Vectors, k: int) -> float:
        """The share of the exact top k that `search` returns: 1.0, unless `search` is broken."""
        queries = queries_accepted(queries, self.dim, k, ())
        return self._owner.alone(lambda: self._recall(queries, k))

    def _recall(self, queries: Vectors, k: int) -> float:
        (found,) = self._answer([(queries, k, (), None)])
        assert isinstance(found, list)  # without a filter nothing is refused
        return recall_of(found, queries, self._all(), self._slots, k)

    def settle(self, _: Callable[[], Vectors], before: Dial | None = None) -> Dial:  # noqa: ARG002  # it keeps none
        """Keep the vectors as so many are kept; which of two ways changes back only where items are clearly few again."""
        self._owner.alone(self._settle)
        return self.dial

    def _settle(self) -> None:
        count, codec = len(self._slots), self._matrix.codec
        if count > self.policy.exact:
            codec = kept_as(self.policy.codec)
        elif 2 * count < self.policy.exact:
            codec = "flat"
        if codec != self._matrix.codec:
            self._matrix, self._held = self._matrix.copy(codec), None

    def follow(self, _: Files, *__: object) -> "TensorIndex | None":
        """It is loaded anew, beside this one."""
        return None

    def finish(self) -> None:
        """Nothing is left to do."""

    def probe(self) -> float | None:
        """All of the exact answers."""
        return 1.0

    def stats(self) -> dict[str, int | float | str | None]:
        """How many items it holds, on which device, and the dial's fields."""
        return {"items": len(self), "device": str(self._matrix.place.device), **asdict(self.dial)}

    def snapshot(self) -> Files:
        """`index.safetensors` and `items.parquet`, as FAISS's index with one list writes them; items stay in their rows."""
        return self._owner.alone(self._written)

    def _written(self) -> Files:
        known = self._items[1] if self._items and self._items[0] == self._slots.edits else None
        files = write(self._slots, self._matrix, self.metric, known)
        self._items = (self._slots.edits, files[ITEMS])
        return files
