"""Which items match a predicate: evaluated once, then only where columns have changed since."""

from collections import OrderedDict
from collections.abc import Iterable, Set
from contextlib import suppress
from threading import Lock

import numpy as np

from ratoon.domain.matching import columns_of, matching
from ratoon.domain.predicate import FilterRefused, Kind, Predicate, bound
from ratoon.index.filters.encoded import Encoded, kind_of
from ratoon.index.filters.matches import NOTHING, Matches
from ratoon.index.items.slots import Rows, Slots

FEW = 20_000
"""Of so many items any filter is evaluated in less than a millisecond."""

MOST = 64
"""Predicates whose matches are kept; beyond that the one that was asked for longest ago is forgotten."""


class Filters:
    """What the columns of some slots say, kept up to date by their journal. Any number of threads may ask, while one edits.

    Who asks waits for others who ask of columns that were asked before, but not for an edit, and not for those who read a column
    for the first time. What an edit says of an item is known as a whole or not at all, and known before the edit's vectors are
    found.
    """

    def __init__(self, slots: Slots) -> None:
        self._slots = slots
        self._lock, self._reading = Lock(), Lock()
        self._columns: dict[str, Encoded] = {}
        self._known = 0
        self._matches: OrderedDict[Predicate, tuple[int, Matches]] = OrderedDict()

    def kinds(self) -> dict[str, Kind]:
        """What each column holds."""
        return {name: kind_of(dtype) for name, dtype in self._slots.types.items()}

    def matches(self, only: Predicate) -> Matches:
        """The slots of the items of which `only` is true; FilterRefused if it does not fit the columns.

        Without items nothing is known of columns, and nothing matches.
        """
        if not len(self._slots):
            return NOTHING
        names = columns_of(only)
        while True:
            for name in names - self._columns.keys():
                self._read(name)
            with self._lock:
                if self._brought_forward(names):
                    return self._known_matches(only, names)

    def ready(self, only: Predicate) -> bool:
        """Whether `matches` takes no longer than what changed since takes to look at; also if `only` does not fit the columns."""
        if len(self._slots) <= FEW:
            return True
        with self._lock:
            if any(column.crowded for column in self._columns.values()) or self._slots.journal.since(self._known) is None:
                return False
            try:
                return bound(only, self.kinds()) in self._matches
            except FilterRefused:
                return True

    def _known_matches(self, only: Predicate, names: Set[str]) -> Matches:
        only = bound(only, self.kinds() | {name: self._columns[name].kind for name in names & self._columns.keys()})
        known, found = self._matches.pop(only, (-1, NOTHING))
        if known < self._known:
            found = self._evaluated(only, known, found, names)
        self._matches[only] = self._known, found
        if len(self._matches) > MOST:
            self._matches.popitem(last=False)
        return found

    def warm(self, other: "Filters") -> None:
        """Find out what matches all that `other` was asked lately, so that nobody has to wait for it."""
        with other._lock:
            asked = list(other._matches)
        for only in asked:
            with suppress(FilterRefused):
                self.matches(only)

    def matching(self, ids: Iterable[str], only: Predicate) -> list[str]:
        """Those of these items that are held and match, in order; FilterRefused as above."""
        found, asked = self.matches(only), list(ids)
        slots = self._slots.look_up(asked)
        matched = (slots >= 0) & found.has(np.maximum(slots, 0))
        return [item for item, matches in zip(asked, matched.tolist(), strict=True) if matches]

    def _brought_forward(self, names: Set[str]) -> bool:
        """Let all columns be as they are now; False if some of these are not here, or not any more."""
        if any(column.crowded for column in self._columns.values()) or not self._replayed():
            self._columns.clear()
            self._matches.clear()
        return names & self._slots.types.keys() <= self._columns.keys()

    def _read(self, name: str) -> None:
        """Have a column that is not here yet, as it is now."""
        with self._reading:
            with self._slots.lock:
                dtype, end = self._slots.types.get(name), self._slots.journal.end
                if dtype is None or name in self._columns:
                    return
                values, free = list(self._slots.column(name)), self._free()
            column = Encoded(dtype, values, free)
            with self._lock:
                if not self._columns:
                    self._known = end
                    self._matches.clear()
                # Read anew by the next round where more has become of items than is remembered.
                if self._replayed() and self._caught_up(column, name, end):
                    self._columns[name] = column

    def _free(self) -> Rows:
        """The slots of no item."""
        free = np.ones(len(self._slots.ids), np.bool_)
        if len(self._slots) == len(free):
            return np.empty(0, np.int64)
        free[self._slots.taken()] = False
        return np.flatnonzero(free)

    def _caught_up(self, column: Encoded, name: str, end: int) -> bool:
        """Do the edits from this number on again in a column, as far as they are done in the others."""
        edits = self._slots.journal.since(end)
        for edit in edits[: self._known - end] if edits else ():
            column.write(edit.slots, None if edit.values is None else edit.values[name])
        return edits is not None and self._known >= end

    def _replayed(self) -> bool:
        """Do the edits since again; False if some are forgotten."""
        edits = self._slots.journal.since(self._known)
        if edits is None:
            return False
        for edit in edits:
            for name, column in self._columns.items():
                column.write(edit.slots, None if edit.values is None else edit.values[name])
        self._known += len(edits)
        return True

    def _evaluated(self, only: Predicate, known: int, found: Matches, names: Set[str]) -> Matches:
        edits = None if known < 0 else self._slots.journal.since(known)
        if edits is None:
            return Matches.of(matching(only, {name: self._columns[name].column() for name in names}))
        edited = [edit.slots for edit in edits[: self._known - known]]
        slots = np.unique(np.concatenate(edited))
        return found.with_slots(slots, matching(only, {name: self._columns[name].column(slots) for name in names}))
