"""What texts say: an item by its text, and a user by the texts of what they have had and by their own; a row of numbers each.

    item   LENGTH * row(text)
    user   heard * mean of (the fading mean of the history's rows, the row of the own text), of those that there are

Rows are of length 1 and come from an encoder that a server does not have. So an item has the row of its text as that was encoded
last, and a new one zeros; users' texts stand here as hashes, and where one is not among them yet the history alone counts. Pure.
"""

import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ratoon.domain.covisit import FADING, LONGEST, SUMS
from ratoon.domain.embedding import Vectors
from ratoon.domain.errors import StoreError

LENGTH = 0.3
"""How long the items' side is, where that of towers is 1."""

ABOUT, IDS = "about.json", "items.json"
"""The files that say how the rows were made, and the ids of the items that have one, in order."""

TABLES = ("hashes.npy", "rows.npy", "own_hashes.npy", "own_rows.npy")
"""The hashes and the rows of items' texts, then of users' texts; rows in half precision."""

Hashes = npt.NDArray[np.uint64]
Halves = npt.NDArray[np.float16]


def hashed(text: str) -> int:
    """What stands for a text; 64 bits."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest())


@dataclass(frozen=True, slots=True)
class About:
    """How rows were made.

    Attributes:
        encoder: the mark of the encoder that they come from.
        field: the items' text.
        user_field: the users'; empty without.
        dim: the length of a row.
        rank: of what is learnt beside the encoder.
        learnt: the newest offset of the log that has been learnt, -1 before the first.
        heard: what users' sides are multiplied by.
    """

    encoder: str
    field: str
    user_field: str
    dim: int
    rank: int
    learnt: int = -1
    heard: float = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Texts:
    """The rows of texts.

    Attributes:
        items: item id -> its row of `rows`; an item without a text is not there.
        hashes, rows: of items' texts; shapes (items,) and (items, dim).
        own: the hash of a user's text -> its row of `own_rows`.
        own_rows: shape (users' different texts, dim).
    """

    about: About
    items: Mapping[str, int]
    hashes: Hashes
    rows: Halves
    own: Mapping[int, int]
    own_rows: Halves

    @property
    def nbytes(self) -> int:
        """The bytes of the tables."""
        return self.hashes.nbytes + self.rows.nbytes + self.own_rows.nbytes

    def known(self) -> dict[int, npt.NDArray[np.float16]]:
        """Hash -> row, of all texts."""
        found = dict(zip(self.hashes.tolist(), self.rows, strict=True))
        return found | {text: self.own_rows[row] for text, row in self.own.items()}

    def told(self, history: object, text: object) -> Vectors:
        """The side of one user; shape (dim,).

        Args:
            history: a list of item ids, newest last, or nothing.
            text: what the user says, or nothing.
        """
        entries = history if isinstance(history, list) else ()
        rows = [row for entry in entries if entry is not None and (row := self.items.get(str(entry))) is not None]
        own = self.own.get(hashed(text)) if isinstance(text, str) else None
        parts = [
            *([faded(rows, self.rows)] if rows else []),
            *([self.own_rows[own].astype(np.float32)] if own is not None else []),
        ]
        return side(parts, self.about.dim) * np.float32(self.about.heard)

    def offered(self, items: Sequence[str]) -> Vectors:
        """The sides of items; shape (n, dim)."""
        places = np.array([self.items.get(item, -1) for item in items], np.int64)
        vectors = np.zeros((len(places), self.about.dim), np.float32)
        vectors[places >= 0] = LENGTH * self.rows[places[places >= 0]].astype(np.float32)
        return vectors

    def to_files(self) -> dict[str, bytes]:
        """As files."""
        own = np.array(sorted(self.own, key=self.own.__getitem__), np.uint64)
        tables: tuple[npt.NDArray[Any], ...] = (self.hashes, self.rows, own, self.own_rows)
        return {
            ABOUT: json.dumps(asdict(self.about), sort_keys=True).encode(),
            IDS: json.dumps(sorted(self.items, key=self.items.__getitem__), ensure_ascii=False).encode(),
            **{name: _saved(table) for name, table in zip(TABLES, tables, strict=True)},
        }

    @classmethod
    def from_files(cls, files: Mapping[str, bytes]) -> "Texts":
        """The inverse of `to_files`.

        Raises:
            StoreError: a file is missing or damaged, or they do not fit together.
        """
        if missing := [name for name in (ABOUT, IDS, *TABLES) if name not in files]:
            raise _damaged(missing[0], "a file", "none")
        try:
            about, ids = About(**json.loads(files[ABOUT])), json.loads(files[IDS])
            hashes, rows, own, own_rows = (np.load(io.BytesIO(files[name]), allow_pickle=False) for name in TABLES)
        except (ValueError, TypeError, EOFError) as error:
            raise _damaged(", ".join((ABOUT, IDS, *TABLES)), "JSON, and tables of numbers", str(error)) from error
        shapes = (hashes.shape, rows.shape, own.shape, own_rows.shape)
        wanted = ((len(ids),), (len(ids), about.dim), (len(own),), (len(own), about.dim))
        if shapes != wanted:
            raise _damaged(", ".join(TABLES), f"shapes {wanted}", str(shapes))
        items = {item: row for row, item in enumerate(ids)}
        return cls(about, items, hashes, rows, {text: row for row, text in enumerate(own.tolist())}, own_rows)


def faded(history: Sequence[int], rows: Vectors | Halves) -> Vectors:
    """The mean of the rows of a history of at least one, the newest weighing most; shape (dim,)."""
    newest = list(history[-LONGEST:])
    mean: Vectors = FADING[-len(newest) :] @ rows[newest].astype(np.float32) / SUMS[len(newest)]
    return mean


def side(parts: Sequence[Vectors], dim: int) -> Vectors:
    """A user of the parts that there are; zeros of none. Shape (dim,)."""
    return np.mean(parts, axis=0, dtype=np.float32) if parts else np.zeros(dim, np.float32)


def _saved(table: npt.NDArray[Any]) -> bytes:
    file = io.BytesIO()
    np.save(file, table, allow_pickle=False)
    return file.getvalue()


def _damaged(name: str, expected: str, found: str) -> StoreError:
    return StoreError(
        f"what texts say: {name}",
        expected=expected,
        found=found,
        fix="Roll back to another release, or run a full refresh.",
    )
