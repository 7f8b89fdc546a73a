"""A tower of texts: a sentence encoder, and what is learnt beside it from what people had after what.

    click    is this text, or another one of the batch, what came after this history? Cross entropy of each pair by itself, as in
             Zhai et al. 2023 (arXiv:2303.15343): no pair waits for others of its batch
    rating   what value was it given? Squared error of the standardised value

Encoding is nearly all that it costs. So each batch is of texts, each encoded once for all the histories that they came after;
histories are told by rows as they were when the pass began. A pass is judged by what would be served: all that fit rows look at
is encoded anew, as rows of two adapters side by side would not compare.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import log
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from ratoon.domain.covisit import LONGEST
from ratoon.domain.embedding import Vectors
from ratoon.domain.errors import DataError
from ratoon.domain.texts import faded, side
from ratoon.ports import Files
from ratoon.ports.texts import By, Reading, TextLesson, TextsLearnt
from ratoon.training.lora import WEIGHT, Adapter
from ratoon.training.optimisers import DenseAdam
from ratoon.training.repeatable import repeatable
from ratoon.training.sentences import BATCH, Sentences, opened

LOOKED_AT = 2_048
"""Texts by which it is found in which directions they differ."""

LR, PROJECTION_LR, DECAY = 5e-3, 3e-3, 0.01
"""Learning rates of additions and of the projection, and their weight decay."""

WARM = 0.1
"""The share of the steps in which the learning rate grows to its full size; from then on it falls to nothing."""

SHARP = 10.0
"""How much closeness counts before anything has been learnt."""

DRAWN = 1_000
"""Texts that the one which came is compared with, by the fit rows."""

JUDGED = 4_096
"""Texts that fit rows look at beside those, at most; the newest rows count."""


@dataclass(frozen=True, slots=True)
class SentenceTower:
    """See `ratoon.ports.texts.TextTower`.

    Args:
        folder: of the encoder, see `Sentences`; read when it is first needed.
        threads: of the processor.
    """

    folder: Path
    threads: int

    @property
    def mark(self) -> str:
        """See the port."""
        return opened(self.folder).mark

    @property
    def width(self) -> int:
        """See the port."""
        return opened(self.folder).width

    def begun(self, texts: Sequence[str], dim: int, rank: int, rng: np.random.Generator) -> Files:
        """See the port."""
        encoder = opened(self.folder)
        some = np.unique(np.linspace(0, len(texts) - 1, min(LOOKED_AT, len(texts))).astype(np.int64))
        vectors = torch.from_numpy(encoder.vectors([texts[place] for place in some], self.threads))
        with repeatable(self.threads):
            return Adapter.fresh(encoder, vectors, dim, rank, _source(rng)).dump()

    def rows(self, files: Files, texts: Sequence[str]) -> Vectors:
        """See the port."""
        encoder = opened(self.folder)
        with repeatable(self.threads):
            adapter = Adapter.load(files)
            vectors = torch.from_numpy(encoder.all([encoder.cut(text) for text in texts], adapter.adapted))
            return _projected(adapter, vectors)

    def learnt(self, files: Files, lesson: TextLesson, by: By, passes: int, rng: np.random.Generator) -> TextsLearnt:
        """See the port."""
        with repeatable(self.threads):
            return _Learning.of(opened(self.folder), files, lesson, by, passes, rng).done()


@dataclass(frozen=True, slots=True, eq=False)
class _Learning:
    """One night's lesson.

    Texts have their numbers, and after them come what users say of themselves.

    Attributes:
        fit: the fit rows that judge.
        chosen: the texts that are learnt from, by number.
        drawn: texts that fit rows compare with.
        cut: the pieces of all texts that are encoded in each pass, by number, in order.
        rows: all texts' rows as they are; replaced in place when a pass is over. Shape (texts, dim).
    """

    encoder: Sentences
    files: Files
    lesson: TextLesson
    by: By
    adapter: Adapter
    step: Callable[[], None]
    scale: Tensor
    offset: Tensor
    fit: Reading
    chosen: npt.NDArray[np.int64]
    drawn: npt.NDArray[np.int64]
    cut: Mapping[int, Sequence[int]]
    rows: Vectors
    passes: int
    rng: np.random.Generator

    @classmethod
    def of(
        cls, encoder: Sentences, files: Files, lesson: TextLesson, by: By, passes: int, rng: np.random.Generator
    ) -> "_Learning":
        chosen = np.unique(lesson.new.texts)
        adapter = Adapter.load(files).copied()
        scale, offset = ([SHARP], [-log(BATCH - 1)]) if by == "click" else ([1.0], [0.0])
        steep, base = torch.tensor(scale).log().requires_grad_(), torch.tensor(offset, requires_grad=True)
        shares = _shares(passes * -(-len(chosen) // BATCH))
        step = _stepping(adapter, {"scale": steep, "offset": base}, shares)
        drawn, texts = rng.permutation(len(lesson.texts))[:DRAWN], [*lesson.texts, *lesson.own]
        fit, looked = _looked(lesson, JUDGED)
        cut = {text: encoder.cut(texts[text]) for text in sorted(looked.union(chosen.tolist(), drawn.tolist()))}
        rows = np.concatenate([lesson.rows, lesson.own_rows], dtype=np.float32)  # a copy
        return cls(encoder, files, lesson, by, adapter, step, steep, base, fit, chosen, drawn, cut, rows, passes, rng)

    def done(self) -> TextsLearnt:
        """The passes, and the one that is kept."""
        said, files, kept = [self._judged()], self.files, 0
        for number in range(1, self.passes + 1):
            self._pass()
            self._encode()
            said.append(self._judged())
            if said[-1] > said[kept]:
                files, kept = self.adapter.dump(), number
        return TextsLearnt(files, tuple(said), kept)

    def _encode(self) -> None:
        """Make the rows of what is learnt and looked at those of the adapter as it is."""
        vectors, items = torch.from_numpy(self.encoder.all([*self.cut.values()], self.adapter.adapted)), len(self.lesson.texts)
        self.adapter.centred(vectors[: sum(text < items for text in self.cut)])
        self.rows[[*self.cut]] = _projected(self.adapter, vectors)

    def _pass(self) -> None:
        new = self.lesson.new
        sides = torch.from_numpy(self._sides(new))
        order = self.rng.permutation(self.chosen)
        for start in range(0, len(order), BATCH):
            texts = order[start : start + BATCH]
            place = np.full(len(self.lesson.texts), -1)
            place[texts] = np.arange(len(texts))
            pairs = np.flatnonzero(place[new.texts] >= 0)
            encoded = self.encoder.encoded([self.cut[text] for text in texts], self.adapter.adapted)
            rows = self.adapter.projected(encoded, encoded.mean(0))  # else all would move to where most of what came is
            scores = self.scale.exp() * (sides[pairs] @ rows.T) + self.offset
            loss = self._loss(scores, pairs, place)
            if not torch.isfinite(loss):
                raise DataError(
                    "text.learn",
                    expected="a finite loss",
                    found=f"{loss.item()} on a batch of {len(pairs):,} interactions",
                    fix="Look for extreme values and weights in the newest rows, or learn less with --learn no.",
                )
            loss.backward()
            self.step()

    def _loss(self, scores: Tensor, pairs: npt.NDArray[np.int64], place: npt.NDArray[np.int64]) -> Tensor:
        """Of the scores of some histories and the batch's texts; shape (pairs, texts)."""
        new = self.lesson.new
        right, weights = torch.from_numpy(place[new.texts[pairs]]), torch.from_numpy(new.weights[pairs])
        lines = torch.arange(len(pairs))
        if self.by == "rating":
            apart = (scores[lines, right] - torch.from_numpy(new.values[pairs])) ** 2
            return (weights * apart).sum() / weights.sum()
        wanted, counts = torch.zeros_like(scores), torch.ones_like(scores)
        for line, pair in enumerate(pairs):  # what somebody has had is no wrong answer
            counts[line, place[[text for text in self.lesson.new.histories[pair] if place[text] >= 0]]] = 0.0
        wanted[lines, right], counts[lines, right] = 1.0, 1.0
        lost = functional.binary_cross_entropy_with_logits(scores, wanted, counts, reduction="none")
        return (weights * lost.sum(1)).sum() / weights.sum()

    def _sides(self, reading: Reading) -> Vectors:
        dim = self.rows.shape[1]
        sides = np.zeros((len(reading.own), dim), np.float32)
        for vector, history, own in zip(sides, reading.histories, reading.own, strict=True):
            parts = [faded(history, self.rows)] if history else []
            vector[:] = side([*parts, *([self.rows[len(self.lesson.texts) + own]] if own >= 0 else [])], dim)
        return sides

    def _judged(self) -> float:
        """Click: the share of drawn texts that lie farther from the history than the one that came. Rating: the correlation."""
        fit = self.fit
        if not len(fit.texts):
            return 0.0
        sides = self._sides(fit)
        scores = (sides * self.rows[fit.texts]).sum(axis=1)
        if self.by == "rating":
            steady = scores.std() == 0 or fit.values.std() == 0
            return 0.0 if steady else float(np.corrcoef(scores, fit.values)[0, 1])
        others = sides @ self.rows[self.drawn].T
        beaten = (scores[:, None] > others).mean(axis=1) + 0.5 * (scores[:, None] == others).mean(axis=1)
        return float(np.average(beaten, weights=fit.weights))


