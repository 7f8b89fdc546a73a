"""What reads texts and learns to: a pretrained encoder, and what is learnt beside it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from ratoon.domain.embedding import Vectors
from ratoon.ports.releases import Files

By = Literal["click", "rating"]
"""What is learnt: which text comes next, or what value it is given."""


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """n interactions with texts.

    Attributes:
        histories: the texts that the user had had, by number, newest last.
        own: the number of what the user says of themselves; -1 for nothing.
        texts: the text that came then, by number; shape (n,).
        values: what it was given, standardised; shape (n,).
        weights: what the interaction counts, above 0; shape (n,).
    """

    histories: Sequence[Sequence[int]]
    own: Sequence[int]
    texts: npt.NDArray[np.int64]
    values: npt.NDArray[np.float32]
    weights: npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class TextLesson:
    """What a tower of texts learns from.

    Attributes:
        texts: of items, all different.
        rows: what the tower makes of them as it is; shape (texts, dim).
        own: what users say of themselves, all different.
        own_rows: what the tower makes of that; shape (own, dim).
        new: what is learnt; every text in it is encoded anew in each pass.
        fit: what says which pass is kept, newest last; what it looks at is encoded anew as well.
    """

    texts: Sequence[str]
    rows: Vectors
    own: Sequence[str]
    own_rows: Vectors
    new: Reading
    fit: Reading


@dataclass(frozen=True, slots=True)
class TextsLearnt:
    """A tower of texts after a lesson.

    Attributes:
        files: as they were if no pass was better than none.
        said: what the fit rows said before the first pass and after each; more is better.
        kept: which pass was kept, 0 for none.
    """

    files: Files
    said: tuple[float, ...]
    kept: int


class TextTower(Protocol):
    """Texts -> rows of length 1. What is learnt is in files; nothing is kept between calls."""

    @property
    def mark(self) -> str:
        """What tells its encoder from others."""

    @property
    def width(self) -> int:
        """The longest rows that it can make."""

    def begun(self, texts: Sequence[str], dim: int, rank: int, rng: np.random.Generator) -> Files:
        """A tower that has learnt nothing: its rows say how these texts differ, in as few numbers as are asked."""

    def rows(self, files: Files, texts: Sequence[str]) -> Vectors:
        """The rows of texts; shape (n, dim)."""

    def learnt(self, files: Files, lesson: TextLesson, by: By, passes: int, rng: np.random.Generator) -> TextsLearnt:
        """The tower after at most so many passes over the lesson."""
