"""How good answers were, on interactions that whoever answered had not seen: recall, ranking and variety, by slice."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ratoon.domain.intervals import clustered

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Truths = npt.NDArray[np.bool_]

FILE = "quality.json"
"""The file of a release that holds its `Record`."""

CERTAIN = 1.96
"""Standard errors on either side of a mean, for a certainty of 95 %."""

DRAWS = 500
"""Bootstrap resamples of an interval that nothing is decided by alone."""


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """What a release answered to n questions: which item did this user take next?

    Attributes:
        k: how many candidates were asked for.
        users: whose question each is.
        ranks: of the item that was taken, from 0; k where it was not among the candidates. Shape (n,).
        weights: what each question counts, by the surface's policy; shape (n,).
        found: the candidates of each question, best first.
    """

    k: int
    users: tuple[str, ...]
    ranks: Ints
    weights: Floats
    found: tuple[tuple[str, ...], ...] = ()

    def __len__(self) -> int:
        """The number of questions."""
        return len(self.users)

    @property
    def hits(self) -> Floats:
        """1 where the item was among the candidates, else 0; shape (n,)."""
        return (self.ranks < self.k).astype(np.float64)

    @property
    def gains(self) -> Floats:
        """1 / log2(2 + rank) where the item was among the candidates, else 0: DCG of one relevant item; shape (n,)."""
        return np.where(self.ranks < self.k, 1 / np.log2(2.0 + self.ranks), 0.0)

    def where(self, chosen: Truths) -> "Answers":
        """The answers to some of the questions."""
        kept = np.flatnonzero(chosen).tolist()
        users = tuple(self.users[place] for place in kept)
        found = tuple(self.found[place] for place in kept) if self.found else ()
        return Answers(self.k, users, self.ranks[chosen], self.weights[chosen], found)

    def followed(self, other: "Answers") -> "Answers":
        """These answers and then those to other questions, at the same depth; without the candidates."""
        ranks, weights = np.concatenate([self.ranks, other.ranks]), np.concatenate([self.weights, other.weights])
        return Answers(self.k, self.users + other.users, ranks, weights)

    @property
    def offers(self) -> dict[str, int]:
        """Item -> among how many questions' candidates it is."""
        return dict(Counter(item for items in self.found for item in items))

    def mean(self, values: Floats) -> float:
        """The weighted mean of a value per question; 0 without questions."""
        total = float(self.weights.sum())
        return float(values @ self.weights) / total if total else 0.0


def effective(offers: Mapping[str, int]) -> float:
    """How many items share the answers, were they offered equally often: the exponential of the entropy (Hill 1973)."""
    counts = np.array(list(offers.values()), np.float64)
    if not counts.sum():
        return 0.0
    shares = counts[counts > 0] / counts.sum()
    return float(np.exp(-(shares * np.log(shares)).sum()))


HEAD = 0.01
"""The share of a catalogue whose most offered items are its head."""


@dataclass(frozen=True, slots=True)
class Breadth:
    """How much of a catalogue answers reach.

    Attributes:
        reach: the share of its items that are offered at all.
        head: the share of all offers that the most offered HEAD of its items take.
    """

    reach: float
    head: float


def breadth(offers: Mapping[str, int], items: int) -> Breadth:
    """How much of a catalogue of so many items is among these offers; nothing of none."""
    total = sum(offers.values())
    if not items or not total:
        return Breadth(0.0, 0.0)
    most = sorted(offers.values(), reverse=True)[: max(1, round(HEAD * items))]
    return Breadth(len(offers) / items, sum(most) / total)


@dataclass(frozen=True, slots=True)
class Measure:
    """One slice.

    Attributes:
        rows: questions.
        recall: of the k candidates, with the bounds of its 95 % interval, users resampled.
        ndcg: at k, one relevant item per question.
        error: the standard error of ndcg, over users; None in older records.
    """

    rows: int
    recall: float
    low: float
    high: float
    ndcg: float
    error: float | None = None

    @property
    def loss(self) -> float:
        """What the ranking has lost: 1 where no item that was taken was among the candidates, 0 where each was the first."""
        return 1.0 - self.ndcg