def _source(rng: np.random.Generator) -> torch.Generator:
    return torch.Generator().manual_seed(int(rng.integers(2**62)))


def _projected(adapter: Adapter, vectors: Tensor) -> Vectors:
    with torch.no_grad():
        found: Vectors = adapter.projected(vectors).numpy()
    return found


def _looked(lesson: TextLesson, most: int) -> tuple[Reading, set[int]]:
    """The newest fit rows that look at no more texts than these, at least one; and those texts, users' own after the others."""
    fit, looked, first = lesson.fit, set[int](), len(lesson.fit.texts)
    for place in reversed(range(first)):
        own = [len(lesson.texts) + fit.own[place]] if fit.own[place] >= 0 else []
        more = looked.union(fit.histories[place][-LONGEST:], own, [int(fit.texts[place])])
        if looked and len(more) > most:
            break
        looked, first = more, place
    rest = slice(first, None)
    return Reading(fit.histories[rest], fit.own[rest], fit.texts[rest], fit.values[rest], fit.weights[rest]), looked


def _shares(steps: int) -> Iterator[float]:
    """The share of the learning rate at each step: it grows in a line, then falls in one."""
    warm = max(1, round(WARM * steps))
    for step in range(steps):
        yield (step + 1) / warm if step < warm else (steps - step) / (steps - warm + 1)


def _stepping(adapter: Adapter, told: dict[str, Tensor], shares: Iterator[float]) -> Callable[[], None]:
    """Moves everything that is learnt by its gradients, which are then gone."""
    added = adapter.learnt
    projection = {WEIGHT: added.pop(WEIGHT)}
    optimisers = DenseAdam(added, LR, DECAY), DenseAdam(projection, PROJECTION_LR, DECAY), DenseAdam(told, PROJECTION_LR, 0.0)

    def step() -> None:
        share = next(shares)
        for optimiser in optimisers:
            optimiser.step(share)
        for tensor in (*adapter.tensors.values(), *told.values()):
            tensor.grad = None

    return step
