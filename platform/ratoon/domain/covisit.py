"""What is had together: for each pair of items how often both stand near each other in a history, in few dimensions.

    W[h, i] = sum over users and places of FADE ** (places between - 1), for h and i within REACH places, either first
    S[h, i] = W[h, i] / (sqrt(sum of row h * sum of row i) + SHRUNK)
    S ~ heard @ offered.T, of rank r

A user's side is the mean of `heard` over the history, the newest entry weighing most, and an item's side its row of `offered`, so
that their inner product is the item-item score. The factors are those of the largest singular values, by subspace iteration from
random vectors (Halko, Martinsson and Tropp 2011, SIAM Review 53:2, algorithm 4.4).
"""

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ratoon.domain.embedding import Vectors
from ratoon.domain.errors import StoreError

REACH = 20
"""How many places from an item another one still stands near it."""

FADE = 0.9
"""By how much each further place counts less: between two items, and back in the history that is asked with."""

SHRUNK = 5.0
"""As many unrelated visits as this are taken to have been seen of every pair."""

SPARE, ROUNDS = 16, 4
"""Random vectors beyond the rank, and how often all are multiplied with S twice: enough for values that fall slowly."""

CHUNK = 1 << 16
"""Pairs multiplied at once: bounds memory at CHUNK * (rank + SPARE) * 4 bytes."""

IDS, HEARD, OFFERED = "items.json", "heard.npy", "offered.npy"
"""The files of factors: item ids in order, and both tables by row, in half precision."""

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]


def pairs(users: Ints, items: Ints, count: int) -> tuple[Ints, Ints, Floats]:
    """S as its entries above zero: rows, columns and values, sorted by row, then column.

    Args:
        users, items: codes of n interactions in time order; shape (n,).
        count: how many items there are.
    """
    order = np.argsort(users, kind="stable")
    users, items = users[order], items[order]
    keys: Ints = np.empty(0, np.int64)
    strengths: npt.NDArray[np.float64] = np.empty(0, np.float64)
    for apart in range(1, REACH + 1):
        near = (users[apart:] == users[:-apart]) & (items[apart:] != items[:-apart])
        first, second = items[:-apart][near], items[apart:][near]
        if len(first):
            every: Ints = np.concatenate([keys, first * count + second, second * count + first]).astype(np.int64, copy=False)
            keys, place = np.unique(every, return_inverse=True)
            added = np.concatenate([strengths, np.full(2 * len(first), FADE ** (apart - 1))])
            strengths = np.bincount(place, weights=added).astype(np.float64)
    rows, columns = np.divmod(keys, max(count, 1))
    along = np.bincount(rows, weights=strengths, minlength=count)
    return rows, columns, (strengths / (np.sqrt(along[rows] * along[columns]) + SHRUNK)).astype(np.float32)


def factors(found: tuple[Ints, Ints, Floats], count: int, rank: int, rng: np.random.Generator) -> tuple[Vectors, Vectors]:
    """`heard` and `offered` of the items, each of shape (count, rank); zeros beyond what there is to tell."""
    wide = min(rank + SPARE, count)
    near = Near(*found, count)
    basis = rng.standard_normal((count, wide), dtype=np.float32)
    for _ in range(2 * ROUNDS):
        basis = np.linalg.qr(near.times(basis))[0]
    left, strengths, right = np.linalg.svd(near.times(basis), full_matrices=False)
    kept = min(rank, len(strengths))
    root = np.sqrt(strengths[:kept])
    heard, offered = np.zeros((count, rank), np.float32), np.zeros((count, rank), np.float32)
    heard[:, :kept], offered[:, :kept] = left[:, :kept] * root, (basis @ right.T)[:, :kept] * root
    return heard, offered


