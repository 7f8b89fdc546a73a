"""Equal rows hash alike however they are stored; different rows do not."""

import json
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from ratoon.features.deltas.rowhash import from_words, row_hashes, to_words

MOMENT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
GOLDEN = [
    "4818d917c4a5143fe1b706c336a6c6e8",
    "5104c3377fbb466dd867a14daacfbd1b",
    "460db3311db109d13999156520c08f25",
    "099fc48cae8c5a39a40661b2c1189bfe",
]


def one(value: object, of: pa.DataType) -> bytes:
    found: bytes = row_hashes(pa.table({"c": pa.array([value], of)}))[0].as_py()
    return found


def test_the_hash_never_changes() -> None:
    """These bytes are what positions kept by others rely on: they are the same in every version."""
    table = pa.table(
        {
            "item_id": ["a", "", None, "a long name with ünïcode"],
            "n": pa.array([1, -1, None, 0], pa.int64()),
            "x": pa.array([0.5, float("nan"), None, -0.0], pa.float64()),
            "l": pa.array([["p", None], [], None, ["pp"]], pa.list_(pa.string())),
            "at": pa.array([MOMENT, None, MOMENT, MOMENT], pa.timestamp("us", "UTC")),
        }
    )
    assert [value.hex() for value in row_hashes(table).to_pylist()] == GOLDEN


def test_width_and_encoding_do_not_show() -> None:
    """A value hashes alike as int32 or int64, float or double, plain or large string or list, and in any time unit."""
    assert one(7, pa.int32()) == one(7, pa.int64()) == one(7, pa.uint8())
    assert one(0.5, pa.float32()) == one(0.5, pa.float64())
    assert one("äb", pa.string()) == one("äb", pa.large_string())
    assert one([1, 2], pa.list_(pa.int32())) == one([1, 2], pa.large_list(pa.int64())) == one([1, 2], pa.list_(pa.int64(), 2))
    assert one(MOMENT, pa.timestamp("s", "UTC")) == one(MOMENT, pa.timestamp("ns", "UTC")) == one(MOMENT, pa.timestamp("us"))


def test_what_differs_hashes_differently() -> None:
    """Null, empty, zero, padded and split values are all different."""
    strings = [None, "", "\0", "\0" * 8, "a", "a\0", "12345678", "123456780"]
    assert len({one(value, pa.string()) for value in strings}) == len(strings)
    lists = [None, [], [None], [""], ["a", "b"], ["b", "a"], ["ab"], ["a", "b", ""], [["a"]][0]]
    assert len({one(value, pa.list_(pa.string())) for value in lists}) == len(lists)
    assert len({one(value, pa.int64()) for value in (None, 0, 1, -1)}) == 4
    assert len({one(value, pa.float64()) for value in (None, 0.0, float("nan"), 1.0)}) == 4


def test_names_order_columns() -> None:
    """The order of a file's columns does not show; which column a value stands in does."""
    table = pa.table({"a": [1], "b": [2]})
    assert row_hashes(table) == row_hashes(table.select(["b", "a"]))
    assert row_hashes(table) != row_hashes(pa.table({"a": [2], "b": [1]}))


VALUES = st.tuples(st.text(max_size=20) | st.none(), st.lists(st.integers(-3, 3) | st.none(), max_size=4) | st.none())


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(VALUES, max_size=12), cut=st.integers(0, 12))
def test_chunks_and_slices_do_not_show(rows: list[tuple[str | None, list[int | None] | None]], cut: int) -> None:
    """A row's hash depends on the row alone, and equals another's exactly where the rows are equal."""
    names = pa.array([name for name, _ in rows], pa.string())
    table = pa.table({"s": names, "l": pa.array([numbers for _, numbers in rows], pa.list_(pa.int64()))})
    whole = row_hashes(table).to_pylist()
    assert row_hashes(pa.concat_tables([table.slice(0, cut), table.slice(cut)])).to_pylist() == whole
    assert row_hashes(table.slice(cut)).to_pylist() == whole[cut:]
    keys = [json.dumps(row) for row in rows]
    assert len(set(whole)) == len(set(keys))


def test_words_and_bytes() -> None:
    """Hashes become pairs of words and back, from a slice as well."""
    words = np.arange(12, dtype=np.uint64).reshape(6, 2)
    assert np.array_equal(to_words(from_words(words).slice(2, 3)), words[2:5])
