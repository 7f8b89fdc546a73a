"""What a scheduler's process does to a Feast repository."""

import warnings
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path


def looping(folder: Path, views: Sequence[str], first: int) -> None:
    """`materialize-incremental` over some views, over and over."""
    from feast import FeatureStore

    warnings.simplefilter("ignore")
    store, start = FeatureStore(repo_path=str(folder)), datetime(2026, 3, 1, tzinfo=UTC)
    for step in range(first, first + 6):
        store.materialize_incremental(end_date=start + timedelta(hours=2 * step), feature_views=list(views))
