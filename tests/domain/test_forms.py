"""Numbers in fewer bits: how far they are off, and that what is written again stays as it was."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from ratoon.domain.forms import MOST, SCALES, Form, Forms, Halved, Packed, Scaled, opened, packed, plain

FORMS: tuple[Form, ...] = ("float32", "float16", "int8")

tables = arrays(np.float32, array_shapes(min_dims=2, max_dims=2, max_side=5), elements=st.floats(-(2.0**100), 2.0**100, width=32))


def _packed(values: np.ndarray[tuple[int, ...], np.dtype[np.float32]], form: Form) -> dict[str, Packed]:
    return dict(packed("table.t", values, form))


@given(values=tables, form=st.sampled_from(FORMS))
def test_what_was_read_and_is_written_again_is_the_same(
    values: np.ndarray[tuple[int, ...], np.dtype[np.float32]], form: Form
) -> None:
    """Whatever the rows, packing what was unpacked gives the same bytes: an unmoved row stays as it is over any refreshes."""
    once = _packed(values, form)
    again = _packed(plain(opened(once)["table.t"]), form)
    assert {name: part.tobytes() for name, part in once.items()} == {name: part.tobytes() for name, part in again.items()}


@given(values=tables)
def test_whole_numbers_are_within_half_a_step(values: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> None:
    """No number of a row is off by more than half of its scale, which is at most a thousandth above 1/127 of the greatest."""
    rows = opened(_packed(values, "int8"))["table.t"]
    assert isinstance(rows, Scaled)
    largest = np.abs(values).max(axis=1)
    long = largest > 1e-30
    assert (np.abs(plain(rows) - values)[long] <= 0.5001 * rows.scales[long, None]).all()
    assert (rows.scales[long] <= largest[long] / MOST * 1.001).all()


@pytest.mark.parametrize("form", FORMS)
def test_only_what_is_asked_for_is_decoded(form: Form) -> None:
    """One row, some rows, and lists of rows come as float32 of the right shape, the same numbers as all at once has."""
    values = np.random.default_rng(0).standard_normal((6, 3)).astype(np.float32)
    rows = opened(_packed(values, form))["table.t"]
    whole = plain(rows)
    places = np.array([[5, 0], [2, 2]])
    for found, expected in ((rows[4], whole[4]), (rows[[1, 1]], whole[[1, 1]]), (rows[places], whole[places])):
        assert found.dtype == np.float32
        assert found.shape == expected.shape
        assert np.array_equal(found, expected)
    assert np.abs(whole - values).max() < {"float32": 1e-9, "float16": 2e-3, "int8": 2e-2}[form]


def test_bytes_are_counted() -> None:
    """Rows take four, two, and one byte per number; the last a scale each too."""
    values = np.ones((10, 64), np.float32)
    assert [opened(_packed(values, form))["table.t"].nbytes for form in FORMS] == [2560, 1280, 680]
    assert opened(_packed(values, "int8"))["table.t"].shape == (10, 64)


def test_numbers_per_unit_are_never_whole_numbers() -> None:
    """A layer's additions, which have no rows, are halved at most."""
    assert [part.dtype for part in _packed(np.ones(4, np.float32), "int8").values()] == [np.float32]


def test_what_is_too_large_for_half_is_the_greatest() -> None:
    """No number becomes infinite."""
    halved = opened(_packed(np.full((1, 2), -1e30, np.float32), "float16"))["table.t"]
    assert isinstance(halved, Halved)
    assert plain(halved).tolist() == [[-65504.0, -65504.0]]


def test_scales_that_do_not_fit_are_refused() -> None:
    """Whole numbers without scales, or with some for other rows, are not taken for anything."""
    parts = _packed(np.ones((3, 2), np.float32), "int8")
    with pytest.raises(KeyError, match="table.t/scales"):
        opened({"table.t": parts["table.t"]})
    with pytest.raises(ValueError, match=r"table.t: \(3, 2\) whole numbers, \(2,\) scales"):
        opened({**parts, f"table.t{SCALES}": parts[f"table.t{SCALES}"][:2]})


def test_rows_and_layers_have_forms_of_their_own() -> None:
    """What a tensor's form is follows from its name."""
    forms = Forms(tables="int8", layers="float16")
    assert (forms.of("table.item_id"), forms.of("user.w1")) == ("int8", "float16")
