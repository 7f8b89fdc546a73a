"""Interactions that nothing has learnt yet, as questions: which item did this user take next?"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ratoon.domain.caps import Caps, capped
from ratoon.domain.delta import Split, part, split_of
from ratoon.domain.exclusions import Exclusions
from ratoon.domain.labels import LabelPolicy, right_answers
from ratoon.domain.quality import Answers, Ints, Truths
from ratoon.ports import EventLog

MOST = Caps(100, 100)
"""Questions of one user and day, the newest: whoever did most of what happened does not judge alone."""


@dataclass(frozen=True, slots=True, eq=False)
class Questions:
    """Interactions as questions: which item did this user take next?

    Attributes:
        rows: n interactions with features of just before each, and their `weight`.
        hidden: per question, the items that may not be answered.
    """

    rows: pa.Table
    hidden: Exclusions

    def __len__(self) -> int:
        """The number of questions."""
        return len(self.hidden)

    def column(self, name: str) -> list[str]:
        """The values of a column of ids."""
        values: list[str] = self.rows.column(name).to_pylist()
        return values

    @property
    def offsets(self) -> list[int]:
        """The log offset of each interaction."""
        values: list[int] = self.rows.column("offset").to_pylist()
        return values

    def where(self, chosen: Truths) -> "Questions":
        """Some of the questions."""
        return Questions(self.rows.filter(pa.array(chosen)), self.hidden.where(np.flatnonzero(chosen)))

    def newest(self, most: int, *parts: Split) -> Truths:
        """Which questions are the newest ones of users in these parts, up to so many; shape (n,)."""
        chosen = self.of(*parts)
        chosen &= np.cumsum(chosen[::-1])[::-1] <= most
        return chosen

    def spread(self, most: int, *parts: Split) -> Truths:
        """Which questions are up to so many of users in these parts, evenly spread over all of them; shape (n,)."""
        places = np.flatnonzero(self.of(*parts))
        chosen = np.zeros(len(self), np.bool_)
        chosen[places[np.unique(np.linspace(0, len(places) - 1, min(most, len(places))).astype(np.int64))]] = True
        return chosen

    def of(self, *parts: Split) -> Truths:
        """Which questions are of users in these parts; shape (n,)."""
        known = {user: split_of(user) in parts for user in set(self.column("user_id"))}
        return np.array([known[user] for user in self.column("user_id")], np.bool_)

    def without(self, items: Iterable[str]) -> "Questions":
        """The questions for other items than these, which may not be answered with them either: they are gone."""
        gone = set(items)
        kept = np.array([item not in gone for item in self.column("item_id")], np.bool_)
        return self.where(kept).hiding(gone) if gone else self

    def hiding(self, items: Iterable[str]) -> "Questions":
        """The same questions, none of which may be answered with these items."""
        return Questions(self.rows, self.hidden.hiding(items))

    def answered(self, k: int, ranks: Ints, found: Sequence[tuple[str, ...]] = ()) -> Answers:
        """Answers to them; see `Answers`."""
        weights = self.rows.column("weight").to_numpy().astype(np.float64)
        return Answers(k, tuple(self.column("user_id")), ranks, weights, tuple(found))


def questions(log: EventLog, rows: pa.Table, policy: LabelPolicy) -> Questions:
    """The interactions that can be judged by, as the surface's policy has it.

    Args:
        rows: joined as in `FeatureDelta.interactions`, by offset.
    """
    users, offsets = (rows.column(name).to_pylist() for name in ("user_id", "offset"))
    seen = log.seen_by(users, offsets) if policy.masks_seen else [list[str]()] * len(users)
    had = dict(zip(offsets, seen, strict=True))
    right = right_answers(rows, policy, seen)
    return Questions(right, Exclusions.of([had[offset] for offset in right.column("offset").to_pylist()]))


def askable(rows: pa.Table, *, scored: int, held: int) -> pa.Table:
    """Of joined interactions the newest `scored` of all and the newest `held` of those that are not learnt before judging."""
    apart = part(rows, "gate", "reserve")
    parts = [rows.slice(max(0, rows.num_rows - scored)), apart.slice(max(0, apart.num_rows - held))]
    wanted = pa.concat_tables([each.select(["offset"]) for each in parts]).column("offset")
    few, _ = capped(rows.filter(pc.is_in(rows.column("offset"), value_set=wanted.combine_chunks())), MOST)
    return few
