"""What the API answers. A list that an answer does not have is empty; anything else it does not have is None.

Made from the server's OpenAPI document by `python -m ratoon.serving.generating`; do not edit.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Self

from ratoon.client.call import Json
from ratoon.client.errors import Problem, outcome


@dataclass(frozen=True, slots=True)
class Took:
    """Milliseconds per stage."""

    features: float
    """Reading what the user has had, and the user's features."""

    embed: float
    """The user tower."""

    search: float
    """The index, filters and exclusions included."""

    render: float
    """Writing the answer down."""

    total: float
    """From the request's first byte in the application to its answer's."""

    @classmethod
    def read(cls, raw: Mapping[str, Json]) -> Self:
        """From the JSON of the API."""
        return cls(features=raw["features"], embed=raw["embed"], search=raw["search"], render=raw["render"], total=raw["total"])


@dataclass(frozen=True, slots=True)
class Explained:
    """What a candidate's score is made of."""

    taste: float
    """The learned part: the inner product of the two towers' vectors."""

    popularity: float
    """What the item's popularity when the release was made, and since, is worth."""

    @classmethod
    def read(cls, raw: Mapping[str, Json]) -> Self:
        """From the JSON of the API."""
        return cls(taste=raw["taste"], popularity=raw["popularity"])


@dataclass(frozen=True, slots=True)
class RetrievedItem:
    """One candidate."""

    rank: int
    """1 for the best."""

    score: float
    """Inner product with the vector, or how many recent interactions the item had."""

    item_id: str

    item: dict[str, Json]
    """The item's display and filter columns."""

    source: Literal["index", "features"]
    """`index`: the release has learnt its vector; `features`: it was posted since, and is placed by its features."""

    vector: list[float]
    """Where asked for."""

    explain: Explained | None
    """Where asked for, and the candidate was searched for."""

    @classmethod
    def read(cls, raw: Mapping[str, Json]) -> Self:
        """From the JSON of the API."""
        return cls(
            rank=raw["rank"],
            score=raw["score"],
            item_id=raw["item_id"],
            item=raw["item"],
            source=raw["source"],
            vector=list(raw.get("vector") or ()),
            explain=None if raw.get("explain") is None else Explained.read(raw["explain"]),
        )


@dataclass(frozen=True, slots=True)
class RetrieveAnswer:
    """Candidates, best first, all from one release."""

    request_id: str
    """Send it back with the events that this answer leads to."""

    user_id: str | None
    """As asked for."""

    source: Literal["tower", "cached", "cold", "popular", "fallback", "items", "vector"]
    """`tower`: for this user; `cold`: the user is unknown; `popular`, `items`, `vector`: as asked for; `cached`: the
    online store does not answer, and the user's features are those read last; `fallback`: popular, for the same
    reason."""

    release: str
    """The release that answered."""

    sequence: int
    """Its number; a later release has a larger one. 0: it has none yet, it is on trial."""

    trial: Literal[True] | None
    """The release that answered is on trial, for some users."""

    watermark: datetime
    """Everything that arrived up to then has been learnt from."""

    staleness_s: float
    """Seconds since the watermark."""

    adopting: bool
    """Some candidates may be those of the release before (`index.copies = 1`)."""

    took_ms: Took

    features: dict[str, Json] | None
    """The user tower's inputs, where asked for."""

    vector: list[float]
    """What was searched by, where asked for."""

    candidates: list[RetrievedItem]
    """With `format` `rows`."""

    item_ids: list[str]
    """With `format` `columns`, as are `scores`."""

    scores: list[float]

    @classmethod
    def read(cls, raw: Mapping[str, Json]) -> Self:
        """From the JSON of the API."""
        return cls(
            request_id=raw["request_id"],
            user_id=raw.get("user_id"),
            source=raw["source"],
            release=raw["release"],
            sequence=raw["sequence"],
            trial=raw.get("trial"),
            watermark=datetime.fromisoformat(raw["watermark"]),
            staleness_s=raw["staleness_s"],
            adopting=raw["adopting"],
            took_ms=Took.read(raw["took_ms"]),
            features=raw.get("features"),
            vector=list(raw.get("vector") or ()),
            candidates=[RetrievedItem.read(one) for one in raw.get("candidates") or ()],
            item_ids=list(raw.get("item_ids") or ()),
            scores=list(raw.get("scores") or ()),
        )


@dataclass(frozen=True, slots=True)
class BatchAnswer:
    """One result per question, in order."""

    results: list[RetrieveAnswer | Problem]
    """What `/v1/retrieve` would have answered: an answer, or a problem with its `status`."""

    @classmethod
    def read(cls, raw: Mapping[str, Json]) -> Self:
        """From the JSON of the API."""
        return cls(results=[outcome(one, RetrieveAnswer.read) for one in raw["results"]])
