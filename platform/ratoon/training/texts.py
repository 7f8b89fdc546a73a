"""A tower of texts: a sentence encoder, and what is learnt beside it from what people had after what.

    click    is this text, or another one of the batch, what came after this history? Cross entropy of each pair by itself, as in
             Zhai et al. 2023 (arXiv:2303.15343): no pair waits for others of its batch
    rating   what value was it given? Squared error of the standardised value

Encoding is nearly all that it costs. So each batch is of texts, each encoded once for all the histories that it came after, and
histories are told by what the encoder made of them when the pass began, as the projection has it now: gradients reach the encoder
by what came, and the projection by both.
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

from ratoon.domain.covisit import FADING, LONGEST, SUMS
from ratoon.domain.embedding import Vectors
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

TOLD_LR = 0.05
"""The learning rate of how scores are told: quicker than what they are made of, which would else make up for it."""

WARM = 0.1
"""The share of the steps in which the learning rate grows to its full size; from then on it falls to nothing."""

SHARP = 10.0
"""How much closeness counts before anything has been learnt."""

DRAWN = 1_000
"""Texts that the one which came is compared with, by the fit rows."""


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
            return _rows(encoder, Adapter.load(files), [encoder.cut(text) for text in texts])

    def learnt(self, files: Files, lesson: TextLesson, by: By, passes: int, rng: np.random.Generator) -> TextsLearnt:
        """See the port."""
        with repeatable(self.threads):
            return _Learning(opened(self.folder), files, lesson, by, rng).done(passes)


class _Learning:
    """One lesson.

    Attributes:
        vectors: what the encoder made, when the pass began, of the lesson's texts, and of users' when the lesson did.
    """

    def __init__(self, encoder: Sentences, files: Files, lesson: TextLesson, by: By, rng: np.random.Generator) -> None:
        self.encoder, self.files, self.lesson, self.by, self.rng = encoder, files, lesson, by, rng
        self.adapter = Adapter.load(files).copied()
        self.cut, own = ([encoder.cut(text) for text in texts] for texts in (lesson.texts, lesson.own))
        self.vectors = self._seen([*self.cut, *own])
        self.new, self.fit = (_Told.of(one, len(lesson.texts), len(self.vectors)) for one in (lesson.new, lesson.fit))
        self.learnt = np.unique(lesson.new.texts)
        self.drawn = torch.from_numpy(rng.permutation(len(lesson.texts))[:DRAWN])
        scale, offset = (log(SHARP), -log(BATCH - 1)) if by == "click" else (0.0, 0.0)
        self.scale, self.offset = (torch.tensor([one], requires_grad=True) for one in (scale, offset))

    def done(self, passes: int) -> TextsLearnt:
        """The passes, and the one that is kept."""
        step = _stepping(self.adapter, {"scale": self.scale, "offset": self.offset}, passes * -(-len(self.learnt) // BATCH))
        said, kept = [self._judged()], self.files
        for _ in range(passes):
            order = self.rng.permutation(self.learnt)
            for start in range(0, len(order), BATCH):
                self._loss(order[start : start + BATCH]).backward()  # type: ignore[no-untyped-call]
                step()
            self.vectors[: len(self.cut)] = self._seen(self.cut)
            self.adapter.centred(self.vectors[: len(self.cut)])
            said.append(self._judged())
            if said[-1] > max(said[:-1]):
                kept = self.adapter.dump()
        return TextsLearnt(kept, tuple(said), int(np.argmax(said)))

    def _seen(self, cut: Sequence[Sequence[int]]) -> Tensor:
        return torch.from_numpy(self.encoder.all(cut, self.adapter.adapted))

    def _loss(self, texts: npt.NDArray[np.int64]) -> Tensor:
        """Of a batch of texts, by all histories that they came after."""
        place = np.full(len(self.vectors) + 1, -1)
        place[texts] = np.arange(len(texts))
        pairs = torch.from_numpy(np.flatnonzero(place[self.lesson.new.texts] >= 0))
        places = torch.from_numpy(place)
        came, weights, lines = places[self.new.texts[pairs]], self.new.weights[pairs], torch.arange(len(pairs))
        rows = self.adapter.projected(self.encoder.encoded([self.cut[text] for text in texts], self.adapter.adapted))
        sides = self.new.sides(self.adapter.projected(self.vectors), pairs)
        scores = self.scale.exp() * (sides @ rows.T) + self.offset
        if self.by == "rating":
            return (weights * (scores[lines, came] - self.new.values[pairs]) ** 2).sum() / weights.sum()
        wanted, counts = torch.zeros_like(scores), torch.ones_like(scores)
        line, entry = torch.nonzero(places[self.new.places[pairs]] >= 0, as_tuple=True)
        counts[line, places[self.new.places[pairs]][line, entry]] = 0.0  # what somebody has had is no wrong answer
        wanted[lines, came], counts[lines, came] = 1.0, 1.0
        lost = functional.binary_cross_entropy_with_logits(scores, wanted, counts, reduction="none")
        return (weights * lost.sum(1)).sum() / weights.sum()

    @torch.no_grad()
    def _judged(self) -> float:
        """Click: the share of drawn texts that lie farther from the history than the one that came. Rating: the correlation."""
        fit = self.fit
        if not len(fit.texts):
            return 0.0
        rows = self.adapter.projected(self.vectors)
        sides = fit.sides(rows, torch.arange(len(fit.texts)))
        scores = (sides * rows[fit.texts]).sum(1)
        if self.by == "rating":
            steady = not scores.std(correction=0) or not fit.values.std(correction=0)
            return 0.0 if steady else float(torch.corrcoef(torch.stack([scores, fit.values]))[0, 1])
        others = sides @ rows[self.drawn].T
        beaten = (scores[:, None] > others).float().mean(1) + 0.5 * (scores[:, None] == others).float().mean(1)
        return float((beaten * fit.weights).sum() / fit.weights.sum())


@dataclass(frozen=True, slots=True, eq=False)
class _Told:
    """Interactions as tensors; users as what each text adds to them.

    Attributes:
        places: the numbers of what the user had had and says, users' texts after items'; shape (n, LONGEST + 1). What is over
            has the number that follows the last.
        shares: what each of them adds, all together 1; shape as `places`.
        texts, values, weights: as in `Reading`.
    """

    places: Tensor
    shares: Tensor
    texts: Tensor
    values: Tensor
    weights: Tensor

    @classmethod
    def of(cls, reading: Reading, texts: int, every: int) -> "_Told":
        """Args: texts, every: how many texts items have, and how many there are with users'."""
        places = np.full((len(reading.own), LONGEST + 1), every)
        shares = np.zeros(places.shape, np.float32)
        for line, (history, own) in enumerate(zip(reading.histories, reading.own, strict=True)):
            newest, part = history[-LONGEST:], 1.0 if own < 0 or not history else 0.5
            if newest:
                places[line, : len(newest)] = newest
                shares[line, : len(newest)] = part * FADING[-len(newest) :] / SUMS[len(newest)]
            if own >= 0:
                places[line, -1], shares[line, -1] = texts + own, part
        arrays = (places, shares, reading.texts, reading.values, reading.weights)
        return cls(*map(torch.from_numpy, arrays))

    def sides(self, rows: Tensor, some: Tensor) -> Tensor:
        """The users' sides of some, by the rows of all texts; shape (some, dim)."""
        found = functional.embedding(self.places[some], torch.cat([rows, rows.new_zeros(1, rows.shape[1])]))
        return (self.shares[some][:, None, :] @ found)[:, 0]


