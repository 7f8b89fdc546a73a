"""Dense slots under any history."""

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratoon.domain.errors import DataError
from ratoon.index.slots import Slots

NAMES = st.lists(st.sampled_from("abcdefgh"), unique=True)


@given(steps=st.lists(st.tuples(st.booleans(), NAMES)))
def test_dense_and_parallel(steps: list[tuple[bool, list[str]]]) -> None:
    """After any puts and removes a parallel list that follows the returned slots holds each id in its own slot."""
    slots, parallel = Slots(), list[str]()
    for put, names in steps:
        if put:
            for name, slot in zip(names, slots.put(names, pa.table({"item_id": pa.array(names, pa.string())})), strict=True):
                parallel[slot : slot + 1] = [name]
        else:
            for hole, mover in zip(*slots.remove(names), strict=True):
                parallel[hole] = parallel[mover]
            del parallel[len(slots) :]
        assert parallel == slots.ids
        assert len(set(parallel)) == len(parallel)
        assert [slots.ids[slot] for slot in slots.find([*sorted(parallel), "z"])] == sorted(parallel)
        assert [slots.ids[slot] for slot in slots.by_id()] == sorted(parallel)


def test_last_moves_into_the_hole() -> None:
    """Removing an item moves the last one, with its columns, and nothing else."""
    slots = Slots()
    slots.put(list("abcd"), pa.table({"item_id": list("abcd"), "n": [1, 2, 3, 4]}))
    holes, movers = slots.remove(["b"])
    assert (holes.tolist(), movers.tolist()) == ([1], [3])
    assert slots.ids == ["a", "d", "c"]
    assert slots.rows(["c", "d"]) == [{"n": 3}, {"n": 4}]


def test_rows_are_copies() -> None:
    """Changing an answer does not change the index."""
    slots = Slots()
    slots.put(["a"], pa.table({"item_id": ["a"], "n": [1]}))
    slots.rows(["a"])[0]["n"] = 2
    assert slots.rows(["a"]) == [{"n": 1}]


def test_a_type_that_loses_what_is_held_is_refused() -> None:
    """A column whose held values cannot be read as the new type is named, and nothing has changed."""
    slots = Slots()
    slots.put(["a"], pa.table({"item_id": ["a"], "year": ["MCM"], "old": [1]}))
    with pytest.raises(DataError, match=r"year: expected the index's column type string, or one .*, found int64"):
        slots.put(["b"], pa.table({"item_id": ["b"], "year": [1990]}))
    assert slots.ids == ["a"]
    assert slots.rows(["a"]) == [{"year": "MCM", "old": 1}]
    slots.put(["b"], pa.table({"item_id": ["b"], "year": ["1990"], "old": [2]}))
    assert slots.table().schema.field("year").type == pa.string()
