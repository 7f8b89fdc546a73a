"""What a request shows, and what it says of that."""

from collections.abc import Sequence

from ratoon.domain.exploration import Exploration
from ratoon.domain.query import Answer
from ratoon.serving.exposures import Chance, exposed
from ratoon.serving.exposures.exposure import kept, row_of
from tests.serving.exposures.answers import START

FOUND = tuple((f"i{number}", 10.0 - number) for number in range(8))
CHANCE = Chance(Exploration(2, 0.5, 4), "s")


def answered(found: Sequence[tuple[str, float]] = FOUND) -> Answer:
    return Answer(found, "tower", "release", 3, START, values={"age": 3})


def test_without_chance() -> None:
    """The answer is shown as it is, and the exposure says the same, with the values it was made of."""
    answer, exposure = exposed(answered(FOUND[:3]), 3, "r1", START, "home", "u")
    logged = kept(row_of(exposure, 1.0))
    assert answer == answered(FOUND[:3])
    assert (logged.items, logged.scores, logged.propensities) == (("i0", "i1", "i2"), (10.0, 9.0, 8.0), (1.0,) * 3)
    assert (logged.request_id, logged.time, logged.surface, logged.user_id) == ("r1", START, "home", "u")
    assert (logged.release, logged.source, logged.features, logged.slots) == ("release", "tower", {"age": 3}, 0)


def test_what_is_shown_is_what_is_logged() -> None:
    """The answer has the k candidates of the exposure, in order with their scores; the pool is logged and not answered."""
    slots = set()
    for number in range(40):
        answer, exposure = exposed(answered(), 4, f"r{number}", START, "home", "u", CHANCE)
        logged = kept(row_of(exposure, 1.0))
        assert tuple(answer.found) == tuple(zip(logged.items, logged.scores, strict=True))
        assert tuple(answer.found[:2]) == FOUND[:2]
        assert (len(answer.found), logged.slots, logged.epsilon) == (4, 2, 0.5)
        assert tuple(zip(logged.choices, logged.choice_scores, strict=True)) == FOUND[2:]
        assert set(logged.propensities[2:]) <= {0.5, 0.125}
        slots.add(logged.items[2:])
    assert len(slots) > 5
    assert exposed(answered(), 4, "r7", START, "home", "u", CHANCE) == exposed(answered(), 4, "r7", START, "home", "u", CHANCE)


def test_too_few_to_explore() -> None:
    """With no more candidates than positions nothing is left to chance, and the log says so."""
    answer, exposure = exposed(answered(FOUND[:4]), 4, "r1", START, "home", None, CHANCE)
    assert tuple(answer.found) == FOUND[:4]
    assert (exposure.slots, exposure.epsilon, exposure.choices, set(exposure.propensities)) == (0, 0.0, [], {1.0})
