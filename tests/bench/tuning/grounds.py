"""A past whose questions are answered by arithmetic, and a clock that such answers move."""

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

from ratoon.bench.tuning.ground import Ground, Slice
from ratoon.bench.tuning.search import Search
from ratoon.config import Paths, Settings, Training
from ratoon.wiring import House

USERS = [f"u{number % 40}" for number in range(200)]


class Given(Ground):
    """Four slices of 200 questions each, that settings answer the better the nearer to `temperature` = 0.05 they are.

    Attributes:
        asked: of which slice which temperature was asked, in order; `settings` the same with all settings, as text.
        now: what the clock says, a second on for each; from `fails_at` on whoever asks is killed.
    """

    def __init__(self, home: Path, luck: Callable[[float, int], float] = lambda _temperature, _cut: 0.0) -> None:
        super().__init__(House(Settings(paths=Paths(home=home))), "default", 1_000, 4)
        self.luck, self.now, self.asked, self.fails_at = luck, 0.0, list[tuple[float, int]](), float("inf")
        self.known, self.settings = "1", list[str]()

    @cached_property
    def slices(self) -> list[Slice]:
        return [Slice(cut, cut + 100) for cut in (600, 700, 800, 900)]

    @property
    def k(self) -> int:
        return 50

    def users(self, _one: Slice) -> list[str]:
        return USERS

    def weights(self, _one: Slice) -> list[float]:
        return [1.0] * len(USERS)

    def digest(self, _one: Slice) -> str:
        return self.known

    def hits(self, training: Training, one: Slice) -> list[bool]:
        if self.now >= self.fails_at:
            raise KeyboardInterrupt
        self.now += 0.5
        self.tell("learning")
        self.now += 0.5
        self.asked.append((training.temperature, one.cut))
        self.settings.append(f"{training.model_dump_json()} {one.cut}")
        worth = 0.5 - abs(training.temperature - 0.05) + self.luck(training.temperature, one.cut)
        return [place % 100 < 100 * worth for place in range(len(USERS))]


def searched(ground: Given, seconds: float, said: list[str] | None = None) -> Any:
    """One session over a ground, whose study lies in its home."""
    heard = said if said is not None else []
    search = Search(ground, ground.house.home / "study.journal", lambda: ground.now, lambda what, _share: heard.append(what))
    return search.run(seconds)
