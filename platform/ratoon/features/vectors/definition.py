"""Which of Feast's views vectors are written to, found by tag and key, whatever they are called."""

from pathlib import Path

from feast import FeatureView, FileSource

from ratoon.domain.errors import DataError
from ratoon.domain.schema import Entity
from ratoon.features.repository import ORIGIN_TAG, RELEASED, FeastRepository
from ratoon.features.vectors.view import SPACE, VectorView
from ratoon.features.views import JOIN_KEYS

FEATURES = {"vector": "FLOAT_LIST", "release": "STRING"}


def vector_view(repository: FeastRepository, entity: Entity) -> VectorView:
    """The repository's view of one entity's vectors; a changed repository is applied first.

    Raises:
        DataError: there is none, or more than one, or it is not what vectors can be written to.
    """
    found = [view for view in _tagged(repository) if _entity(view) == entity]
    if len(found) != 1:
        raise DataError(
            f"feature view of {entity} vectors in {repository.repo}",
            expected=f"one with the tag {ORIGIN_TAG} = {RELEASED} and the join keys {JOIN_KEYS[entity]} and {SPACE}",
            found=", ".join(repr(view.name) for view in found) or "none",
            fix="Copy vectors.py from Ratoon's own feature_repo/.",
        )
    return VectorView(found[0].name, entity, _folder(found[0]))


def vector_views(repository: FeastRepository) -> list[VectorView]:
    """All views of vectors that the repository has, at most one per entity; DataError like `vector_view`."""
    found = {_entity(view) for view in _tagged(repository)}
    entities: tuple[Entity, ...] = ("item", "user")
    return [vector_view(repository, entity) for entity in entities if entity in found]


def _tagged(repository: FeastRepository) -> list[FeatureView]:
    repository.apply()
    return [view for view in repository.store.list_feature_views() if view.tags.get(ORIGIN_TAG) == RELEASED]


def _entity(view: FeatureView) -> Entity | None:
    keys = {column.name for column in view.entity_columns}
    return next((entity for entity, key in JOIN_KEYS.items() if keys == {key, SPACE}), None)


def _folder(view: FeatureView) -> Path:
    source, dtypes = view.batch_source, {field.name: field.dtype.to_value_type().name for field in view.features}
    if dtypes != FEATURES:
        raise _unlike(view.name, "the features vector: Array(Float32) and release: String", str(dtypes))
    path = source.path if isinstance(source, FileSource) else type(source).__name__
    if not isinstance(source, FileSource) or "://" in path or not path.endswith("/*.parquet"):
        raise _unlike(view.name, "a FileSource of all Parquet files in a folder on this machine, .../*.parquet", path)
    times = source.timestamp_field, source.created_timestamp_column
    if times != ("event_timestamp", "created_timestamp") or source.field_mapping:
        raise _unlike(view.name, "the times event_timestamp and created_timestamp, and no field mapping", str(times))
    return Path(path).parent


def _unlike(view: str, expected: str, found: str) -> DataError:
    return DataError(f"feature view {view!r}", expected=expected, found=found, fix="Write it as Ratoon's own vectors.py does.")
