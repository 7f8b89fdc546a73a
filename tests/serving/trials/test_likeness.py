"""How alike two answers are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratoon.serving.trials.likeness import likeness

ANSWERS = st.lists(st.sampled_from("abcdefgh"), unique=True).map(lambda items: [(one, 8.0 - at) for at, one in enumerate(items)])


@given(shown=ANSWERS)
def test_an_answer_is_like_itself(shown: list[tuple[str, float]]) -> None:
    """All of it is in both, in the same order, and nothing is missing."""
    found = likeness(shown, shown)
    assert found.overlap == 1
    assert found.order == (1 if len(shown) > 1 else None)
    assert found.missing == (0 if len(shown) > 1 else None)


@given(shown=ANSWERS, other=ANSWERS)
def test_overlap_is_even_handed(shown: list[tuple[str, float]], other: list[tuple[str, float]]) -> None:
    """It is what both have, whichever was shown, between 0 and 1; the order of both is between -1 and 1."""
    found, back = likeness(shown, other), likeness(other, shown)
    both = len({item for item, _ in shown} & {item for item, _ in other})
    assert found.overlap == back.overlap == (both / max(len(shown), len(other)) if shown or other else 1)
    assert found.order == (None if back.order is None else pytest.approx(back.order))
    assert found.order is None or -1 - 1e-9 <= found.order <= 1


def test_known_answers() -> None:
    """Reversed is an order of -1; the missing share is of scores above the lowest."""
    shown = [("a", 5.0), ("b", 4.0), ("c", 2.0)]
    assert likeness(shown, [("c", 3.0), ("b", 2.0), ("a", 1.0)]) == (1.0, -1.0, 0.0)
    assert likeness(shown, [("b", 9.0), ("x", 8.0)]) == (1 / 3, None, 3 / 5)
    assert likeness(shown, []) == (0.0, None, 1.0)
    assert likeness([("a", 1.0), ("b", 1.0)], [("a", 1.0)]) == (0.5, None, None)
    places = [("a", 4.0), ("b", 3.0), ("c", 2.0), ("d", 1.0)]
    assert likeness(places, [("b", 4.0), ("a", 3.0), ("c", 2.0), ("d", 1.0)]).order == pytest.approx(0.8)
