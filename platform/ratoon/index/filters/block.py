"""The vectors that a filter matches, decoded and side by side, so that all of them are scored by one product.

Rows are only ever added: whoever looks at a block while another adds to it sees the rows that there were.
"""

from dataclasses import dataclass

import numpy as np

from ratoon.domain.embedding import Vectors
from ratoon.index.answers.scores import exact_scores
from ratoon.index.filters.matches import Matches
from ratoon.index.items.slots import Rows
from ratoon.index.ivf.lists import Lists
from ratoon.index.ivf.scanning import Scored

PIECE = 2_048
"""Vectors that are decoded at once, which takes one to four milliseconds: whoever asks meanwhile waits no longer."""

GROUP = 64
"""Scores of which the largest stands for all while it is found out what the best are at least."""

FEW = 64
"""Exclusions that are compared with every slot that was found: sorting would take longer."""

UNIT = float(np.finfo(np.float32).eps)
"""Twice that of Higham's bound (2002, section 3.1): by how much a sum in float32 is off, whatever its order."""


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Some vectors.

    Attributes:
        vectors: shape (n, dim).
        slots: of each; shape (n,).
        gone: the rows that are not looked at.
        longest: no vector is longer.
    """

    vectors: Vectors
    slots: Rows
    gone: Rows
    longest: float

    def best(self, query: Vectors, k: int, out: Rows) -> Scored:
        """Exact scores, falling, and slots of the k best and all that tie with the last of them.

        Args:
            query: shape (dim,).
            out: slots that are no answer.
        """
        rough = self.vectors @ query
        rough[self.gone] = -np.inf
        rows = np.flatnonzero(rough >= self._bar(rough, query, k + len(out)))
        slots = self.slots[rows]
        if len(out):
            left = ~(slots[:, None] == out).any(axis=1) if len(out) <= FEW else ~np.isin(slots, out)
            rows, slots = rows[left], slots[left]
        scores = exact_scores(query[None, :], self.vectors[rows])[0]
        order = np.argsort(-scores, kind="stable")
        scores, slots = scores[order], slots[order]
        if k < len(scores):
            count = int(np.searchsorted(-scores, -scores[k - 1], side="right"))
            scores, slots = scores[:count], slots[:count]
        return scores, slots

    def _bar(self, rough: Vectors, query: Vectors, depth: int) -> float:
        """What the rough scores of the `depth` best, and of all whose exact scores tie with theirs, reach."""
        if depth >= len(rough) - len(self.gone):
            return float(np.finfo(np.float32).min)
        groups = len(rough) // GROUP
        largest = rough if groups < depth else rough[: groups * GROUP].reshape(GROUP, groups).max(axis=0)
        least = np.partition(largest, -depth)[-depth]
        return float(least) - 2 * UNIT * (len(query) + 4) * float(np.linalg.norm(query)) * self.longest


class Growing:
    """A block that is filled piece by piece and then follows what becomes of its vectors. Whoever calls waits for the one before.

    Args:
        matches: what it is to hold.
        known: the number of the first edit of vectors that it has not seen.
    """

    def __init__(self, matches: Matches, known: int, lists: Lists) -> None:
        self.matches, self.known = matches, known
        slots = matches.all
        slots = slots[lists.has(slots)]
        # List by list, as their memory lies; untouched room takes none.
        self._pending = slots[np.argsort(lists.place(slots), kind="stable")]
        self._vectors = np.empty((room(matches.count), lists.dim), np.float32)
        self._slots = np.empty(len(self._vectors), np.int64)
        self._count, self._gone, self._longest = 0, np.empty(0, np.int64), 0.0

    @property
    def size(self) -> int:
        """The bytes that it takes at most."""
        return self._vectors.nbytes + self._slots.nbytes

    @property
    def crowded(self) -> bool:
        """Whether what it has to hold fits no more, or a quarter of what it holds is gone: then it is begun anew."""
        full = self._count + len(self._pending) > len(self._vectors)
        return full or 4 * len(self._gone) > self._count + PIECE

    def follow(self, matches: Matches, edited: Rows) -> None:
        """Other slots match, and the vectors in some are others, or gone.

        Args:
            edited: in no order, with duplicates.
        """
        touched = np.union1d(edited, self.matches.unlike(matches))
        self.matches = matches
        if not len(touched):
            return
        gone = np.flatnonzero(np.isin(self._slots[: self._count], touched))
        self._gone = np.union1d(self._gone, gone)
        kept = self._pending[~np.isin(self._pending, touched)]
        self._pending = np.concatenate([kept, touched[matches.has(touched)]])

    def grow(self, lists: Lists) -> Block | None:
        """Take in a piece of what is missing; what there is once nothing is."""
        slots, self._pending = self._pending[:PIECE], self._pending[PIECE:]
        slots = slots[lists.has(slots)]
        if len(slots):
            part = slice(self._count, self._count + len(slots))
            self._vectors[part], self._slots[part] = lists.vectors(slots), slots
            self._count = part.stop
            lengths = np.linalg.norm(self._vectors[part], axis=1)
            self._longest = max(self._longest, float(lengths.max()))
        if len(self._pending):
            return None
        return Block(self._vectors[: self._count], self._slots[: self._count], self._gone, self._longest)


def room(count: int) -> int:
    """Rows for so many vectors, and for some of them to be replaced."""
    return count * 5 // 4 + PIECE


def pieces(count: int) -> int:
    """How often a block of so many vectors is asked for until it is whole."""
    return 1 + count // PIECE


def bytes_for(count: int, dim: int) -> int:
    """What a block of so many vectors takes at most."""
    return room(count) * (4 * dim + 8)
