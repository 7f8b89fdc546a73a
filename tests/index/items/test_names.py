"""Ids by slot and slots by id, from a snapshot and since."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratoon.domain.places import Places
from ratoon.index.items.names import WIDEST, Names, Numbers, even

TOLD = st.lists(st.sampled_from("abcdefghijkl"), unique=True)
STEPS = st.lists(st.tuples(st.sampled_from(["add", "take"]), st.sampled_from("abcdefghijklmno")))


@given(told=TOLD, steps=STEPS)
def test_slots_of_ids_are_those_of_a_dictionary(told: list[str], steps: list[tuple[str, str]]) -> None:
    """After ids have come and gone, whether a snapshot told of them or not; a copy does not see what comes after it."""
    numbers, model = Numbers(Places(pa.array(told, pa.string()))), {name: slot for slot, name in enumerate(told)}
    for place, (step, name) in enumerate(steps, len(told)):
        if step == "add" and name not in model:
            numbers.add({name: place})
            model[name] = place
        elif step == "take" and name in model:
            before = numbers.copy()
            del numbers[name]
            assert name in before
            del model[name]
        asked = list("abcdefghijklmnop")
        assert numbers.look_up(asked).tolist() == [model.get(name, -1) for name in asked]
        assert [numbers.get(name) for name in asked] == [model.get(name) for name in asked]
        assert (sorted(numbers), len(numbers)) == (sorted(model), len(model))
        assert numbers.slots().tolist() == sorted(model.values())
    with pytest.raises(KeyError, match="nobody"):
        numbers.of([*model, "nobody"])
    with pytest.raises(KeyError, match="nobody"):
        del numbers["nobody"]


@given(told=TOLD, changes=st.lists(st.tuples(st.integers(0, 15), st.sampled_from("xyz"))))
def test_ids_in_slots_are_those_of_a_list(told: list[str], changes: list[tuple[int, str]]) -> None:
    """After slots got other ids and more came; taken one by one and together; a copy does not see what comes after it."""
    names, model = Names(pa.array(told, pa.string())), list(told)
    for slot, name in changes:
        before, was = names.copy(), list(model)
        if slot < len(model):
            names[slot] = model[slot] = name
        else:
            names.append(name)
            model.append(name)
        assert before.take(np.arange(len(was))) == was
    assert names.take(np.arange(len(model))) == [names[slot] for slot in range(len(names))] == model
    assert names.take(np.arange(len(model))[::-1]) == model[::-1]


@given(
    told=st.lists(
        st.text(min_size=0, max_size=6) | st.text("ab\0é", max_size=3) | st.just("x" * (WIDEST + 1)), min_size=1, max_size=8
    ),
    first=st.integers(0, 7),
)
def test_ids_are_read_as_they_were_told_however_they_are_kept(told: list[str], first: int) -> None:
    """Short or long, plain or not, with zeros, empty, or a part of a longer array: what is taken is what was told."""
    ids = pa.array(told, pa.string()).slice(first % len(told))
    slots = np.arange(len(ids))[::-1]
    assert Names(ids).take(slots) == ids.to_pylist()[::-1]


def test_plain_ids_are_kept_evenly() -> None:
    """Ids of ASCII alone lie side by side, each as wide as the longest; with one that is too wide, or is not plain, none do."""
    kept = even(pa.array(["a", "abc", ""], pa.string()))
    assert kept is not None
    assert (kept.tolist(), kept.itemsize) == ([b"a", b"abc", b""], 3)
    for other in ("x" * (WIDEST + 1), "é", "a\0"):
        assert even(pa.array(["a", other], pa.string())) is None
    assert even(pa.array([], pa.string())) is None
