"""What chance shows, and how likely."""

import math
from collections import Counter
from collections.abc import Sequence
from itertools import permutations, product
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratoon.domain.errors import UsageError
from ratoon.domain.exploration import Exploration, Slate, explored, kept, rng_of


class Scripted(Random):
    """Gives the coins and the draws that it was told to."""

    def __init__(self, coins: Sequence[bool], order: Sequence[int]) -> None:
        super().__init__(0)
        self._coins, self._order = iter(coins), order

    def random(self) -> float:
        return 0.0 if next(self._coins) else 0.999999

    def sample(self, population: Sequence[int], k: int, *, counts: object = None) -> list[int]:  # type: ignore[override]
        assert counts is None
        return [population[place] for place in self._order[:k]]


@st.composite
def settings(draw: st.DrawFn) -> tuple[int, int, Exploration]:
    slots = draw(st.integers(1, 3))
    exploration = Exploration(slots, draw(st.floats(0.01, 0.99)), draw(st.integers(slots, 5)))
    return draw(st.integers(0, 12)), draw(st.integers(1, 6)), exploration


@given(settings())
def test_propensities_are_the_chances_of_all_outcomes(given_: tuple[int, int, Exploration]) -> None:
    """Over every outcome of the coins and every order of the pool, each place is shown as often as its propensity says."""
    ranked, k, exploration = given_
    plain = explored(ranked, k, exploration, Scripted([False] * 3, range(5)))
    pool = len(plain.choices) - plain.slots
    chances: dict[tuple[int, int], float] = {}
    said: dict[tuple[int, int], set[float]] = {}
    orders = list(permutations(range(pool)))
    for coins in product([False, True], repeat=plain.slots):
        likely = math.prod(exploration.epsilon if coin else 1 - exploration.epsilon for coin in coins) / len(orders)
        for order in orders:
            slate = explored(ranked, k, exploration, Scripted(coins, order))
            assert len(set(slate.places)) == len(slate.places) == min(ranked, k)
            for shown in enumerate(slate.places):
                chances[shown] = chances.get(shown, 0.0) + likely
                said.setdefault(shown, set()).add(slate.propensities[shown[0]])
    for shown, propensities in said.items():
        assert [*propensities] == [pytest.approx(chances[shown])]
    first = len(plain.places) - plain.slots
    assert {place for position, place in said if position >= first} == set(plain.choices)
    assert plain.slots == min(exploration.slots, k, max(0, min(exploration.pool, ranked - k)))


def test_draws_come_as_often_as_they_should() -> None:
    """With the generators that requests get, 40,000 of them are explored as often as epsilon says, the pool evenly."""
    exploration = Exploration(2, 0.3, 4)
    slates = [explored(20, 5, exploration, rng_of(f"request-{number}", "salt")) for number in range(40_000)]
    for position in (3, 4):
        seen = Counter(slate.places[position] for slate in slates)
        assert seen.pop(position) / 40_000 == pytest.approx(0.7, abs=0.01)
        assert set(seen) == {5, 6, 7, 8}
        assert all(count / 40_000 == pytest.approx(0.075, abs=0.006) for count in seen.values())
    together = Counter(tuple(place > 4 for place in slate.places[3:]) for slate in slates)
    assert together[True, True] / 40_000 == pytest.approx(0.09, abs=0.006)
    assert {slate.places[:3] for slate in slates} == {(0, 1, 2)}


def test_nothing_to_draw_from() -> None:
    """With no candidate ranked after the answer all of it is as ranked, for certain."""
    assert explored(3, 3, Exploration(1, 0.5, 2), Random(1)) == Slate((0, 1, 2), (1.0, 1.0, 1.0), 0, range(0))
    assert explored(2, 3, Exploration(1, 0.5, 2), Random(1)).places == (0, 1)


def test_a_request_has_one_chance() -> None:
    """One id and salt give the same draws again; another salt, and the sample, have nothing to do with them."""
    exploration = Exploration(2, 0.5, 50)
    first = explored(100, 10, exploration, rng_of("r-1\ud800é", "a"))
    assert first == explored(100, 10, exploration, rng_of("r-1\ud800é", "a"))
    ids = [f"r{number}" for number in range(4_000)]
    one, other = ([rng_of(name, salt).random() < 0.5 for name in ids] for salt in ("a", "b"))
    sampled = [kept(name, 0.5, "a") for name in ids]
    for left, right in ((one, other), (one, sampled)):
        assert sum(x == y for x, y in zip(left, right, strict=True)) / 4_000 == pytest.approx(0.5, abs=0.04)


def test_a_sample_is_a_share() -> None:
    """As many requests are kept as the share says, a smaller share keeps some of the same, 1 keeps all and 0 none."""
    ids = [f"{number}" for number in range(20_000)]
    tenth, half = ({name for name in ids if kept(name, share, "s")} for share in (0.1, 0.5))
    assert len(tenth) / 20_000 == pytest.approx(0.1, abs=0.01)
    assert len(half) / 20_000 == pytest.approx(0.5, abs=0.015)
    assert tenth < half
    assert all(kept(name, 1.0, "s") and not kept(name, 0.0, "s") for name in ids)


@pytest.mark.parametrize(
    ("slots", "epsilon", "pool", "said"),
    [
        (0, 0.1, 5, "exploration.slots: expected 1 or more, found 0"),
        (1, 0.0, 5, "exploration.epsilon: expected a probability above 0 and below 1, found 0.0"),
        (1, 1.0, 5, "exploration.epsilon: expected a probability above 0 and below 1, found 1.0"),
        (1, math.nan, 5, "exploration.epsilon: expected a probability above 0 and below 1, found nan"),
        (3, 0.1, 2, "exploration.pool: expected 3 or more, one for each slot, found 2"),
    ],
)
def test_what_has_no_propensities(slots: int, epsilon: float, pool: int, said: str) -> None:
    """Slots, epsilon and pool out of range are refused by name."""
    with pytest.raises(UsageError, match=said):
        Exploration(slots, epsilon, pool)
