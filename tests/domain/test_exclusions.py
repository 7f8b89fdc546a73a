"""Exclusions are the sets they were made of, whatever is taken of them."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ratoon.domain.exclusions import Exclusions

SETS = st.lists(st.sets(st.sampled_from(["a", "b", "c", "", "東京"])), max_size=6)


@given(SETS, st.sets(st.sampled_from(["c", "d"])), st.data())
def test_they_are_the_sets_they_were_made_of(sets: list[set[str]], more: set[str], data: st.DataObject) -> None:
    """One by one, as a slice, as a choice of queries, and with items that are hidden from all."""
    made = Exclusions.of(sets)
    assert list(made) == sets
    assert len(made) == len(sets)
    assert list(made[1:4]) == sets[1:4]
    chosen = np.array([data.draw(st.booleans()) for _ in sets], np.bool_)
    assert list(made.where(np.flatnonzero(chosen)).hiding(more)) == [
        own | more for own, keep in zip(sets, chosen, strict=True) if keep
    ]


def test_made_of_themselves_they_stay_as_they_are() -> None:
    """Nothing is laid out twice."""
    made = Exclusions.of([["a"], []])
    assert Exclusions.of(made) is made
