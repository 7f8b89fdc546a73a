"""Where strings stand among many."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratoon.domain import places
from ratoon.domain.places import Places


def strings(names: Sequence[str]) -> pa.StringArray:
    return pa.array(names, pa.string())


@given(names=st.lists(st.text(), unique=True), others=st.lists(st.text()))
def test_every_string_is_found_where_it_stands(names: list[str], others: list[str]) -> None:
    """Alone and among many, whatever it holds; what is not among them is told so."""
    found, asked = Places(strings(names)), [*others, *reversed(names), *others]
    expected = [names.index(name) if name in names else -1 for name in asked]
    assert [found.of(name) for name in asked] == expected
    assert found.of_all(asked).tolist() == expected
    assert len(found) == found.distinct() == len(names)


@given(names=st.lists(st.sampled_from("abcdefg")))
def test_what_is_equal_is_counted_once(names: list[str]) -> None:
    """Of a string that occurs more than once one of its places is told."""
    found = Places(strings(names))
    assert found.distinct() == len(set(names))
    assert [names[found.of(name)] for name in names] == names


def test_many_are_made_and_looked_up_in_parts() -> None:
    """As many as are never hashed in one go, and three times as many asked, stand where they were put."""
    names = [f"item {number}" for number in range(3 * places.AT_ONCE + 7)]
    found = Places(strings(names))
    order = np.random.default_rng(0).permutation(len(names))
    assert (found.of_all([names[place] for place in order.tolist()]) == order).all()
    assert (found.of_all([f"{name}?" for name in names]) == -1).all()


def test_equal_hashes_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Strings that hash alike are found each in its place, and a stranger that hashes like them is not found."""
    monkeypatch.setattr(places, "hash", lambda _: -7, raising=False)
    names = [f"n{number}" for number in range(20)]
    found = Places(strings(names))
    assert found.of_all([*names, "stranger"]).tolist() == [*range(20), -1]
    assert (found.of("n13"), found.of("stranger"), found.distinct()) == (13, -1, 20)
