"""Feast's offline store as ASOF joins: point-in-time features from Parquet, by DuckDB or Polars.

`join`, `spec` and what they need do not import Feast. The names that feature_store.yaml refers to do, when asked for.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ratoon.features.offline.plugin import AsofOfflineStore as AsofOfflineStore
    from ratoon.features.offline.plugin import AsofOfflineStoreConfig as AsofOfflineStoreConfig


def __getattr__(name: str) -> Any:
    if name not in ("AsofOfflineStore", "AsofOfflineStoreConfig"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from ratoon.features.offline import plugin

    return getattr(plugin, name)
