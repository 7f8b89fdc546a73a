"""Which rows of the past are replayed: a seeded sample without replacement in which older rows are less likely.

Weighted sampling by exponential keys, A-Res of Efraimidis & Spirakis (2006, Information Processing Letters 97): a row of
weight w gets the key -ln(1 - u) / w, and the rows of the smallest keys are the sample. u comes from the row's own offset, so
a key depends on no other row: the order of reading changes nothing, a new row displaces at most one, a deleted row makes
room for one, and the smallest keys of several parts, put together, hold the smallest keys of the whole.

u is the row's place on a circle, a hash of its offset that never changes, counted from where the seed begins. So the rows
of one sample lie together where rows are stored by place, and few others need to be read. The price is that rows which are
neighbours on the circle are drawn together again whenever one of them is; which rows are neighbours is random.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt

from ratoon.domain.plan import Scope

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

SALT = 0x9E3779B97F4A7C15
"""What every hash starts from. Files of examples are stored by place: another salt needs another version of them."""

LEAST_DENSE = 20_000
"""Train rows from before the window that a `dense` refresh learns from at least, where there are as many."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def to_replay(scope: Scope, new: int, *, learns_train: bool) -> int:
    """How many rows to replay with `new` rows: one each, as was measured to match learning everything again.

    Under `dense` at least LEAST_DENSE go with the train rows, since a window without interactions could teach a new input
    nothing; under `full` none do, since the train rows are all of history.
    """
    if learns_train and scope == "full":
        return 0
    return max(new, LEAST_DENSE) if learns_train and scope == "dense" else new


def places(offsets: Ints) -> npt.NDArray[np.uint64]:
    """Each row's place on the circle of 2**64: the finaliser of SplitMix64 (Steele, Lea & Flood 2014); shape as given."""
    hashed = offsets.astype(np.uint64) + np.uint64(SALT)
    hashed = (hashed ^ (hashed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    hashed = (hashed ^ (hashed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return hashed ^ (hashed >> np.uint64(31))


@dataclass(frozen=True, slots=True)
class Draw:
    """One sample to be drawn.

    Attributes:
        count: how many rows, if there are as many; not negative.
        seed: of the sample; not negative.
        as_of: the moment that ages are counted to; a row of later event time has no age.
        half_life: the seconds, above 0, of age that halve a row's weight; None when all rows weigh the same.
    """

    count: int
    seed: int
    as_of: datetime
    half_life: float | None = None

    def keys(self, offsets: Ints, times: Ints) -> Floats:
        """The rows' keys, smaller ones are drawn first; with weights their logarithm, which no age overflows.

        Args:
            offsets: the rows' log offsets; shape (n,).
            times: their event times in microseconds since 1970 UTC; shape (n,). Not looked at without a half-life.
        """
        start = places(np.array([self.seed], np.int64))
        turned = (places(offsets) - start) >> np.uint64(12)
        drawn: Floats = (turned.astype(np.float64) + 0.5) * 2.0**-52
        if self.half_life is None:
            return drawn
        ages = np.maximum((self.as_of - _EPOCH) // _MICROSECOND - times, 0) / (self.half_life * 1e6)
        weighed: Floats = np.log(-np.log1p(-drawn)) + ages * np.log(2.0)
        return weighed

    def first(self, keys: Floats, offsets: Ints) -> npt.NDArray[np.intp]:
        """The positions of the `count` smallest keys, ascending; among equal keys the smaller offsets come first."""
        if len(keys) <= self.count:
            return np.arange(len(keys))
        if not self.count:
            return np.empty(0, np.intp)
        last = np.partition(keys, self.count - 1)[self.count - 1]
        below, ties = np.flatnonzero(keys < last), np.flatnonzero(keys == last)
        ties = ties[np.argsort(offsets[ties])][: self.count - len(below)]
        return np.sort(np.concatenate([below, ties]))
