"""How popular items are at a moment, as extra dimensions of the inner product.

An item's vector ends with its traits, a user's with what each trait is worth, so that the index ranks by

    u . v + sum of weight * trait

and a new weight moves no item. Most of what goes stale on a shop's front page is this prior and not taste, and it can be had
at every moment without training: the traits of a later moment differ from those in the index for few items (see `Shift`).

The weights are chosen from GRID by follow-the-leader over fit rows, whose evidence fades (Cesa-Bianchi and Lugosi 2006,
Prediction, Learning, and Games, chapter 2).
"""

import json
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ratoon.domain.embedding import Vectors

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

WINDOWS = (1_000, 10_000)
"""Of how many of the newest interactions the first traits count each item's."""

WIDTH = len(WINDOWS) + 2
"""Traits per item: log(1 + count) in each of WINDOWS, log(1 + count) ever, and 1 for an item that nobody has had yet."""

KEPT = WINDOWS[-1]
"""The newest interactions that traits are made of, apart from the counts of ever."""

GRID: npt.NDArray[np.float32] = np.array(list(product((0, 0.5, 1, 2), (0, 0.5, 1, 2), (0, 0.5, 1), (0, 2, 4, 6))), np.float32)
"""The weights that are tried, in units of the training temperature, shape (points, WIDTH); the first is zero."""

FADE_ROWS = 2_000
"""After so many further fit rows what was seen counts half."""

FILE = "popularity.json"
"""The file of a release that holds its `Popularity`; one without it has vectors without traits."""


def traits(recent: Ints, ever: Ints) -> Vectors:
    """Traits of items.

    Args:
        recent: how often each is among each of WINDOWS; shape (..., n, len(WINDOWS)).
        ever: how often each was interacted with at all; shape (..., n).
    """
    return np.concatenate([_logs(recent), _logs(ever)[..., None], (ever == 0)[..., None]], axis=-1, dtype=np.float32)


def _logs(counts: Ints) -> Vectors:
    # Counts are small and many: looking logarithms up is several times faster than taking them. One below zero is of a user
    # who had the item before the timeline began.
    counts = np.maximum(counts, 0)
    table = np.log1p(np.arange(counts.max(initial=0) + 1)).astype(np.float32)
    return table[counts]


def ever_of(known: Vectors) -> Ints:
    """The counts of ever that traits were made of; exact up to about a million. Shape (..., n)."""
    counts: Ints = np.rint(np.expm1(known[..., len(WINDOWS)].astype(np.float64))).astype(np.int64)
    return counts


def ever(ids: Sequence[str], interactions: pa.Table) -> Ints:
    """How many users have had each item; shape (ids,).

    Args:
        interactions: with columns `user_id` and `item_id`.
    """
    pairs = interactions.select(["user_id", "item_id"]).group_by(["user_id", "item_id"]).aggregate([])
    counted = pairs.group_by("item_id").aggregate([([], "count_all")])
    places = pc.index_in(pa.array(ids, pa.string()), value_set=counted.column("item_id").combine_chunks())
    counts: Ints = pc.fill_null(counted.column("count_all").take(places), 0).to_numpy().astype(np.int64)
    return counts


@dataclass(frozen=True, slots=True)
class Timeline:
    """Interactions in the log's order. Of a user's with the same item only the first is one: no one makes a fashion alone.

    Attributes:
        offsets: ascending; shape (n,).
        codes: each interaction's place among `items`; shape (n,).
        items: ids, without duplicates.
    """

    offsets: Ints
    codes: Ints
    items: tuple[str, ...]

    @classmethod
    def of(cls, rows: Sequence[tuple[int, str, str]], left_out: Sequence[tuple[int, int]] = ()) -> "Timeline":
        """From (offset, user id, item id) in ascending order, without the ranges of offsets that must not be learnt from."""
        growing = Growing(left_out)
        growing.add(rows)
        return growing.timeline()

    def touched(self, start: int, stop: int) -> Ints:
        """The codes of all items whose traits can differ between two moments at offsets `start` to `stop`, sorted."""
        low, high = np.searchsorted(self.offsets, [start, stop])
        parts = [self.codes[max(0, low - back) : max(0, high - back)] for back in (0, *WINDOWS)]
        return np.unique(np.concatenate(parts))

    def counted(self, offsets: Ints, chosen: Ints) -> Ints:
        """How often each of the items with the codes `chosen` was interacted with below each offset; (offsets, chosen)."""
        return self._until(np.searchsorted(self.offsets, offsets), chosen)

    def recent(self, offsets: Ints, chosen: Ints) -> Ints:
        """How often each of those items is among each of WINDOWS below each offset; (offsets, chosen, len(WINDOWS))."""
        return self.told(offsets, chosen)[0]

    def told(self, offsets: Ints, chosen: Ints) -> tuple[Ints, Ints]:
        """What `recent` and what `counted` say, for little more than one of them."""
        ends = np.searchsorted(self.offsets, offsets)
        until = self._until(ends, chosen)
        return np.stack([until - self._until(np.maximum(ends - window, 0), chosen) for window in WINDOWS], axis=-1), until

    def _until(self, ends: npt.NDArray[np.intp], chosen: Ints) -> Ints:
        """How often each chosen item is among the first `ends` interactions; shape (ends, chosen)."""
        column = np.full(len(self.items), -1)
        column[chosen] = np.arange(len(chosen))
        places = np.flatnonzero(column[self.codes] >= 0)
        order = np.argsort(ends, kind="stable")
        steps = np.zeros((len(ends) + 1, len(chosen)), np.int64)
        np.add.at(steps, (np.searchsorted(ends[order], places, side="right"), column[self.codes[places]]), 1)
        counts = np.empty((len(ends), len(chosen)), np.int64)
        counts[order] = np.cumsum(steps[:-1], axis=0)
        return counts


