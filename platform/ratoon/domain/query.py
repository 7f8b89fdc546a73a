"""A question to the retrieval API and its answer."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from ratoon.domain.predicate import Predicate

Source = Literal["tower", "cold", "popular"]
"""Where candidates come from: the user's own vector; popularity because the user is unknown; popularity as asked for."""

Known = Literal["index", "features"]
"""Where a candidate's vector comes from: the release; what was posted of the item since, which no release has learnt yet."""


@dataclass(frozen=True, slots=True)
class Query:
    """Who should see what.

    Attributes:
        k: how many candidates, 1 or more.
        exclude: item ids that must not be in the answer.
        exclude_seen: whether to leave out items the user has had.
        popular: answer by live popularity, whoever asks.
        filter: what must be true of the filter columns of every candidate.
    """

    user_id: str
    k: int
    exclude: frozenset[str] = field(default_factory=frozenset)
    exclude_seen: bool = True
    popular: bool = False
    filter: Predicate | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """One item, its score (inner product with the user's vector, or interactions counted) and its display columns."""

    item_id: str
    score: float
    display: dict[str, object]
    source: Known = "index"


@dataclass(frozen=True, slots=True)
class Answer:
    """Candidates, best first, all from one release.

    Attributes:
        adopting: whether that release was still being adopted: some candidates may be those of the one before.
    """

    candidates: tuple[Candidate, ...]
    source: Source
    release: str
    sequence: int
    watermark: datetime
    adopting: bool = False
