"""Two releases' tensors side by side."""

import numpy as np
import pytest
from safetensors.numpy import save

from ratoon.registry.differing import Differing, compared


def test_what_is_the_same_is_counted() -> None:
    """Equal tensors are counted and equal files of other kinds are not told, whatever order the tensors stand in."""
    one = save({"a": np.arange(6.0).reshape(3, 2), "b": np.array(np.nan)})
    told = compared({"x.safetensors": one, "m.json": b"{}"}, {"x.safetensors": one, "m.json": b"{}"})
    assert (told.equal, told.differing) == (2, ())


def test_rows_that_differ_are_measured() -> None:
    """How many rows, the largest difference, and its length over the first tensor's; zeros of two signs are told as no rows."""
    old = np.array([[3.0, 4.0], [0.0, 0.0], [0.0, 0.0]], np.float32)
    new = np.array([[3.0, 4.5], [0.0, 0.0], [0.0, -0.0]], np.float32)
    (table,) = compared({"x.safetensors": save({"t": old})}, {"x.safetensors": save({"t": new})}).differing
    assert (table.rows, table.of, table.how) == (1, 3, "")
    assert table.largest == 0.5
    assert table.relative == pytest.approx(0.1)
    (sign,) = compared({"x.safetensors": save({"t": old[2:]})}, {"x.safetensors": save({"t": new[2:]})}).differing
    assert (sign.rows, sign.largest, sign.relative) == (0, 0.0, None)


def test_a_table_that_grew_is_compared_where_both_have_rows() -> None:
    """New rows are told as another shape, and no number is made up for tensors that cannot be laid side by side."""
    old, grown = np.ones((2, 3)), np.ones((5, 3))
    (table,) = compared({"x.safetensors": save({"t": old})}, {"x.safetensors": save({"t": grown})}).differing
    assert table == Differing("x.safetensors", "t", "2 x 3 against 5 x 3", 0, 2, 0.0, 0.0)
    (other,) = compared({"x.safetensors": save({"t": old})}, {"x.safetensors": save({"t": np.ones(6)})}).differing
    assert other == Differing("x.safetensors", "t", "2 x 3 against 6")
    (nan,) = compared({"x.safetensors": save({"t": old})}, {"x.safetensors": save({"t": old * np.nan})}).differing
    assert (nan.rows, nan.largest, nan.how) == (2, None, "some are no numbers")


def test_what_only_one_has_is_named() -> None:
    """Files and tensors of one release alone, and files of another kind whose bytes differ."""
    a = {"x.safetensors": save({"t": np.ones(1), "old": np.ones(1)}), "gone": b"", "m.json": b"1"}
    b = {"x.safetensors": save({"t": np.ones(1), "new": np.ones(1)}), "m.json": b"2"}
    told = compared(a, b)
    assert told.equal == 1
    assert [(one.file, one.tensor, one.how) for one in told.differing] == [
        ("gone", "", "only in the first"),
        ("m.json", "", "bytes differ"),
        ("x.safetensors", "new", "only in the second"),
        ("x.safetensors", "old", "only in the first"),
    ]
