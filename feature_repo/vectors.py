"""The vectors of published releases, written by `ratoon publish-embeddings`; the views are empty until it is run.

A second key beside the item or user says which vector space is asked for, since vectors of two spaces cannot be compared:
    entities: item_id, space, event_timestamp     features: item_vectors:vector
gives each item's vector as it was served at that moment in that space. They are for models of yours, such as a ranker; no tower
reads them. Set online=True to have them in the online store, by `feast materialize`.
"""

from datetime import timedelta

from entities import item, user
from feast import Entity, FeatureView, Field, FileSource, ValueType
from feast.data_format import ParquetFormat
from feast.types import Array, Float32, String

space = Entity(
    name="space",
    join_keys=["space"],
    value_type=ValueType.STRING,
    description="A vector space: stays as long as refreshes only move rows, and changes when a model is learnt anew.",
    owner="recommendations@example.com",
)


def _vectors(entity: Entity, description: str) -> FeatureView:
    name = f"{entity.name}_vectors"
    return FeatureView(
        name=name,
        entities=[entity, space],
        ttl=timedelta(0),
        schema=[
            Field(name=entity.join_key, dtype=String),
            Field(name="space", dtype=String),
            Field(name="vector", dtype=Array(Float32), description="Null from when the entity or the space has ended."),
            Field(name="release", dtype=String, description="The id of the release that changed it."),
        ],
        source=FileSource(
            name=name,
            path=f"../var/features/{name}/*.parquet",
            file_format=ParquetFormat(),
            timestamp_field="event_timestamp",
            created_timestamp_column="created_timestamp",
            description="One row per change of a vector, valid from when the release was served.",
            owner="recommendations@example.com",
            tags={"ratoon.empty": "true"},
        ),
        online=False,
        description=description,
        owner="recommendations@example.com",
        tags={"ratoon.source": "release", "team": "recommendations"},
    )


item_vectors = _vectors(item, "What the index held.")
user_vectors = _vectors(user, "What the user tower gave for what was known when the release was made.")
