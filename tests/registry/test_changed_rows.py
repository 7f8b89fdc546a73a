"""Differences between safetensors files, whatever their tensors."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from safetensors.numpy import load, save

from ratoon.registry.changed_rows import difference, rebuilt

Array = npt.NDArray[np.generic]
DTYPES = st.sampled_from([np.float32, np.float64, np.float16, np.int64, np.int8, np.bool_])


def table(rows: int, width: int = 16, seed: int = 0) -> npt.NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal((rows, width)).astype(np.float32)


@st.composite
def tensors(draw: st.DrawFn) -> dict[str, Array]:
    """One to four tensors of any dtype and up to three axes, some of them empty or scalars, NaN and -0 included."""
    names = draw(st.sets(st.sampled_from(["table.item_id", "ü", "values:a", "header"]), min_size=1, max_size=4))
    shape = st.lists(st.integers(0, 5), max_size=3).map(tuple)
    return {name: draw(shape.flatmap(lambda shape: DTYPES.flatmap(lambda kind: hnp.arrays(kind, shape)))) for name in names}


METADATA = st.none() | st.dictionaries(st.sampled_from(["format", "é"]), st.text(max_size=3))


@given(old=tensors(), new=tensors(), before=METADATA, after=METADATA)
def test_any_file_comes_back_from_any_other(
    old: Mapping[str, Array], new: Mapping[str, Array], before: dict[str, str] | None, after: dict[str, str] | None
) -> None:
    """Whatever two files hold, the newer comes back byte for byte: dtypes, shapes, order and metadata."""
    older, newer = save(dict(old), before), save(dict(new), after)
    delta = difference(older, newer)
    assert delta is not None
    assert rebuilt(older, [delta]) == newer


def test_only_what_changed_is_kept() -> None:
    """Changed rows and new rows are kept with the changed rows' numbers; a tensor that is the same costs nothing."""
    old = {"table": table(100), "same": table(50, seed=1), "small": table(1, 4, seed=2), "gone": table(9)}
    new = {name: old[name].copy() for name in ("table", "same", "small")}
    new["table"][[7, 30]] += 1
    new["table"] = np.concatenate([new["table"], table(3, seed=3)])
    new["small"] += 1
    delta = difference(save(old), save(new))
    assert delta is not None
    kept = load(delta)
    assert sorted(kept) == ["header", "rows:table", "values:small", "values:table"]
    assert kept["rows:table"].tolist() == [7, 30]
    assert kept["values:table"].tobytes() == new["table"][[7, 30, 100, 101, 102]].tobytes()
    assert kept["values:small"].tobytes() == new["small"].tobytes()


def test_bits_are_compared_and_not_values() -> None:
    """A zero that became a negative zero has changed, and a NaN that stayed the same NaN has not."""
    old = table(20)
    old[3], old[4] = 0.0, np.nan
    new = old.copy()
    new[3] = -0.0
    delta = difference(save({"t": old}), save({"t": new}))
    assert delta is not None
    assert load(delta)["rows:t"].tolist() == [3]


def test_a_table_that_lost_rows_comes_back() -> None:
    """A table may also become shorter; nothing but the header is kept then."""
    older, newer = save({"t": table(20)}), save({"t": table(20)[:5]})
    delta = difference(older, newer)
    assert delta is not None
    assert sorted(load(delta)) == ["header"]
    assert rebuilt(older, [delta]) == newer


@given(junk=st.binary(max_size=80) | st.binary(max_size=60).map(lambda data: len(data).to_bytes(8, "little") + data))
def test_other_files_have_no_difference(junk: bytes) -> None:
    """Bytes that are not laid out as safetensors never raise: they have no difference, or one that is not theirs."""
    whole = save({"t": table(3)})
    for old, new in ((junk, whole), (whole, junk)):
        delta = difference(old, new)
        assert delta is None or isinstance(rebuilt(old, [delta]), bytes)


def test_bytes_that_no_tensor_has_do_not_come_back() -> None:
    """What lies behind the last tensor is in no row: who stores a difference sees that it does not fit."""
    old, new = save({"t": table(30)}), save({"t": table(30)}) + b"more"
    delta = difference(old, new)
    assert delta is not None
    assert rebuilt(old, [delta]) == new.removesuffix(b"more")


@pytest.mark.parametrize(
    ("delta", "found"),
    [
        (b"x", "SafetensorError"),
        (save({"t": table(2)}), "KeyError"),
        (save({"header": np.frombuffer(save({"u": table(2)})[:-128], np.uint8)}), "KeyError.'u'"),
        (
            save({"header": np.frombuffer(save({"t": table(900)})[:-57600], np.uint8)}),
            "rows and bytes where the header has 900 in 57600",
        ),
    ],
)
def test_a_difference_from_something_else_is_refused(delta: bytes, found: str) -> None:
    """What is no difference, or one from another file, is a ValueError and never a wrong file's tensors."""
    with pytest.raises(ValueError, match=found):
        rebuilt(save({"t": table(3)}), [delta])


def test_whole_numbers_with_scales_differ_by_row() -> None:
    """Of a table in whole numbers, whose scales are a tensor of their own, what differs takes what the moved rows do."""
    random = np.random.default_rng(1)
    codes, scales = random.integers(-127, 128, (2_000, 64), np.int8), random.random(2_000, np.float32)
    older = save({"table.item_id": codes, "table.item_id/scales": scales})
    moved = np.arange(0, 2_000, 20)
    codes, scales = codes.copy(), scales.copy()
    codes[moved], scales[moved] = 1, 2.0
    newer = save({"table.item_id": codes, "table.item_id/scales": scales})
    delta = difference(older, newer)
    assert delta is not None
    assert len(delta) < 1_000 + len(moved) * (64 + 8 + 4 + 8)
    assert rebuilt(older, [delta]) == newer
