"""One row's encoding against the reference."""

import numpy as np
import pyarrow as pa
from hypothesis import given, settings

from ratoon.domain.encoding import Encoding
from ratoon.towers.row import encode_row
from tests.towers.worlds import KNOWN_USERS, SCHEMA, items, user_rows, users

ENCODING = Encoding.of(SCHEMA, KNOWN_USERS, items(5))


@settings(deadline=None)
@given(user_rows)
def test_one_row_is_encoded_as_in_a_batch(row: dict[str, object]) -> None:
    """Every kind of feature gives the same arrays on both paths, types included."""
    table = users([row])
    fast, reference = encode_row(ENCODING, SCHEMA.user, table), ENCODING.encode(SCHEMA.user, table)
    assert fast.keys() == reference.keys()
    for name, expected in reference.items():
        assert fast[name].dtype == expected.dtype
        assert fast[name].shape == expected.shape
        assert np.allclose(fast[name], expected, rtol=1e-6, atol=1e-6), name


def test_infinity_is_as_good_as_missing() -> None:
    """A number that is not finite has no presence, here as in the reference."""
    row: dict[str, object] = {"user_id": "u0", "age": float("inf")}
    table = users([row])
    assert encode_row(ENCODING, SCHEMA.user, table)["age"].tolist() == [[0.0, 0.0]]
    assert pa.types.is_floating(table.schema.field("age").type)
