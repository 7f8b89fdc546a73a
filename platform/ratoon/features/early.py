"""What libraries and stores import when they are first used, imported before: for a process that others are forked from."""

import feast.infra.registry.file as feast_registry
import pandera.backends.polars.builtin_checks as pandera_checks
import pandera.backends.polars.components as pandera_components
import pandera.backends.polars.container as pandera_container

import ratoon.features.offline.job as offline_job
import ratoon.features.offline.plugin as offline_store
import ratoon.features.online.feast_stores as online_stores
import ratoon.features.online.registry as online_registry
import ratoon.features.store as store

IMPORTED = (
    feast_registry,
    offline_job,
    offline_store,
    online_registry,
    online_stores,
    pandera_checks,
    pandera_components,
    pandera_container,
    store,
)
"""Nothing here is called by name."""
