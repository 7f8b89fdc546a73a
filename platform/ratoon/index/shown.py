"""What an index says of its items besides where they are: the same wherever vectors lie."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Container, Iterable, Sequence
from contextlib import AbstractContextManager
from typing import TypeVar

import pyarrow as pa

from ratoon.domain.predicate import Kind, Predicate
from ratoon.index.filters.current import Filters
from ratoon.index.items.cards import Card
from ratoon.index.items.slots import Slots

T = TypeVar("T")


class Shown(ABC):
    """Ids, columns and filters of an index; see `ports.Index`."""

    waits = False
    _slots: Slots
    _filters: Filters

    @abstractmethod
    def _reading(self) -> AbstractContextManager[object]:
        """While it lasts no slot is given to another item."""

    @abstractmethod
    def _changing(self, change: Callable[[], T]) -> T:
        """Make a change while nobody makes another."""

    def matching(self, ids: Iterable[str], only: Predicate) -> list[str]:
        """Those of these items that it holds and of which `only` is true, in order."""
        with self._reading():
            return self._filters.matching(ids, only)

    def ready(self, only: Predicate) -> bool:
        """Whether a search with this filter takes no longer than others do."""
        return self._filters.ready(only)

    def prepare(self, only: Predicate) -> None:
        """Make it so; FilterRefused if it does not fit the columns."""
        self._filters.matches(only)

    def kinds(self) -> dict[str, Kind]:
        """What each column holds."""
        return self._filters.kinds()

    def columns(self, ids: Iterable[str]) -> dict[str, dict[str, object]]:
        """The display and filter columns of those of these items that it holds."""
        with self._reading():
            return self._slots.rows(ids)

    def cards(self, ids: Sequence[str]) -> list[Card | None]:
        """The same as JSON, None for an item that it does not hold."""
        with self._reading():
            return self._slots.cards(ids)

    def listed(self, column: str) -> pa.Table:
        """`item_id` and one column of all its items, in no order; KeyError if it has no such column."""
        with self._reading(), self._slots.lock:
            slots, kind = self._slots.taken(), self._slots.types[column]
            values = self._slots.column(column).array(slots, kind)
            return pa.table({"item_id": self._slots.ids.array(slots), column: values})

    def first(self, k: int, without: Container[str] = (), only: Predicate | None = None) -> list[str]:
        """Some k of its items, or what there is."""
        with self._reading():
            return self._slots.first(k, without, None if only is None else self._filters.matches(only).all)

    def amend(self, table: pa.Table) -> list[str]:
        """Other values in columns of items that it holds, which stay where they are; which items those were."""
        return self._changing(lambda: self._slots.amend(table))
