"""Dense slots under any history."""

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratoon.domain.errors import DataError
from ratoon.index.items.columns import Column
from ratoon.index.items.slots import Slots

NAMES = st.lists(st.sampled_from("abcdefgh"), unique=True)


@given(steps=st.lists(st.tuples(st.booleans(), NAMES)))
def test_an_item_keeps_its_slot(steps: list[tuple[bool, list[str]]]) -> None:
    """After any puts and frees each item is where it was put first, no two in one slot, and freed slots are used again."""
    slots, model, most = Slots(), dict[str, int](), 0
    for put, names in steps:
        if put:
            given = slots.put(names, pa.table({"item_id": pa.array(names, pa.string())})).tolist()
            for name, slot in zip(names, given, strict=True):
                assert model.setdefault(name, slot) == slot
        else:
            slots.reuse(slots.free([name for name in names if name in model]))
            for name in names:
                model.pop(name, None)
        most = max(most, len(model))
        assert len(set(model.values())) == len(model) == len(slots)
        assert len(slots.ids) <= most
        assert [slots.ids[slot] for slot in slots.find([*sorted(model), "z"])] == sorted(model) == sorted(slots)
        assert [slots.ids[slot] for slot in slots.by_id()] == sorted(model)
        assert slots.taken().tolist() == sorted(model.values()) == sorted(slots.packed().tolist())
        assert all(slot == place for place, slot in enumerate(slots.packed().tolist()) if place in model.values())


def test_a_freed_slot_forgets() -> None:
    """What takes the slot of an item that is gone has none of its columns' values; the others stay where they are."""
    slots = Slots()
    slots.put(list("abcd"), pa.table({"item_id": list("abcd"), "n": [1, 2, 3, 4]}))
    slots.reuse(slots.free(["b"]))
    assert slots.put(["e"], pa.table({"item_id": ["e"], "n": pa.nulls(1)})).tolist() == [1]
    assert slots.rows(["a", "e", "d"]) == {"a": {"n": 1}, "e": {"n": None}, "d": {"n": 4}}
    with pytest.raises(KeyError, match="b"):
        slots.free(["b"])


def test_a_slot_is_free_when_it_may_be_reused() -> None:
    """Until it is said that the slot of an item that is gone may be reused, new items get others."""
    slots = Slots()
    slots.put(list("ab"), pa.table({"item_id": list("ab")}))
    gone = slots.free(["a"])
    assert slots.put(["c"], pa.table({"item_id": ["c"]})).tolist() == [2]
    slots.reuse(gone)
    assert slots.put(["d"], pa.table({"item_id": ["d"]})).tolist() == gone.tolist() == [0]


def test_slots_of_all_that_is_gone_are_reused_when_they_may_be() -> None:
    """Once all items are gone new ones get slots after theirs, columns of another kind, and only later the slots of old."""
    slots = Slots()
    slots.put(list("ab"), pa.table({"item_id": list("ab"), "n": [1, 2]}))
    gone = slots.free(list("ab"))
    assert slots.put(["c"], pa.table({"item_id": ["c"], "n": [["x"]]})).tolist() == [2]
    slots.reuse(gone)
    assert sorted(slots.put(["d", "e"], pa.table({"item_id": ["d", "e"], "n": [["y"], None]})).tolist()) == [0, 1]
    assert slots.rows(["c", "d", "e"]) == {"c": {"n": ["x"]}, "d": {"n": ["y"]}, "e": {"n": None}}


def test_an_item_is_held_once_there_is_something_to_be_read_of_it() -> None:
    """Whoever reads while an item is put finds nothing of it, or all of it."""
    slots, seen = Slots(), list[object]()
    slots.put(["a"], pa.table({"item_id": ["a"], "n": [1]}))

    class Watching(Column):
        def grow(self, length: int) -> None:
            seen.append(slots.rows(["a", "b"]))
            super().grow(length)

    slots._columns = {name: Watching(pa.array(list(column)), len(column)) for name, column in slots._columns.items()}
    slots.put(["b"], pa.table({"item_id": ["b"], "n": [2]}))
    assert seen == [{"a": {"n": 1}}]
    assert slots.rows(["b"]) == {"b": {"n": 2}}


def test_rows_are_copies() -> None:
    """Changing an answer does not change the index."""
    slots = Slots()
    slots.put(["a"], pa.table({"item_id": ["a"], "n": [1]}))
    slots.rows(["a"])["a"]["n"] = 2
    assert slots.rows(["a", "nobody"]) == {"a": {"n": 1}}


def test_edits_count_what_becomes_another() -> None:
    """Putting what is there already is no edit; another value, zero's other sign, type, column, item or a removal is one."""
    slots = Slots()

    def edited(ids: list[str], **columns: pa.Array) -> bool:
        before = slots.edits
        slots.put(ids, pa.table({"item_id": ids, **columns}))
        return slots.edits > before

    first = {"n": pa.array([0.0, float("nan")]), "tags": pa.array([["x"], None], pa.list_(pa.string()))}
    assert [edited(["a", "b"], **first) for _ in range(2)] == [True, False]
    assert not edited(["b"], n=pa.array([float("nan")]), tags=pa.nulls(1))
    assert edited(["a"], n=pa.array([-0.0]), tags=pa.array([["x"]]))
    assert edited(["b"], n=pa.array([1.0]), tags=pa.nulls(1))
    assert edited(["b"], n=pa.array([1.0], pa.float32()), tags=pa.nulls(1))
    assert edited(["b"], n=pa.array([1.0], pa.float32()))
    assert edited(["c"], n=pa.array([1.0], pa.float32()))
    before = slots.edits
    slots.free(["a"])
    assert slots.edits > before


def test_a_copy_is_apart() -> None:
    """What is put into a copy, or taken out of it, is not in the original."""
    slots = Slots()
    slots.put(["a", "b"], pa.table({"item_id": ["a", "b"], "n": [1, 2]}))
    other = slots.copy()
    other.put(["a", "c"], pa.table({"item_id": ["a", "c"], "n": ["x", "y"]}))
    other.free(["b"])
    assert (sorted(slots), slots.rows(["a", "b"]), slots.table(slots.by_id()).schema.field("n").type) == (
        ["a", "b"],
        {"a": {"n": 1}, "b": {"n": 2}},
        pa.int64(),
    )


def test_a_type_that_loses_what_is_held_is_refused() -> None:
    """A column whose held values cannot be read as the new type is named, and nothing has changed."""
    slots = Slots()
    slots.put(["a"], pa.table({"item_id": ["a"], "year": ["MCM"], "old": [1]}))
    with pytest.raises(DataError, match=r"year: expected the index's column type string, or one .*, found int64"):
        slots.put(["b"], pa.table({"item_id": ["b"], "year": [1990]}))
    assert sorted(slots) == ["a"]
    assert slots.rows(["a"]) == {"a": {"year": "MCM", "old": 1}}
    slots.put(["b"], pa.table({"item_id": ["b"], "year": ["1990"], "old": [2]}))
    assert slots.table(slots.by_id()).schema.field("year").type == pa.string()
