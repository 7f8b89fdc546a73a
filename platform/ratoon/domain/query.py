"""A question to the retrieval API and its answer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from ratoon.domain.embedding import Vectors
from ratoon.domain.errors import UsageError
from ratoon.domain.event import Event
from ratoon.domain.predicate import Predicate

Source = Literal["tower", "cached", "cold", "popular", "fallback", "items", "vector"]
"""Where candidates come from.

tower     the user's features as they are now
cached    the user's features as they were read last: the online store does not answer
cold      what is popular, because nothing is known of the user
popular   what is popular, as asked for
fallback  what is popular, because the online store does not answer and the user's features were not read before
items     items, as asked for: what is like them
vector    a vector, as asked for
"""


Known = Literal["index", "features"]
"""Where a candidate's vector comes from: the release; what was posted of the item since, which no release has learnt yet."""


class UnknownItems(UsageError):
    """A question is about items that are not served."""


@dataclass(frozen=True, slots=True)
class Query:
    """Who should see what. One of `user_id`, `features`, `like` and `vector` says whom or what candidates are for.

    Attributes:
        k: how many candidates, 1 or more.
        user_id: whose stored features are taken, and whose history is left out.
        features: inputs of the user tower, of a user who is not stored.
        like: items.
        vector: shape (dim,), or without what traits of popularity are worth: then they are worth nothing.
        exclude: item ids that must not be in the answer.
        exclude_seen: whether to leave out items the user has had.
        popular: answer by live popularity, whoever asks.
        filter: what must be true of the filter columns of every candidate.
        context: inputs of the user tower that hold for this question alone.
        session: what the user has just done and the log does not have yet.
    """

    k: int
    user_id: str | None = None
    features: Mapping[str, object] | None = None
    like: Sequence[str] = ()
    vector: Vectors | None = None
    exclude: frozenset[str] = frozenset()
    exclude_seen: bool = True
    popular: bool = False
    filter: Predicate | None = None
    context: Mapping[str, object] = field(default_factory=dict)
    session: Sequence[Event] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """Candidates, best first, all from one release.

    Attributes:
        found: item ids with their scores: inner product with the vector asked with, or interactions counted.
        values: the inputs of the user tower that the vector was made of; None where it was made of something else.
        vector: what the index was asked with, shape (1, dim); None where it was not.
        adopting: whether that release was still being adopted: some candidates may be those of the one before.
    """

    found: Sequence[tuple[str, float]]
    source: Source
    release: str
    sequence: int
    watermark: datetime
    adopting: bool = False
    values: Mapping[str, object] | None = None
    vector: Vectors | None = None
