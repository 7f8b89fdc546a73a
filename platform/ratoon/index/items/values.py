"""Values of columns: when one is another, and how many are read as another type."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ratoon.domain.errors import DataError


def differ(one: object, other: object) -> bool:
    """Whether two values are not the same, to the last bit."""
    # Zeros of either sign are equal, and not the same value; NaN is the same value, and not equal.
    unsure = not one or isinstance(one, list) if one == other else True
    return unsure and repr(one) != repr(other)


def differing(one: pa.Array, other: pa.Array) -> npt.NDArray[np.bool_]:
    """Of each pair of values of the same type whether they differ; shape (n,)."""
    kind = one.type
    if pa.types.is_nested(kind):
        unsure = pa.array(np.ones(len(one), np.bool_))
    else:
        bits = {pa.float64(): pa.int64(), pa.float32(): pa.int32(), pa.float16(): pa.int16()}.get(kind, kind)
        unequal = pc.not_equal(one.view(bits), other.view(bits))
        unsure = pc.or_(pc.fill_null(unequal, False), pc.xor(one.is_null(), other.is_null()))
    found: npt.NDArray[np.bool_] = unsure.to_numpy(zero_copy_only=False).copy()
    rows = np.flatnonzero(found)
    pairs = zip(one.take(pa.array(rows)).to_pylist(), other.take(pa.array(rows)).to_pylist(), strict=True)
    found[rows] = [differ(*pair) for pair in pairs]
    return found


def cast(name: str, values: pa.Array | pa.ChunkedArray, new: pa.DataType) -> list[object]:
    """Values of one column as another type has them; DataError if it cannot hold them."""
    try:
        return list(values.cast(new).to_pylist())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise DataError(
            name,
            expected=f"the index's column type {values.type}, or one that its values can be read as",
            found=f"{new} ({error})",
            fix="Rename the column, or refresh with the full scope, which rebuilds the index.",
        ) from error