@dataclass(frozen=True, slots=True)
class Truth:
    """What a release was worth on a window before anything had learnt it (Dawid 1984, prequential).

    Attributes:
        k: the depth of recall, ranking and coverage.
        slices: `all`, `warm` (user and item known), `new users`, `new items`, and segments of users; those without questions
            are left out.
        coverage: the share of the release's items that were offered at all.
        effective: see `effective`.
    """

    k: int
    slices: Mapping[str, Measure]
    coverage: float
    effective: float


def truth(answers: Answers, slices: Mapping[str, Truths], items: int, rng: np.random.Generator) -> Truth:
    """The figures of some answers, by slice.

    Args:
        slices: name -> which questions are in it; shape (n,) each.
        items: how many could have been offered.
    """
    measured = {name: _measure(answers.where(chosen), rng) for name, chosen in slices.items() if chosen.any()}
    offers = answers.offers
    return Truth(answers.k, measured, breadth(offers, items).reach, effective(offers))


def _measure(answers: Answers, rng: np.random.Generator) -> Measure:
    zero = np.zeros(len(answers))
    interval = clustered(answers.users, answers.hits, zero, draws=DRAWS, rng=rng, weights=answers.weights)
    ndcg = answers.mean(answers.gains)
    return Measure(len(answers), interval.mean, interval.low, interval.high, ndcg, _error(answers, ndcg))


def _error(answers: Answers, mean: float) -> float:
    """The standard error of the mean gain, whose users are drawn, not its questions: the linearised one of a ratio."""
    _, place = np.unique(np.asarray(answers.users), return_inverse=True)
    residuals = np.bincount(place, weights=(answers.gains - mean) * answers.weights)
    total = float(answers.weights.sum())
    return float(np.sqrt(np.square(residuals).sum())) / total if total else 0.0


@dataclass(frozen=True, slots=True)
class Record:
    """What a release says of those before it.

    Attributes:
        newest: what its parent was worth on its window; None for a first release.
        fresh: what the first release after the shared layers were last taught was worth on the window after it; None before
            there is one.
        churned: how many items came or went since they were.
    """

    newest: Truth | None = None
    fresh: Truth | None = None
    churned: int = 0

    def to_json(self) -> str:
        """As JSON, keys sorted."""
        truths = {name: truth and asdict(truth) for name, truth in (("newest", self.newest), ("fresh", self.fresh))}
        return json.dumps({**truths, "churned": self.churned}, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> "Record":
        """The inverse of `to_json`."""
        raw = json.loads(text)
        newest, fresh = (raw[name] and _truth(raw[name]) for name in ("newest", "fresh"))
        return cls(newest, fresh, raw.get("churned", 0))


def _truth(raw: dict[str, Any]) -> Truth:
    return Truth(**raw | {"slices": {name: Measure(**row) for name, row in raw["slices"].items()}})


def fallen(then: Truth, now: Truth, least: float) -> str:
    """Why recall on warm questions has certainly fallen by more than the share `least`; empty if it has not."""
    before, after = then.slices.get("warm"), now.slices.get("warm")
    if before is None or after is None or after.high >= before.low * (1 - least):
        return ""
    return f"recall@{now.k} on new interactions fell from {before.recall:.3f} to {after.recall:.3f}"


def lost(then: Truth, now: Truth, least: float) -> str:
    """Why the ranking of warm questions has certainly lost more than the share `least` of what it was worth; empty if not."""
    before, after = then.slices.get("warm"), now.slices.get("warm")
    if before is None or after is None or before.error is None or after.error is None:
        return ""
    if after.ndcg + CERTAIN * after.error >= (before.ndcg - CERTAIN * before.error) * (1 - least):
        return ""
    return f"the ranking's loss on new interactions rose from {before.loss:.3f} to {after.loss:.3f}"


def fall(then: Truth, now: Truth, figure: Literal["recall", "ndcg"]) -> float | None:
    """The share of a figure of warm questions that was lost, below 0 where it rose; None where there are none."""
    before, after = (getattr(one.slices["warm"], figure) if "warm" in one.slices else None for one in (then, now))
    return None if not before or after is None else 1.0 - after / before
