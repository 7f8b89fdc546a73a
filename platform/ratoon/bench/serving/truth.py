"""What each edition of a world must answer, by brute force: every item's score for a user, without an index."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from ratoon.bench.serving.crowd import Crowd, item_ids
from ratoon.bench.serving.inputs import SCHEMA
from ratoon.bench.serving.world import World
from ratoon.domain.embedding import Vectors
from ratoon.features.online import OnlineUsers

NEAR = 2e-4
"""How far a score may be from the one that is computed here: float32, added up in another order."""

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Found:
    """One answer, taken apart.

    Attributes:
        rows, scores: of its candidates, best first; shape (n,).
    """

    release: str
    rows: npt.NDArray[np.int64]
    scores: npt.NDArray[np.float64]

    @classmethod
    def of(cls, body: bytes) -> "Found":
        """From an answer's bytes."""
        answer: dict[str, Any] = json.loads(body)
        rows = [int(one["item_id"][1:]) for one in answer["candidates"]]
        return cls(answer["release"], np.array(rows, np.int64), np.array([one["score"] for one in answer["candidates"]], float))


def release_of(body: bytes) -> str:
    """Which release an answer says it is of."""
    return str(json.loads(body)["release"])


@dataclass(frozen=True)
class Truth:
    """One edition of a world for some of its users, as they were when it was made."""

    world: World
    edition: int
    users: Sequence[int]

    @cached_property
    def _opened(self) -> tuple[Vectors, Vectors]:
        towers, index = self.world.opened(self.edition)
        items = index.vectors(item_ids(np.arange(self.world.items)))
        log = self.world.log()
        online = OnlineUsers(self.world.home / "features", log)
        queries = towers.users(online.users([f"u{user}" for user in self.users], SCHEMA))
        log.close()
        return queries, items

    @cached_property
    def _seen(self) -> list[npt.NDArray[np.int64]]:
        log = self.world.log()
        had = [[int(item[1:]) for item in log.seen(f"u{user}")] for user in self.users]
        log.close()
        return [np.array(rows, np.int64) for rows in had]

    def ready(self) -> None:
        """Read everything now."""
        assert len(self._opened[0]) == len(self._seen)

    def recall(self, place: int, found: Found, k: int, only: Mask | None = None) -> float:
        """The share of the k best that an answer to the user at this place has; what they have had is not among these.

        Args:
            only: which items a filter lets through; shape (items,).
        """
        queries, items = self._opened
        scores = items @ queries[place]
        scores[self._seen[place]] = -np.inf
        if only is not None:
            scores[~only] = -np.inf
        wanted = min(k, int(np.isfinite(scores).sum()))
        least = np.partition(scores, -wanted)[-wanted]
        return float((scores[found.rows] >= least - NEAR / 100).sum() / wanted)

    def wrong(self, place: int, found: Found, k: int) -> str:
        """What is wrong with an answer of this edition; empty if nothing is."""
        queries, items = self._opened
        if len(found.rows) != k or len(np.unique(found.rows)) != k:
            return "short"
        if np.isin(found.rows, self._seen[place]).any():
            return "seen"
        if (np.abs(items[found.rows] @ queries[place] - found.scores) > NEAR).any():
            return "mixed"
        return ""


def masks(world: World) -> dict[float, Mask]:
    """Which items each of `asking.FILTERS` lets through."""
    crowd = Crowd(world.items, world.users)
    prices = crowd.prices()
    return {0.01: prices <= 1, 0.05: crowd.categories() == 7, 0.5: prices <= 50}
