"""What one side has shown in this process: numbers that grow by one answer at a time, in the thread that answers."""

from collections.abc import Mapping
from math import log

from ratoon.domain.guard import Seen
from ratoon.domain.query import Source
from ratoon.serving.trials.counted import MADE, QUICKEST, STAGES, Sum, Users

UNMADE: frozenset[Source] = frozenset(("cold", "fallback"))
"""Sources of answers to users of whom no vector could be made."""
OF_USERS: frozenset[Source] = UNMADE | {"tower", "cached"}


class Tally:
    """One side.

    Attributes:
        heir: who has taken over what is counted here.
    """

    def __init__(self) -> None:
        self.answers = self.errors = 0
        self.heir: Tally | None = None
        self._popular, self._took, self._users = Sum(), Sum(), Users()

    def answered(self, source: Source, took_ms: Mapping[str, float]) -> None:
        """One answer, by its stages."""
        self.answers += 1
        if source in OF_USERS:
            self._popular.add(float(source in UNMADE))
        if source in MADE:
            seconds = sum(took_ms.get(stage, 0.0) for stage in STAGES) / 1_000
            self._took.add(log(max(seconds, QUICKEST)))

    def failed(self) -> None:
        """One answer that could not be given."""
        self.answers += 1
        self.errors += 1

    def matured(self, user_id: str, followed: bool) -> None:
        """One answer whose time to be named by an interaction is over."""
        heir = self
        while heir.heir is not None:
            heir = heir.heir
        heir._users.add(user_id, 1, int(followed))

    def take_over(self, other: "Tally") -> None:
        """Count what the other has, and will have, with one's own."""
        self.answers, self.errors = self.answers + other.answers, self.errors + other.errors
        for mine, theirs in ((self._popular, other._popular), (self._took, other._took)):
            mine.join(theirs)
        self._users.join(other._users)
        other.heir = self

    def seen(self) -> Seen:
        """All so far."""
        return Seen(self.answers, self.errors, self._popular.sample(), self._took.sample(), self._users.followed())
