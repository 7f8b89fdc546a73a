"""What a trial has shown in this process: numbers that grow by one answer at a time, in the thread that answers."""

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from math import log
from typing import Literal

from ratoon.domain.query import Source
from ratoon.domain.sequential import Followed, Sample
from ratoon.domain.trial import Figures
from ratoon.serving.trials.likeness import Likeness

Side = Literal["trial", "control"]

STAGES = ("embed", "search", "render")
"""What a release has a part in; reading the user's features comes before it and waits for others."""
MADE: frozenset[Source] = frozenset(("tower", "cached", "items", "vector"))
"""Sources of answers that a release made: what is popular is the same by every one."""

USERS = 200_000
"""Of one side; of more nothing is counted. Both sides full and WAITING take 113 MB."""
WAITING = 200_000
"""Answers that an interaction may yet name; of older ones none is taken any more."""
QUICKEST = 1e-6
"""Seconds: stages are told in microseconds, and a stage that took less has no logarithm."""


class Sum:
    """So many numbers, as `Sample` has them."""

    def __init__(self) -> None:
        self.n, self.total, self.squares = 0, 0.0, 0.0

    def add(self, value: float) -> None:
        """One more."""
        self.n += 1
        self.total += value
        self.squares += value * value

    def join(self, other: "Sum") -> None:
        """All that another has, too."""
        self.n, self.total, self.squares = self.n + other.n, self.total + other.total, self.squares + other.squares

    def sample(self) -> Sample:
        """All so far."""
        return Sample(self.n, self.total, self.squares)


class Users:
    """One side's users: how many answers each was shown, and how many of these an interaction named."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[int, int]] = {}
        self._sums = [0] * 5

    def add(self, user_id: str, shown: int, followed: int) -> bool:
        """So many more; whether they are counted."""
        n, y = self._known.get(user_id, (0, 0))
        if not n and len(self._known) >= USERS:
            return False
        more, had = n + shown, y + followed
        self._known[user_id] = more, had
        changes = shown, followed, more * more - n * n, had * had - y * y, more * had - n * y
        self._sums = [total + change for total, change in zip(self._sums, changes, strict=True)]
        return True

    def join(self, other: "Users") -> None:
        """All that another has, too."""
        for user_id, (shown, followed) in other._known.items():
            self.add(user_id, shown, followed)

    def followed(self) -> Followed:
        """All so far."""
        return Followed(len(self._known), *self._sums)


class Counted:
    """Everything that a trial is judged by."""

    def __init__(self) -> None:
        self.answers = self.errors = self.dropped = 0
        self._took, self._usual, self._overlap, self._order, self._missing = Sum(), Sum(), Sum(), Sum(), Sum()
        self._sides: dict[Side, Users] = {"trial": Users(), "control": Users()}
        self._waiting: OrderedDict[str, tuple[Side, str]] = OrderedDict()  # the oldest is found at once, which no dict does

    def timed(self, side: Side, source: Source, took_ms: Mapping[str, float]) -> None:
        """One answer of a side, by its stages."""
        if source in MADE:
            seconds = sum(took_ms.get(stage, 0.0) for stage in STAGES) / 1_000
            (self._took if side == "trial" else self._usual).add(log(max(seconds, QUICKEST)))

    def compared(self, found: Likeness) -> None:
        """One answer beside the one that was shown."""
        self._overlap.add(found.overlap)
        if found.order is not None:
            self._order.add(found.order)
        if found.missing is not None:
            self._missing.add(found.missing)

    def shown(self, side: Side, user_id: str, request_id: str) -> None:
        """One answer that an interaction may name; a request id that waits already is not counted again."""
        if request_id not in self._waiting and self._sides[side].add(user_id, 1, 0):
            self._waiting[request_id] = side, user_id
            if len(self._waiting) > WAITING:
                self._waiting.popitem(last=False)

    def followed(self, request_ids: Iterable[str]) -> None:
        """What interactions named, each answer once."""
        for request_id in request_ids:
            if (known := self._waiting.pop(request_id, None)) is not None:
                side, user_id = known
                self._sides[side].add(user_id, 0, 1)

    def figures(self) -> Figures:
        """All so far."""
        return Figures(
            answers=self.answers,
            errors=self.errors,
            took=self._took.sample(),
            usual=self._usual.sample(),
            overlap=self._overlap.sample(),
            order=self._order.sample(),
            missing=self._missing.sample(),
            trial=self._sides["trial"].followed(),
            control=self._sides["control"].followed(),
            dropped=self.dropped,
        )
