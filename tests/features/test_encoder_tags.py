"""Tags of texts and of attention that cannot be followed are refused."""

import re
from pathlib import Path

import pytest

from ratoon.domain.errors import DataError
from tests.features.test_contract import schema_of


@pytest.mark.parametrize(
    ("field", "message"),
    [
        (
            'name="x", dtype=types.Int64, tags={"ratoon.encoder": "text"}',
            (
                "dtype of feature 'x' in view 'item_profile': expected String, as its tag ratoon.encoder is text, found INT64. "
                "Change the one or the other in feature_repo/."
            ),
        ),
        (
            'name="x", dtype=types.String, tags={"ratoon.encoder": "attention"}',
            (
                "dtype of feature 'x' in view 'item_profile': expected an Array, as its tag ratoon.encoder is attention, found "
                "STRING. Change the one or the other in feature_repo/."
            ),
        ),
        (
            'name="x", dtype=types.String, tags={"ratoon.encoder": "text", "ratoon.buckets": "0"}',
            (
                "tag ratoon.buckets of feature 'x' in view 'item_profile': expected a whole number above 0, found '0'. Correct "
                "the tag in feature_repo/."
            ),
        ),
    ],
)
def test_an_encoder_that_does_not_suit_is_refused(tmp_path: Path, field: str, message: str) -> None:
    """A text of numbers, attention to a single string and a table without rows are refused by name."""
    with pytest.raises(DataError, match=f"^{re.escape(message)}$"):
        schema_of(tmp_path, field)
