"""From Feast's objects to plain values: sources, and a view's side of a join."""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from feast import FeatureView, FileSource
from feast.data_format import ParquetFormat
from feast.data_source import DataSource
from feast.feature_view import DUMMY_ENTITY_ID
from feast.infra.registry.base_registry import BaseRegistry
from feast.utils import _get_requested_feature_views_to_features_dict, _get_requested_on_demand_feature_views

from ratoon.domain.errors import DataError
from ratoon.features.offline.spec import Source, ViewSide


def source_of(source: DataSource | None, repo: Path | str | None, where: str) -> Source:
    """What a Feast source reads.

    Raises:
        DataError: if it does not read Parquet files.
    """
    if not isinstance(source, FileSource) or not isinstance(source.file_format, ParquetFormat | None):
        raise DataError(
            f"source of {where}",
            expected="a FileSource of Parquet files",
            found=type(source.file_format if isinstance(source, FileSource) else source).__name__,
            fix="Keep its rows in Parquet files, or use Feast's own store for it.",
        )
    storage = {name: value for name, value in (source.resolve_credentials() or {}).items() if name.startswith("AWS_") and value}
    if source.s3_endpoint_override:
        storage["AWS_ENDPOINT_URL"] = source.s3_endpoint_override
    path = FileSource.get_uri_for_file_path(repo, source.path).removeprefix("file://")
    return Source(path, tuple(sorted(storage.items())))


def side_of(view: FeatureView, features: Sequence[tuple[str, str]], repo: Path | str | None) -> ViewSide:
    """A view's side of a join.

    Args:
        features: (the feature's name in the view, the output's name) pairs.

    Raises:
        DataError: if the view has no such feature, or no Parquet source.
    """
    name = view.projection.name_to_use()
    source, known = view.batch_source, {field.name for field in view.features}
    for feature, _ in features:
        if feature not in known:
            raise DataError(
                f"feature {feature!r} of feature view {name!r}",
                expected=f"one of {', '.join(sorted(known))}",
                found=repr(feature),
                fix="Correct the reference, or add the feature and apply the repository.",
            )
    read = source_of(source, repo, f"feature view {name!r}")
    assert source is not None
    stored = {new: old for old, new in (source.field_mapping or {}).items()}
    keys = [column.name for column in view.entity_columns if column.name != DUMMY_ENTITY_ID]
    return ViewSide(
        name=name,
        source=read,
        timestamp=stored.get(source.timestamp_field or "", source.timestamp_field or ""),
        created=stored.get(source.created_timestamp_column or "", source.created_timestamp_column or ""),
        keys=tuple((stored.get(key, key), view.projection.join_key_map.get(key, key)) for key in keys),
        features=tuple((stored.get(feature, feature), output) for feature, output in features),
        ttl=view.ttl or None,
    )


def requested(
    references: list[str],
    views: list[FeatureView],
    registry: BaseRegistry,
    project: str,
    repo: Path | str | None,
    *,
    full: bool,
    taken: Collection[str],
) -> list[ViewSide]:
    """The sides that a request for `view:feature` references needs.

    Args:
        full: call every output `view__feature`.
        taken: names of entity columns; a feature of such a name comes as `view__feature` anyway, beside that column.
    """
    on_demand: list[Any] = _get_requested_on_demand_feature_views(references, project, registry)
    chosen, _ = _get_requested_feature_views_to_features_dict(references, views, on_demand)
    found = []
    for view, features in chosen.items():
        prefix = view.projection.name_alias or view.name
        outputs = [(name, f"{prefix}__{name}" if full or name in taken else name) for name in dict.fromkeys(features)]
        found.append(side_of(view, outputs, repo))
    return found