@dataclass(frozen=True, slots=True, eq=False)
class Near:
    """S by its entries, which is symmetric.

    Attributes:
        rows: ascending.
    """

    rows: Ints
    columns: Ints
    values: Floats
    count: int

    def times(self, dense: Floats) -> Floats:
        """The product with a table of a row per item."""
        product = np.zeros((self.count, dense.shape[1]), np.float32)
        for first in range(0, len(self.rows), CHUNK):
            some = slice(first, first + CHUNK)
            rows, begins = np.unique(self.rows[some], return_index=True)
            product[rows] += np.add.reduceat(self.values[some, None] * dense[self.columns[some]], begins, axis=0)
        return product


def told(histories: Sequence[Sequence[int]], heard: Vectors) -> Vectors:
    """Users' sides: the mean of `heard` over each history, FADE by place back from the newest; shape (n, rank).

    Args:
        histories: rows of `heard`, newest last; only the newest LONGEST count, and zeros come of an empty one.
    """
    vectors = np.zeros((len(histories), heard.shape[1]), np.float32)
    for vector, history in zip(vectors, histories, strict=True):
        if newest := history[-LONGEST:]:
            vector[:] = FADING[-len(newest) :] @ heard[newest] / SUMS[len(newest)]
    return vectors


LONGEST = 50
"""Entries of a history that are asked with: those before the newest ones count for less than a hundredth."""

FADING: Floats = (FADE ** np.arange(LONGEST)[::-1]).astype(np.float32)
SUMS = np.cumsum([0.0, *FADING[::-1]]).astype(np.float32)
"""What the newest so many entries count together, from none."""


@dataclass(frozen=True, slots=True, eq=False)
class Covisits:
    """The factors of items.

    Attributes:
        rows: item id -> its row of both tables.
        heard, offered: shape (items, rank).
    """

    rows: Mapping[str, int]
    heard: Vectors
    offered: Vectors

    def told(self, history: Sequence[int]) -> Vectors:
        """The side of one user, as `told` gives it; shape (1, rank)."""
        newest = history[-LONGEST:]
        if not newest:
            return np.zeros((1, self.heard.shape[1]), np.float32)
        side: Vectors = FADING[-len(newest) :] @ self.heard[newest] / SUMS[len(newest)]
        return side[None, :]

    def to_files(self) -> dict[str, bytes]:
        """As files. What half precision takes from them is gone from then on."""
        return {
            IDS: json.dumps(sorted(self.rows, key=self.rows.__getitem__), ensure_ascii=False).encode(),
            HEARD: _saved(self.heard),
            OFFERED: _saved(self.offered),
        }

    @classmethod
    def from_files(cls, files: Mapping[str, bytes]) -> "Covisits":
        """The inverse of `to_files`.

        Raises:
            StoreError: a file is missing or damaged, or they do not fit together.
        """
        if missing := [name for name in (IDS, HEARD, OFFERED) if name not in files]:
            raise _damaged(missing[0], "a file", "none")
        try:
            ids = json.loads(files[IDS])
            heard, offered = (_loaded(files[name]) for name in (HEARD, OFFERED))
        except (ValueError, EOFError) as error:
            raise _damaged(f"{IDS}, {HEARD}, {OFFERED}", "JSON, and two tables of half precision", str(error)) from error
        if not (len(ids) == len(heard) and heard.shape == offered.shape and heard.ndim == 2):
            raise _damaged(HEARD, f"{len(ids)} rows as in {OFFERED}", f"shapes {heard.shape} and {offered.shape}")
        return cls({item: row for row, item in enumerate(ids)}, heard, offered)


def _saved(table: Vectors) -> bytes:
    file = io.BytesIO()
    np.save(file, table.astype(np.float16), allow_pickle=False)
    return file.getvalue()


def _loaded(data: bytes) -> Vectors:
    found: Vectors = np.load(io.BytesIO(data), allow_pickle=False).astype(np.float32)
    return found


def _damaged(name: str, expected: str, found: str) -> StoreError:
    return StoreError(
        f"what is had together: {name}",
        expected=expected,
        found=found,
        fix="Roll back to another release, or run a full refresh.",
    )
