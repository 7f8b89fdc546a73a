"""What may not be answered to each of many queries, laid out so that an index looks up each item once and not once per query."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import overload

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Exclusions(Sequence[set[str]]):
    """Per query a set of items; n queries. As a sequence it is these sets.

    Attributes:
        length: n.
        items: what some query excludes, without duplicates.
        codes: places in `items`, those of each query after those of the one before; shape (pairs,).
        queries: the query of each of `codes`, ascending; shape (pairs,).
        always: what all of them exclude besides.
    """

    length: int
    items: tuple[str, ...]
    codes: Ints
    queries: Ints
    always: frozenset[str] = frozenset()

    @classmethod
    def of(cls, sets: Sequence[Iterable[str]]) -> "Exclusions":
        """These sets, one per query, given as anything that has items."""
        if isinstance(sets, Exclusions):
            return sets
        lists = [each if isinstance(each, list | tuple) else list(each) for each in sets]
        flat = pa.array(chain.from_iterable(lists), pa.string()).dictionary_encode()
        queries = np.repeat(np.arange(len(lists)), [len(each) for each in lists])
        return cls(len(lists), tuple(flat.dictionary.to_pylist()), flat.indices.to_numpy().astype(np.int64), queries)

    def __len__(self) -> int:
        """The number of queries."""
        return self.length

    @overload
    def __getitem__(self, at: int) -> set[str]: ...
    @overload
    def __getitem__(self, at: slice) -> "Exclusions": ...
    def __getitem__(self, at: int | slice) -> "set[str] | Exclusions":
        """What one query excludes, or some queries."""
        if isinstance(at, slice):
            return self.where(np.arange(self.length)[at])
        row = range(self.length)[at]
        first, last = np.searchsorted(self.queries, [row, row + 1])
        return {self.items[code] for code in self.codes[first:last].tolist()} | self.always

    def where(self, rows: Ints) -> "Exclusions":
        """Those of some queries, ascending."""
        place = np.full(self.length, -1)
        place[rows] = np.arange(len(rows))
        kept = place[self.queries] >= 0
        return Exclusions(len(rows), self.items, self.codes[kept], place[self.queries[kept]], self.always)

    def hiding(self, items: Iterable[str]) -> "Exclusions":
        """The same and, for every query, these."""
        return Exclusions(self.length, self.items, self.codes, self.queries, self.always.union(items))