class Growing:
    """A timeline to which later interactions are added."""

    def __init__(self, left_out: Sequence[tuple[int, int]] = ()) -> None:
        """Args: left_out: the ranges of offsets that must not be learnt from."""
        self._left_out = left_out
        self._known: dict[str, int] = {}
        self._pairs: set[tuple[str, str]] = set()
        self._offsets, self._codes = array("q"), array("q")

    def add(self, rows: Sequence[tuple[int, str, str]]) -> None:
        """Take (offset, user id, item id) in ascending order, behind all that were taken before."""
        pairs, known = self._pairs, self._known
        for offset, user, item in rows:
            pair = user, item
            if pair in pairs or (self._left_out and any(start <= offset <= stop for start, stop in self._left_out)):
                continue
            pairs.add(pair)
            self._offsets.append(offset)
            self._codes.append(known.setdefault(item, len(known)))

    def timeline(self) -> Timeline:
        """All that was taken so far."""
        return Timeline(np.array(self._offsets, np.int64), np.array(self._codes, np.int64), tuple(self._known))


@dataclass(frozen=True, slots=True)
class Popularity:
    """What the traits are worth to a release's users, and why.

    Attributes:
        unit: what GRID is in units of: the training temperature.
        evidence: the faded sum, over fit rows, of how well each point of GRID ranked them; see `gains`.
        active: whether the gate rows let the weights be used.
    """

    unit: float
    evidence: tuple[float, ...] = (0.0,) * len(GRID)
    active: bool = True

    @property
    def weights(self) -> Vectors:
        """What each trait adds to a score; shape (WIDTH,). Among points that rank alike the smallest."""
        if not self.active:
            return np.zeros(WIDTH, np.float32)
        best = np.flatnonzero(np.asarray(self.evidence) >= max(self.evidence) - 1e-9)
        chosen: Vectors = GRID[best[np.argmin(GRID[best].sum(axis=1))]] * np.float32(self.unit)
        return chosen

    def learnt(self, ranked: Floats) -> "Popularity":
        """With the evidence of n more fit rows.

        Args:
            ranked: see `gains`; shape (n, points of GRID).
        """
        kept = np.asarray(self.evidence) * 0.5 ** (len(ranked) / FADE_ROWS)
        return Popularity(self.unit, tuple((kept + ranked.sum(axis=0)).tolist()), self.active)

    def to_json(self) -> str:
        """As JSON."""
        return json.dumps({"unit": self.unit, "active": self.active, "evidence": self.evidence})

    @classmethod
    def from_json(cls, text: str) -> "Popularity":
        """The inverse of `to_json`."""
        raw = json.loads(text)
        return cls(raw["unit"], tuple(raw["evidence"]), raw["active"])


def gains(scores: Vectors, known: Vectors, wanted: int, unit: float, k: int) -> Floats:
    """How well each point of GRID ranks the item a user went on to take: 1 / log2(2 + rank) within the best k, else 0.

    That is the discounted gain of Järvelin and Kekäläinen (2002) for one relevant item; shape (points of GRID,).

    Args:
        scores: of the candidates, by the towers alone; shape (n,).
        known: their traits at that moment; shape (n, WIDTH).
        wanted: which candidate was taken.
    """
    totals = scores[None, :] + (GRID * np.float32(unit)) @ known.T
    ranks = (totals > totals[:, wanted, None]).sum(axis=1)
    return np.where(ranks < k, 1 / np.log2(2.0 + ranks), 0.0)
