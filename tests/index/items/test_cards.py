"""What is shown of items: written at once or one by one, and of the item that is in a slot now."""

import json
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from ratoon.index.items.block import AT_ONCE, Block
from ratoon.index.items.cards import Lately, written
from ratoon.index.items.slots import Slots

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
VALUES: dict[pa.DataType, st.SearchStrategy[Any]] = {
    pa.string(): TEXT,
    pa.large_string(): TEXT,
    pa.int64(): st.integers(-(2**63), 2**63 - 1),
    pa.uint8(): st.integers(0, 255),
    pa.float64(): st.floats(),
    pa.float32(): st.floats(width=32),
    pa.bool_(): st.booleans(),
    pa.null(): st.none(),
    pa.timestamp("us", "UTC"): st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)),
    pa.list_(pa.string()): st.lists(st.none() | TEXT),
    pa.list_(pa.float64()): st.lists(st.floats()),
}


def loaded(count: int, **columns: list[object]) -> Slots:
    """Items i0 onwards, all put at once."""
    slots = Slots()
    ids = [f"i{number}" for number in range(count)]
    slots.put(ids, pa.table({"item_id": ids, **columns}))
    return slots


def shown(slots: Slots, ids: list[str]) -> list[Any]:
    """What is shown of items, read from its JSON; None for those of which nothing is."""
    return [None if card is None else json.loads(b"{" + bytes(card)[1:] + b"}") for card in slots.cards(ids)]


@given(st.data())
def test_written_at_once_is_written_one_by_one(data: st.DataObject) -> None:
    """Whatever columns are called and hold, the bytes of a block are those of cards that are made item by item."""
    names = data.draw(st.lists(TEXT, unique=True, max_size=4).map(lambda some: [name for name in some if name != "item_id"]))
    types = {name: data.draw(st.sampled_from(list(VALUES))) for name in names}
    ids = data.draw(st.lists(TEXT, unique=True, min_size=1, max_size=6))
    drawn = {name: [data.draw(st.none() | VALUES[of]) for _ in ids] for name, of in types.items()}
    columns = {name: pa.array(values, types[name]).to_pylist() for name, values in drawn.items()}

    def told(slots: np.ndarray) -> tuple[list[str], dict[str, list[object]]]:
        places = slots.tolist()
        return [ids[place] for place in places], {name: [own[place] for place in places] for name, own in columns.items()}

    block = Block.of(len(ids), told, types)
    assert block is not None
    assert len(block) == len(ids)
    rows = {item: {name: own[place] for name, own in columns.items()} for place, item in enumerate(ids)}
    assert [bytes(one) for one in block.cut(np.arange(len(ids))[::-1])] == list(written(rows).values())[::-1]


def test_what_is_not_written_at_once() -> None:
    """A column of bytes or records leaves no block; its items are shown all the same."""
    for of in (pa.binary(), pa.struct([("a", pa.int64())]), pa.list_(pa.binary())):
        assert Block.of(1, lambda _: (["i0"], {"x": [None]}), {"x": of}) is None
    slots = loaded(2, x=[b"bytes", None], n=[1, 2])
    assert shown(slots, ["i1", "i0"]) == [
        {"item_id": "i1", "item": {"x": None, "n": 2}},
        {"item_id": "i0", "item": {"x": "bytes", "n": 1}},
    ]


def test_more_items_than_are_written_in_one_go() -> None:
    """Each slot's card is its own, on both sides of where one go ends."""
    count = AT_ONCE + 3
    slots = loaded(count, n=list(range(count)))
    asked = [0, AT_ONCE - 1, AT_ONCE, count - 1]
    assert shown(slots, [f"i{number}" for number in asked]) == [{"item_id": f"i{one}", "item": {"n": one}} for one in asked]


def test_a_slot_shows_what_is_in_it_now() -> None:
    """An item in a slot that another had when the block was written is shown, and the other one is not."""
    slots = loaded(4, n=[0, 1, 2, 3])
    assert shown(slots, ["i1"]) == [{"item_id": "i1", "item": {"n": 1}}]
    freed = slots.free(["i1", "i2"])
    assert shown(slots, ["i0", "i1", "i2"]) == [{"item_id": "i0", "item": {"n": 0}}, None, None]
    slots.reuse(freed)
    slots.put(["new"], pa.table({"item_id": ["new"], "n": [7]}))
    for _ in range(2):
        assert shown(slots, ["new", "i1", "i2", "i3"])[:3] == [{"item_id": "new", "item": {"n": 7}}, None, None]
    other = slots.copy()
    other.amend(pa.table({"item_id": ["i0"], "n": [-1]}))
    assert shown(other, ["i0", "new"]) == [{"item_id": "i0", "item": {"n": -1}}, {"item_id": "new", "item": {"n": 7}}]
    assert shown(slots, ["i0"]) == [{"item_id": "i0", "item": {"n": 0}}]


def test_items_are_shown_where_they_were_found_only_while_they_are_there() -> None:
    """What was found is shown without a look for its slot, until that slot is given away: then it is what is there no more."""
    slots = loaded(3, n=[0, 1, 2])
    slots.shown(["i2", "i1"], np.array([2, 1]))
    assert shown(slots, ["i2"]) == [{"item_id": "i2", "item": {"n": 2}}]
    assert shown(slots, ["i1", "i2"]) == [{"item_id": "i1", "item": {"n": 1}}, {"item_id": "i2", "item": {"n": 2}}]
    freed = slots.free(["i2"])
    slots.shown(["i2", "i1"], np.array([2, 1]))  # by a search that began before
    assert shown(slots, ["i2"]) == [None]
    slots.reuse(freed)
    slots.put(["new"], pa.table({"item_id": ["new"], "n": [9]}))
    assert shown(slots, ["new"]) == [{"item_id": "new", "item": {"n": 9}}]
    assert shown(slots, ["i2"]) == [None]


def test_who_knew_where_items_lay_hears_that_slots_were_given_away() -> None:
    """What was read before `forget` is told to be no good, also if it was read as late as that; what is read after it is."""
    lately = Lately()
    lately.remember(["a", "b", "c"], np.array([7, 5, 6]))
    for asked, told in (("ab", [7, 5]), ("ba", [5, 7]), ("cz", [6, -1])):
        turn, slots = lately.known(list(asked))
        assert slots.tolist() == told
    assert lately.still(turn)
    lately.forget()
    assert not lately.still(turn)
    turn, slots = lately.known(["a"])
    assert slots.tolist() == [-1]
    assert lately.still(turn)
