"""How much one person can teach: of a day's interactions of one user, and of one user with one item, the newest count.

A burst of clicks from a few users is then a few rows, whatever their number. Days are those of event time, in UTC, so that
one refresh over a month takes the same rows as thirty over a day.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

DAY_US = 86_400_000_000

LISTED = 10
"""Users named in a report."""

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Caps:
    """Interactions that are learnt from at most, of one day.

    Attributes:
        per_user: of one user. The default is beyond every day of MovieTweetings-100k (124 at most).
        per_pair: of one user with one item. Where repeats say how much something is liked, `log1p` of a value says it better.
    """

    per_user: int = 1_000
    per_pair: int = 10


@dataclass(frozen=True, slots=True)
class Capped:
    """What was over the caps and is not learnt.

    Attributes:
        rows: how many interactions.
        users: user id -> how many of theirs, for the users with most of them, the most first.
    """

    rows: int = 0
    users: Mapping[str, int] = field(default_factory=dict)


def capped(interactions: pa.Table, caps: Caps) -> tuple[pa.Table, Capped]:
    """The interactions within the caps, in order, and what was over them.

    Args:
        interactions: with columns `offset`, `user_id`, `item_id` and `event_timestamp`; of the same moment, the greater offset
            is the newer one.
    """
    if not interactions.num_rows:
        return interactions, Capped()
    users, items = (_codes(interactions.column(name)) for name in ("user_id", "item_id"))
    times, offsets = (pc.cast(interactions.column(name), pa.int64()).to_numpy() for name in ("event_timestamp", "offset"))
    days = times // DAY_US
    newest_first = np.lexsort((-offsets, -times))
    kept = np.zeros(len(users), np.bool_)
    in_pairs = newest_first[_ranks(newest_first, users, days, items) < caps.per_pair]
    kept[in_pairs[_ranks(in_pairs, users, days) < caps.per_user]] = True
    if kept.all():
        return interactions, Capped()
    return interactions.filter(pa.array(kept)), _over(interactions.column("user_id").filter(pa.array(~kept)))


def _codes(column: pa.ChunkedArray) -> Ints:
    codes: Ints = pc.index_in(column, value_set=pc.unique(column)).to_numpy().astype(np.int64)
    return codes


def _ranks(rows: npt.NDArray[np.intp], *keys: Ints) -> Ints:
    """How many of `rows` that come before each have the same keys; shape as `rows`."""
    mine = np.stack([key[rows] for key in keys])
    order = np.lexsort(mine)  # stable: within a group the given order stays
    sorted_keys = mine[:, order]
    begins = np.append(True, (sorted_keys[:, 1:] != sorted_keys[:, :-1]).any(axis=0))
    starts = np.maximum.accumulate(np.where(begins, np.arange(len(rows)), 0))
    ranks = np.empty(len(rows), np.int64)
    ranks[order] = np.arange(len(rows)) - starts
    return ranks


def _over(users: pa.ChunkedArray) -> Capped:
    counted = {row["values"]: row["counts"] for row in pc.value_counts(users).to_pylist()}
    most = sorted(counted, key=lambda user: (-counted[user], user))[:LISTED]
    return Capped(len(users), {user: counted[user] for user in most})
