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
from ratoon.index.items.slots import Slots

MOST = 64
"""Predicates whose matches are kept; beyond that the one that was asked for longest ago is forgotten."""


class Filters:
    """What the columns of some slots say, kept up to date by their journal. Any number of threads may ask, while one edits.

    Who asks waits for others who ask, but not for an edit, unless a column is asked for the first time. What an edit says of an
    item is known as a whole or not at all, and known before the edit's vectors are found.
    """

    def __init__(self, slots: Slots) -> None:
        self._slots = slots
        self._lock = Lock()
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
        with self._lock:
            names = columns_of(only)
            self._bring_forward(names)
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

    def _bring_forward(self, names: Set[str]) -> None:
        """Let all columns be as they are now, those that are not here yet among them."""
        crowded = any(column.crowded for column in self._columns.values())
        if not crowded and names <= self._columns.keys() and self._replayed():
            return
        with self._slots.lock:
            types = self._slots.types
            if crowded or not self._replayed():
                self._columns.clear()
                self._matches.clear()
                self._known = self._slots.journal.end
            for name in names & types.keys() - self._columns.keys():
                values = self._slots.column(name)
                self._columns[name] = Encoded(types[name], values, np.setdiff1d(np.arange(len(values)), self._slots.taken()))

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
