"""Values of columns: when one is another, and how many are read as another type."""

import pyarrow as pa

from ratoon.domain.errors import DataError


def differ(one: object, other: object) -> bool:
    """Whether two values are not the same, to the last bit."""
    # Zeros of either sign are equal, and not the same value; NaN is the same value, and not equal.
    unsure = not one or isinstance(one, list) if one == other else True
    return unsure and repr(one) != repr(other)


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