def _source(rng: np.random.Generator) -> torch.Generator:
    return torch.Generator().manual_seed(int(rng.integers(2**62)))


def _rows(encoder: Sentences, adapter: Adapter, cut: Sequence[Sequence[int]]) -> Vectors:
    with torch.no_grad():
        found: Vectors = adapter.projected(torch.from_numpy(encoder.all(cut, adapter.adapted))).numpy()
    return found


def _shares(steps: int) -> Iterator[float]:
    """The share of the learning rate at each step: it grows in a line, then falls in one."""
    warm = max(1, round(WARM * steps))
    for step in range(steps):
        yield (step + 1) / warm if step < warm else (steps - step) / (steps - warm + 1)


def _stepping(adapter: Adapter, told: Mapping[str, Tensor], steps: int) -> Callable[[], None]:
    """Moves everything that is learnt by its gradients, which are then gone."""
    added = adapter.learnt
    projection = {WEIGHT: added.pop(WEIGHT)}
    optimisers = DenseAdam(added, LR, DECAY), DenseAdam(projection, PROJECTION_LR, DECAY), DenseAdam(told, TOLD_LR, 0.0)
    shares = _shares(steps)

    def step() -> None:
        share = next(shares)
        for optimiser in optimisers:
            optimiser.step(share)
        for tensor in (*adapter.tensors.values(), *told.values()):
            tensor.grad = None

    return step
