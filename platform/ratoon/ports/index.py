"""Item vectors."""

from collections.abc import Callable, Container, Iterable, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ratoon.domain.dial import Dial
from ratoon.domain.embedding import EmbeddingBatch, Vectors
from ratoon.domain.predicate import Kind, Predicate
from ratoon.domain.release import Metric
from ratoon.domain.shift import Shift
from ratoon.ports.releases import Files


class Index(Protocol):
    """Item vectors that can be searched and changed in place. Inner product; larger is better."""

    @property
    def waits(self) -> bool:
        """Whether a search waits for another thread or device: then many are asked at once, each from a thread of its own."""

    def __len__(self) -> int:
        """How many items it holds."""

    def __contains__(self, item_id: object) -> bool:
        """Whether it holds this item."""

    def ids(self) -> list[str]:
        """The item ids it holds, sorted."""

    def upsert(self, batch: EmbeddingBatch) -> None:
        """Insert the batch's items, or replace them where they are."""

    def overwrite(self, ids: Sequence[str], vectors: Vectors) -> None:
        """Other vectors for items it holds, without duplicates, whose columns stay as they are; shape (n, dim)."""

    def amend(self, table: pa.Table) -> list[str]:
        """Other values in columns of items that it holds, whose vectors stay as they are; which items those were.

        Args:
            table: `item_id`, without duplicates, and any columns; a null, an unknown item and an unknown column say nothing.

        Raises:
            DataError: what is said cannot be read as a column's type; nothing has been changed.
        """

    def remove(self, ids: Iterable[str]) -> int:
        """Take items away; ids it does not hold are passed over. Returns how many were there."""

    def search(
        self, queries: Vectors, k: int, exclude: Sequence[Iterable[str]] = (), only: Predicate | None = None
    ) -> list[list[tuple[str, float]]]:
        """For each query its k best (item id, score), best first, ties by id; fewer if there are fewer.

        Args:
            queries: shape (n, dim).
            exclude: n sets of item ids that must not be returned, or nothing.
            only: what must be true of the columns of every item that is returned; FilterRefused if it does not fit them.
        """

    def matching(self, ids: Iterable[str], only: Predicate) -> list[str]:
        """Those of these items that it holds and of which `only` is true, in order; FilterRefused as in `search`."""

    def ready(self, only: Predicate) -> bool:
        """Whether it is known which items match; if not, or not any more, a search with this filter finds it out first."""

    def prepare(self, only: Predicate) -> None:
        """Find out which items match, in any thread, while others search and change; FilterRefused as in `search`."""

    def kinds(self) -> dict[str, Kind]:
        """What each column holds, as far as filters go."""

    def ranks(
        self, queries: Vectors, wanted: Sequence[str], k: int, exclude: Sequence[Iterable[str]] = (), moved: Shift | None = None
    ) -> npt.NDArray[np.int64]:
        """For each query the place, from 0, of one item among its exact k best; k if it is not among them.

        Args:
            wanted: n item ids.
            moved: what is added to the scores of some items.
        """

    def best(
        self, queries: Vectors, k: int, exclude: Sequence[Iterable[str]] = (), moved: Shift | None = None
    ) -> list[tuple[str, ...]]:
        """For each query the ids of its exact k best, best first, ties by id: for many queries what `search` is for few."""

    @property
    def dial(self) -> Dial:
        """How it is laid out."""

    def settle(self, queries: Callable[[], Vectors], before: Dial | None = None) -> Dial:
        """Lay itself out for what it holds now, and say how; the same way for the same content, history and queries.

        Args:
            queries: gives some such as will be asked, shape (n, dim), if they are needed.
            before: of the index that it takes the place of: a codec that was chosen for that one stays. Without it its own.
        """

    def follow(self, files: Files, showing: Callable[[], None], without: Callable[[], Iterable[str]]) -> "Index | None":
        """The index that `files` describe, made of what this one holds; None if it has to be loaded.

        It is another index, and this one goes on being searched until nobody holds it; or it is this one, and `showing` was
        called before the first of several changes that searches see one after the other. StoreError as for loading, before
        anything has changed.

        Args:
            without: the items to leave out as of the moment it is called: it is asked again and again.
        """

    def finish(self) -> None:
        """Do what is left to do since this index followed another, or another that is not served followed it; or do it later.

        To be called now and then.
        """

    def probe(self) -> float | None:
        """The share of the exact answers that some of the newest searches found; None if nobody has asked lately."""

    def stats(self) -> dict[str, int | float | str | None]:
        """How many items it holds and how it is laid out, for people."""

    def columns(self, ids: Iterable[str]) -> dict[str, dict[str, object]]:
        """The display and filter columns of those of these items that it holds."""

    def cards(self, ids: Sequence[str]) -> list[bytes | memoryview | None]:
        """What is shown of each of these items, in order: members `,"item_id": ..., "item": {column: value}` of a JSON object.

        None for an item that it does not hold.
        """

    def listed(self, column: str) -> pa.Table:
        """`item_id` and one column of all its items, in no order; KeyError if it has no such column."""

    def first(self, k: int, without: Container[str] = (), only: Predicate | None = None) -> list[str]:
        """Some k of its items, or what there is, in an order of its own that changes of other items leave as it is.

        Args:
            without: the items to leave out.
            only: what must be true of the columns of each; FilterRefused as in `search`.
        """

    def recall(self, queries: Vectors, k: int) -> float:
        """The share of the exact top k, found by brute force over its own vectors, that `search` returns."""

    def vectors(self, ids: Sequence[str]) -> Vectors:
        """The vectors of items it holds, in order, bit for bit as they are searched; shape (n, dim)."""

    def copy(self) -> "Index":
        """The same items and vectors in memory of their own: what is changed in one stays as it is in the other."""

    def snapshot(self) -> Files:
        """Everything needed to load it again, byte for byte the same after the same changes to the same snapshot."""


class Indexes(Protocol):
    """Where indexes come from."""

    def empty(self, dim: int, metric: Metric) -> Index:
        """An index without items."""

    def load(self, files: Files) -> Index:
        """The index that `snapshot` described."""
