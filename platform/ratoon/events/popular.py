"""What is popular: a log only grows, so that of its newest interactions only those that came since have to be counted.

Where somebody was forgotten since, or other events count for nothing, all of them are counted again.
"""

from bisect import bisect_left, insort
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from threading import Lock

from ratoon.domain.labels import Types

MANY = 256
"""From so many new interactions on they are sorted anew instead of one by one."""

Ranked = list[tuple[str, int]]
"""Items and how often each occurs, most frequent first, ties by id."""

Recent = Callable[[int], Sequence[tuple[int, str, str]]]
"""Offset, user and item of so many of the newest interactions that count, by offset."""


class Newest:
    """Which items the newest `length` of some items are.

    Attributes:
        ranked: as of now; it changes with the next one.
    """

    def __init__(self, length: int) -> None:
        self.ranked: Ranked = []
        self._length, self._items, self._counts = length, deque[str](), Counter[str]()

    def add(self, items: Sequence[str]) -> None:
        """These came, in order."""
        gone = max(0, len(self._items) + len(items) - self._length)
        self._items.extend(items)
        left = [self._items.popleft() for _ in range(gone)]
        if len(items) < MANY:
            self._move(items, 1)
            self._move(left, -1)
        else:
            self._counts.update(items)
            self._counts.subtract(left)
            self._counts += Counter()  # without those that are there no more
            self.ranked = sorted(self._counts.items(), key=_order)

    def _move(self, items: Iterable[str], by: int) -> None:
        for item in items:
            before = self._counts[item]
            if before:
                del self.ranked[bisect_left(self.ranked, (-before, item), key=_order)]
            if before + by:
                insort(self.ranked, (item, before + by), key=_order)
                self._counts[item] = before + by
            else:
                del self._counts[item]


def _order(pair: tuple[str, int]) -> tuple[int, str]:
    return -pair[1], pair[0]


@dataclass(slots=True)
class _Counted:
    """The newest interactions of some types up to an offset, those at the offsets `without` left out."""

    newest: Newest
    edition: object = None
    end: int = 0
    without: list[int] = field(default_factory=list)


class Popular:
    """What is popular by the newest interactions of each sort that was asked for. Any number of threads may ask.

    Args:
        length: how many interactions count.
    """

    def __init__(self, length: int) -> None:
        self._length, self._lock = length, Lock()
        self._known: dict[tuple[str, ...] | None, _Counted] = {}

    def of(
        self, types: Types, without: Sequence[int], count: int, end: int, edition: Callable[[], object], recent: Recent
    ) -> Ranked:
        """The first `count` items.

        Args:
            types: the interactions that count; so few sorts are asked for that all are kept.
            without: the offsets at which they do not, ascending.
            end: the log's.
            edition: says whether the log is what it was, see `ports.EventLog`.
        """
        with self._lock:
            key = None if types is None else tuple(types)
            known = self._known.get(key)
            if known is None or known.end != end or known.without != list(without):
                known = self._known[key] = self._brought(known, without, end, edition(), recent)
            return known.newest.ranked[:count]

    def _brought(self, known: _Counted | None, without: Sequence[int], end: int, edition: object, recent: Recent) -> _Counted:
        if known is None or known.edition != edition or end < known.end or known.without != _upto(without, known.end):
            known = _Counted(Newest(self._length), edition)
        rows = recent(min(end - known.end, self._length)) if end > known.end else ()
        known.newest.add([item for offset, _, item in rows if offset > known.end])
        known.end, known.without = end, _upto(without, end)
        return known


def _upto(offsets: Sequence[int], end: int) -> list[int]:
    return [offset for offset in offsets if offset <= end]
